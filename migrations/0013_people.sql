-- +goose Up
-- What campaigns sent to each person, summed up when one has ended.
CREATE TABLE mailed (
    subscriber_id BIGINT NOT NULL PRIMARY KEY,
    sent          BIGINT NOT NULL,
    first_at      BIGINT NOT NULL,
    last_at       BIGINT NOT NULL
);
ALTER TABLE campaigns ADD COLUMN summed_up BIGINT NOT NULL DEFAULT 0; -- the last person whose sum has this campaign in it; -1: all

-- Language versions of a campaign: locale to subject, html and text.
ALTER TABLE campaigns ADD COLUMN translations JSONB NOT NULL DEFAULT '{}';
ALTER TABLE versions ADD COLUMN translations JSONB NOT NULL DEFAULT '{}';
