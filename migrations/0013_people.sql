-- +goose Up
-- What campaigns sent to each person, summed up when one has ended.
CREATE TABLE mailed (
    subscriber_id BIGINT NOT NULL PRIMARY KEY,
    sent          BIGINT NOT NULL,
    first_at      BIGINT NOT NULL,
    last_at       BIGINT NOT NULL
);
-- A campaign's part of it: what was settled up to summed_to is in. A pass goes
-- person by person to what was settled by summing_to, and stands at summed_up; -1: no pass.
ALTER TABLE campaigns ADD COLUMN summed_to BIGINT NOT NULL DEFAULT 0;
ALTER TABLE campaigns ADD COLUMN summing_to BIGINT NOT NULL DEFAULT 0;
ALTER TABLE campaigns ADD COLUMN summed_up BIGINT NOT NULL DEFAULT -1;

-- Language versions of a campaign: locale to subject, html and text.
ALTER TABLE campaigns ADD COLUMN translations JSONB NOT NULL DEFAULT '{}';
ALTER TABLE versions ADD COLUMN translations JSONB NOT NULL DEFAULT '{}';
