-- +goose Up
CREATE TABLE lists (
    id         BIGINT NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    opt_in     TEXT   NOT NULL, -- double, single
    created_at BIGINT NOT NULL
);

CREATE TABLE subscribers (
    id         BIGINT NOT NULL PRIMARY KEY,
    email      TEXT   NOT NULL, -- as given, for the wire
    key        TEXT   NOT NULL UNIQUE, -- for equality
    name       TEXT   NOT NULL,
    locale     TEXT   NOT NULL,
    timezone   TEXT   NOT NULL,
    attributes JSONB  NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE subscriptions (
    list_id       BIGINT NOT NULL REFERENCES lists (id),
    subscriber_id BIGINT NOT NULL REFERENCES subscribers (id),
    status        TEXT   NOT NULL, -- pending, confirmed, unsubscribed
    confirmed_at  BIGINT NOT NULL,
    changed_at    BIGINT NOT NULL,
    PRIMARY KEY (list_id, subscriber_id)
); -- clustered
CREATE INDEX subscriptions_subscriber ON subscriptions (subscriber_id);

-- list_id 0 is every list.
CREATE TABLE suppressions (
    key     TEXT   NOT NULL,
    list_id BIGINT NOT NULL,
    reason  TEXT   NOT NULL,
    source  TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (key, list_id)
); -- clustered

-- What each person said about each list, and how we know. Rows are only added.
CREATE TABLE consents (
    id            BIGINT NOT NULL PRIMARY KEY,
    subscriber_id BIGINT NOT NULL,
    list_id       BIGINT NOT NULL,
    act           TEXT   NOT NULL, -- given, withdrawn
    basis         TEXT   NOT NULL,
    source        TEXT   NOT NULL,
    stated_at     BIGINT NOT NULL, -- when it was said
    recorded_at   BIGINT NOT NULL, -- when we wrote it down
    details       JSONB  NOT NULL
);
CREATE INDEX consents_subscriber ON consents (subscriber_id);

-- Recent noes, for the senders' courtesy check; the begin reads the tables above.
CREATE TABLE noes (
    id            BIGINT NOT NULL PRIMARY KEY,
    subscriber_id BIGINT NOT NULL,
    at            BIGINT NOT NULL
);
CREATE INDEX noes_at ON noes (at);

CREATE TABLE imports (
    id          BIGINT NOT NULL PRIMARY KEY,
    list_id     BIGINT NOT NULL REFERENCES lists (id),
    status      TEXT   NOT NULL, -- running, done, failed
    error       TEXT   NOT NULL,
    file        TEXT   NOT NULL, -- the spooled body, on the host that took it
    host        TEXT   NOT NULL,
    progress    JSONB  NOT NULL, -- where the reader stands
    basis       TEXT   NOT NULL,
    source      TEXT   NOT NULL,
    stated_at   BIGINT NOT NULL,
    rows_read   BIGINT NOT NULL,
    created     BIGINT NOT NULL,
    updated     BIGINT NOT NULL,
    refused     BIGINT NOT NULL,
    problems    JSONB  NOT NULL, -- the first refused rows, with their reasons
    created_at  BIGINT NOT NULL,
    finished_at BIGINT NOT NULL
);
CREATE INDEX imports_status ON imports (status);
