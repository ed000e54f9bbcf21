-- +goose Up
-- Invitations have a share of a day's cap of their own, beside that of the other letters.
ALTER TABLE warmup_days ADD COLUMN invitations BIGINT NOT NULL DEFAULT 0; -- of the used; not among the letters
