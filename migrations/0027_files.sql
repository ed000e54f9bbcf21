-- +goose Up
-- Files of a campaign, in base64: attached, shown within the mail, or hosted.
CREATE TABLE files (
    id          BIGINT NOT NULL PRIMARY KEY,
    campaign_id BIGINT NOT NULL REFERENCES campaigns (id),
    placed      TEXT   NOT NULL, -- attached, inline, hosted
    name        TEXT   NOT NULL,
    media_type  TEXT   NOT NULL,
    size        BIGINT NOT NULL, -- bytes
    expires_at  BIGINT NOT NULL, -- of a hosted one, Unix milliseconds; 0: never
    created_at  BIGINT NOT NULL,
    data        TEXT   NOT NULL,
    UNIQUE (campaign_id, name)
);
-- Addresses that get a copy of each campaign of a sender.
ALTER TABLE senders ADD COLUMN seeds TEXT NOT NULL DEFAULT '[]';
