-- +goose Up
-- Who lets us see what they open and follow; nobody by default.
ALTER TABLE subscribers ADD COLUMN tracking_at BIGINT NOT NULL DEFAULT 0; -- Unix milliseconds of the yes; 0: none
CREATE TABLE tracking_choices (
    id            BIGINT  NOT NULL PRIMARY KEY,
    subscriber_id BIGINT  NOT NULL,
    given         BOOLEAN NOT NULL,
    at            BIGINT  NOT NULL,
    source        TEXT    NOT NULL,
    wording       TEXT    NOT NULL
);
CREATE INDEX tracking_choices_subscriber ON tracking_choices (subscriber_id);

ALTER TABLE campaigns ADD COLUMN tracking BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE versions ADD COLUMN tracking BOOLEAN NOT NULL DEFAULT FALSE;
CREATE TABLE interactions (
    campaign_id   BIGINT NOT NULL,
    subscriber_id BIGINT NOT NULL,
    link          BIGINT NOT NULL, -- 0: opened
    first_at      BIGINT NOT NULL,
    last_at       BIGINT NOT NULL,
    times         BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, subscriber_id, link)
); -- clustered
CREATE INDEX interactions_subscriber ON interactions (subscriber_id);
