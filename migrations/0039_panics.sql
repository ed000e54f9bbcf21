-- +goose Up
-- How often the program has panicked at a campaign's messages since a person
-- last set it going.
ALTER TABLE campaigns ADD COLUMN panics BIGINT NOT NULL DEFAULT 0;
