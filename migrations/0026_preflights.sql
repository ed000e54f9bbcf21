-- +goose Up
-- What the last check of a campaign found before it was launched or let go.
CREATE TABLE preflights (
    campaign_id  BIGINT NOT NULL PRIMARY KEY REFERENCES campaigns (id),
    at           BIGINT NOT NULL, -- Unix milliseconds
    report       TEXT   NOT NULL, -- JSON
    acknowledged TEXT   NOT NULL  -- codes of warnings, a JSON array
);
