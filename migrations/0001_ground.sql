-- +goose Up
-- Processes that share this database; node is the number inside their ids.
CREATE TABLE nodes (
    node        BIGINT  NOT NULL PRIMARY KEY,
    session     BIGINT  NOT NULL, -- 0: ended, and its work was handed on
    host        TEXT    NOT NULL,
    pid         BIGINT  NOT NULL,
    lock_file   TEXT    NOT NULL,
    started_at  BIGINT  NOT NULL,
    lease_until BIGINT  NOT NULL,
    high_ms     BIGINT  NOT NULL, -- no id above this millisecond was given out
    gone        BOOLEAN NOT NULL  -- it said goodbye
);

CREATE TABLE leases (
    name     TEXT   NOT NULL PRIMARY KEY,
    holder   BIGINT NOT NULL,
    fence    BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
);

-- Every change, with who made it, in the transaction that made it.
CREATE TABLE journal (
    id        BIGINT NOT NULL PRIMARY KEY,
    at        BIGINT NOT NULL,
    actor     TEXT   NOT NULL,
    verb      TEXT   NOT NULL,
    object    TEXT   NOT NULL,
    object_id BIGINT NOT NULL,
    details   JSONB  NOT NULL
);
CREATE INDEX journal_object ON journal (object, object_id, id);

CREATE TABLE keys (
    purpose    TEXT   NOT NULL,
    number     BIGINT NOT NULL,
    sealed     TEXT   NOT NULL, -- the key, sealed by FACTEUR_SECRET_KEY
    created_at BIGINT NOT NULL,
    PRIMARY KEY (purpose, number)
);
