-- +goose Up
-- What came back about our mails, each once: key says what counts as the same.
CREATE TABLE feedback (
    id            BIGINT NOT NULL PRIMARY KEY,
    key           TEXT   NOT NULL UNIQUE,
    kind          TEXT   NOT NULL, -- bounce, complaint, unsubscribe
    class         TEXT   NOT NULL, -- of a bounce
    campaign_id   BIGINT NOT NULL, -- 0: of a letter, or unmatched
    subscriber_id BIGINT NOT NULL, -- 0: of nobody that we know
    letter_id     BIGINT NOT NULL, -- 0: none
    source        TEXT   NOT NULL, -- relay:12, listener, imap, api, ses, …
    found_by      TEXT   NOT NULL, -- answer, return_path, message_id, leave_token; '': unmatched
    status        TEXT   NOT NULL,
    code          BIGINT NOT NULL,
    diagnostic    TEXT   NOT NULL, -- without the person's address
    recipient     TEXT   NOT NULL, -- of an unmatched one: whom it names
    effect        TEXT   NOT NULL, -- suppressed, unsubscribed, counted, noted, unmatched
    at            BIGINT NOT NULL
);
CREATE INDEX feedback_subscriber ON feedback (subscriber_id, id);
CREATE INDEX feedback_campaign ON feedback (campaign_id, id);
CREATE INDEX feedback_unmatched ON feedback (id) WHERE effect = 'unmatched';

-- Doors for the webhooks of providers.
CREATE TABLE feedback_hooks (
    id         BIGINT NOT NULL PRIMARY KEY,
    provider   TEXT   NOT NULL, -- ses, sendgrid, mailgun, postmark, brevo, mailjet
    secret     TEXT   NOT NULL UNIQUE, -- a hash of the path's secret
    key        TEXT   NOT NULL, -- what its signatures are checked with, sealed; '': nothing
    created_at BIGINT NOT NULL,
    heard_at   BIGINT NOT NULL -- 0: never
);

-- Whether what is sent to our return path comes back to us.
ALTER TABLE domains ADD COLUMN probed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE domains ADD COLUMN inbound_at BIGINT NOT NULL DEFAULT 0;

-- What was accepted, refused, returned and complained about, on the day it was
-- sent; a shard is a process's node, so that none waits for another.
CREATE TABLE rates (
    campaign_id BIGINT NOT NULL,
    lane        BIGINT NOT NULL,
    day         BIGINT NOT NULL, -- Unix days, UTC
    shard       BIGINT NOT NULL,
    accepted    BIGINT NOT NULL,
    refused     BIGINT NOT NULL, -- hard, in the dialogue
    returned    BIGINT NOT NULL, -- hard, by a report on what had been accepted
    soft        BIGINT NOT NULL,
    complained  BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, lane, day, shard)
); -- clustered
CREATE INDEX rates_day ON rates (day);

-- Complaint rates as others saw them, such as Postmaster Tools.
CREATE TABLE external_rates (
    domain     TEXT   NOT NULL,
    provider   TEXT   NOT NULL,
    day        BIGINT NOT NULL, -- Unix days, UTC
    source     TEXT   NOT NULL,
    rate       DOUBLE PRECISION NOT NULL, -- 0.001 is 0.10%
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (domain, provider, day, source)
); -- clustered
