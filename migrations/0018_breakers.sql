-- +goose Up
-- Outcomes by the hour a mail was sent: windows of a day need more than days.
DROP INDEX rates_day;
ALTER TABLE rates RENAME COLUMN day TO hour; -- Unix hours, UTC
UPDATE rates SET hour = hour * 24;
CREATE INDEX rates_hour ON rates (hour);
ALTER TABLE rates ADD COLUMN deferred BIGINT NOT NULL DEFAULT 0; -- put off by an answer

-- Breakers that are not in their ordinary state, or were let go by a person.
CREATE TABLE breakers (
    scope          TEXT   NOT NULL, -- campaign:ID, domain:NAME, lane:NAME/PROVIDER
    kind           TEXT   NOT NULL, -- complaints, bounces, canary
    state          TEXT   NOT NULL, -- ok, warn, slow, pause, stop
    reason         TEXT   NOT NULL, -- in words
    since          BIGINT NOT NULL,
    resumed_at     BIGINT NOT NULL, -- by a person, 0: never; mails of before are not held against it again
    resumed_by     TEXT   NOT NULL,
    resumed_reason TEXT   NOT NULL,
    base_bad       BIGINT NOT NULL, -- of the hour in which it was resumed, by then
    base_all       BIGINT NOT NULL,
    PRIMARY KEY (scope, kind)
); -- clustered
