-- +goose Up
-- The consent ledger: who said what about which list. Rows are only added;
-- 0010 makes the database refuse anything else. person and evidence are salted
-- commitments, so that what they stand for can be erased beside the ledger.
ALTER TABLE consents RENAME TO consents_before;
CREATE TABLE consents (
    id            BIGINT NOT NULL PRIMARY KEY,
    subscriber_id BIGINT NOT NULL,
    list_id       BIGINT NOT NULL,
    act           TEXT   NOT NULL, -- requested, given, withdrawn, restored, expired, erased
    basis         TEXT   NOT NULL,
    statement     TEXT   NOT NULL, -- of statements
    stated_at     BIGINT NOT NULL, -- when it was said
    recorded_at   BIGINT NOT NULL, -- when we wrote it down
    person        TEXT   NOT NULL, -- SHA-256 over the person's salt and address key, hex
    evidence      TEXT   NOT NULL  -- SHA-256 over a salt and the details, hex; '': none
);

-- The words and the source behind acts, each once, under its own digest.
CREATE TABLE statements (
    digest TEXT NOT NULL PRIMARY KEY,
    text   TEXT NOT NULL -- a JSON object
); -- clustered

INSERT INTO statements (digest, text) SELECT DISTINCT 'before ' || source || ' ' || CAST(details AS TEXT), CAST(details AS TEXT) FROM consents_before;
INSERT INTO consents (id, subscriber_id, list_id, act, basis, statement, stated_at, recorded_at, person, evidence)
    SELECT id, subscriber_id, list_id, act, basis, 'before ' || source || ' ' || CAST(details AS TEXT), stated_at, recorded_at, '', '' FROM consents_before;
DROP TABLE consents_before;
CREATE INDEX consents_subscriber ON consents (subscriber_id);

-- What is personal about an act, such as the network address it came from. May be erased.
CREATE TABLE evidences (
    consent_id    BIGINT NOT NULL PRIMARY KEY,
    subscriber_id BIGINT NOT NULL,
    salt          TEXT   NOT NULL,
    details       TEXT   NOT NULL -- a JSON object, kept to the byte
);
CREATE INDEX evidences_subscriber ON evidences (subscriber_id);

-- Rows of the ledger that no pack holds yet.
CREATE TABLE unsealed (
    id      BIGINT NOT NULL PRIMARY KEY,
    entries TEXT   NOT NULL -- their ids, a JSON array
);

-- Packs: each names its rows, the pack before it, and is signed.
CREATE TABLE seals (
    number    BIGINT NOT NULL PRIMARY KEY, -- from 1, without gaps
    previous  TEXT   NOT NULL, -- SHA-256 of the seal before, hex
    root      TEXT   NOT NULL, -- of the Merkle tree (RFC 6962) over the rows, hex
    entries   BIGINT NOT NULL,
    sealed_at BIGINT NOT NULL,
    key       TEXT   NOT NULL, -- the public key, hex
    signature TEXT   NOT NULL, -- Ed25519, hex
    ids       TEXT   NOT NULL, -- of the rows, in the order of the tree, a JSON array
    leaves    TEXT   NOT NULL  -- the first 8 bytes of each row's hash, hex: tells which row is wrong
);

-- A person's salt; without it their rows in the ledger are numbers about nobody.
ALTER TABLE subscribers ADD COLUMN salt TEXT NOT NULL DEFAULT '';
