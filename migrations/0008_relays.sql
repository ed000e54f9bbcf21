-- +goose Up
-- Since when a relay's settings are as they are: who uses it opens new connections.
ALTER TABLE relays ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0;
