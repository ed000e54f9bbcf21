-- +goose Up
-- What stays of the deliveries of campaigns that ended long ago, for good: what
-- became of each person, and the lists they were reached by. Their links to
-- leave never end, and what comes back late is still about somebody.
CREATE TABLE archives (
    campaign_id BIGINT NOT NULL,
    last_id     BIGINT NOT NULL, -- of the people of a page
    n           BIGINT NOT NULL,
    people      TEXT   NOT NULL, -- packed, see campaign/archive.go
    PRIMARY KEY (campaign_id, last_id)
); -- clustered
-- Since when a campaign's deliveries go there, 0: they do not; and the person up
-- to whom they are there, the largest number once all are.
ALTER TABLE campaigns ADD COLUMN archived_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE campaigns ADD COLUMN archived_to BIGINT NOT NULL DEFAULT 0;

-- What was seen of people in campaigns that ended long ago, without the people.
CREATE TABLE link_totals (
    campaign_id BIGINT NOT NULL,
    link        BIGINT NOT NULL, -- 0: opened
    people      BIGINT NOT NULL,
    times       BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, link)
); -- clustered
ALTER TABLE campaigns ADD COLUMN unwatched_at BIGINT NOT NULL DEFAULT 0; -- since when nothing that is seen is noted; 0: it is

CREATE INDEX webhook_calls_dead ON webhook_calls (next_at) WHERE dead;
CREATE INDEX leavings_noted ON leavings (left_at) WHERE note <> '';
CREATE INDEX letters_bodies ON letters (created_at) WHERE message <> '';
