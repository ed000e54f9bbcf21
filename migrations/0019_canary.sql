-- +goose Up
-- The first mails of a campaign, after which it waits and looks.
ALTER TABLE campaigns ADD COLUMN canary_percent DOUBLE PRECISION NOT NULL DEFAULT 0; -- 0: none
ALTER TABLE campaigns ADD COLUMN canary_wait BIGINT NOT NULL DEFAULT 0; -- milliseconds
ALTER TABLE campaigns ADD COLUMN canary_least BIGINT NOT NULL DEFAULT 0; -- recipients from which on there is one
ALTER TABLE campaigns ADD COLUMN canary_state TEXT NOT NULL DEFAULT ''; -- '', sample, waiting, passed, failed, off
ALTER TABLE campaigns ADD COLUMN canary_until BIGINT NOT NULL DEFAULT 0;

-- high 1, normal 0, low -1: who goes first where there is not room for all.
ALTER TABLE campaigns ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;
