-- +goose Up
-- Double opt-in: sign-ups, their limits, the words agreed to, and who is still to be asked.
ALTER TABLE lists ADD COLUMN sender_id BIGINT NOT NULL DEFAULT 0;   -- as whom its letters go out; 0: the oldest sender
ALTER TABLE lists ADD COLUMN form BOOLEAN NOT NULL DEFAULT TRUE;    -- /subscribe/{list} is open

CREATE TABLE wordings (
    list_id    BIGINT NOT NULL REFERENCES lists (id),
    version    BIGINT NOT NULL, -- from 1, over all languages of a list
    locale     TEXT   NOT NULL,
    text       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (list_id, version)
); -- clustered

ALTER TABLE subscriptions ADD COLUMN left_at BIGINT NOT NULL DEFAULT 0;      -- the last no; only the person's own yes outweighs it
ALTER TABLE subscriptions ADD COLUMN paused_until BIGINT NOT NULL DEFAULT 0; -- at the person's wish
ALTER TABLE subscriptions ADD COLUMN every_days BIGINT NOT NULL DEFAULT 0;   -- at most one campaign in so many days; 0: no wish
UPDATE subscriptions SET left_at = changed_at WHERE status = 'unsubscribed';
CREATE INDEX subscriptions_pending ON subscriptions (changed_at) WHERE status = 'pending';

-- The last sign of life: a yes, a choice. 0: as old as the row.
ALTER TABLE subscribers ADD COLUMN active_at BIGINT NOT NULL DEFAULT 0;

-- Submitted forms, until they are looked at: the answer to a form must not depend on who is known.
CREATE TABLE signups (
    id         BIGINT NOT NULL PRIMARY KEY,
    list_id    BIGINT NOT NULL,
    email      TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    locale     TEXT   NOT NULL,
    wording    TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    form       TEXT   NOT NULL,
    ip         TEXT   NOT NULL,
    user_agent TEXT   NOT NULL,
    at         BIGINT NOT NULL
);

-- Confirmation mails asked for in a part of a limit's window.
CREATE TABLE signup_counts (
    scope  TEXT   NOT NULL, -- address:…, domain:…, form:…, network:…
    bucket BIGINT NOT NULL, -- its start, Unix milliseconds
    n      BIGINT NOT NULL,
    PRIMARY KEY (scope, bucket)
); -- clustered
CREATE INDEX signup_counts_bucket ON signup_counts (bucket);

-- People who are to be asked, or were, without having signed up themselves.
CREATE TABLE invitations (
    list_id       BIGINT NOT NULL,
    subscriber_id BIGINT NOT NULL,
    kind          TEXT   NOT NULL, -- import, reconfirm
    state         TEXT   NOT NULL, -- waiting, asked
    lapse         TEXT   NOT NULL, -- what silence means: keep, unsubscribe
    created_at    BIGINT NOT NULL,
    asked_at      BIGINT NOT NULL,
    PRIMARY KEY (list_id, subscriber_id)
); -- clustered
CREATE INDEX invitations_state ON invitations (state, created_at);
CREATE INDEX invitations_subscriber ON invitations (subscriber_id);

-- Addresses whose people were erased and must not be mailed again, as keyed hashes.
CREATE TABLE tombstones (
    hash TEXT   NOT NULL PRIMARY KEY,
    at   BIGINT NOT NULL
); -- clustered
