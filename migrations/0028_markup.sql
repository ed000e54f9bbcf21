-- +goose Up
-- Content may be written in Markdown or MJML instead of HTML; a version keeps
-- the HTML that was made of it.
ALTER TABLE campaigns ADD COLUMN markdown TEXT NOT NULL DEFAULT '';
ALTER TABLE campaigns ADD COLUMN mjml TEXT NOT NULL DEFAULT '';
ALTER TABLE campaigns ADD COLUMN language TEXT NOT NULL DEFAULT '';
ALTER TABLE versions ADD COLUMN language TEXT NOT NULL DEFAULT '';
