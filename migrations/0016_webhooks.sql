-- +goose Up
-- Who is told what happens, by HTTP.
CREATE TABLE webhooks (
    id         BIGINT NOT NULL PRIMARY KEY,
    url        TEXT   NOT NULL,
    events     TEXT   NOT NULL, -- ",subscriber.bounce,campaign.launch,"; ",*,": all
    secret     TEXT   NOT NULL, -- sealed
    created_at BIGINT NOT NULL,
    told_at    BIGINT NOT NULL, -- the last time it took something; 0: never
    failed_at  BIGINT NOT NULL, -- the last time it did not
    failure    TEXT   NOT NULL
);

-- What is still to be told: written in the transaction of the journal's entry.
CREATE TABLE webhook_calls (
    webhook_id BIGINT NOT NULL,
    entry_id   BIGINT NOT NULL, -- of the journal
    attempts   BIGINT NOT NULL,
    next_at    BIGINT NOT NULL,
    dead       BOOLEAN NOT NULL, -- given up: waits for a person
    failure    TEXT   NOT NULL,
    PRIMARY KEY (webhook_id, entry_id)
);
CREATE INDEX webhook_calls_due ON webhook_calls (next_at) WHERE NOT dead;
