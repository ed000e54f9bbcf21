-- +goose Up
-- When people may be mailed: quiet hours, days, a time of their own; JSON.
ALTER TABLE campaigns ADD COLUMN calendar TEXT NOT NULL DEFAULT '{}';
ALTER TABLE versions ADD COLUMN calendar TEXT NOT NULL DEFAULT '{}';
