-- +goose Up
-- Beside a pace or instead of one: so many dialogues at once. 0: as many as otherwise.
ALTER TABLE slowdowns ADD COLUMN connections BIGINT NOT NULL DEFAULT 0;
