-- +goose Up
-- Whose mail exchangers a recipient domain has; domains of the data file are not asked.
CREATE TABLE recipient_domains (
    domain     TEXT   NOT NULL PRIMARY KEY,
    provider   TEXT   NOT NULL, -- other: not known, or nobody's
    mx         TEXT   NOT NULL, -- the first exchanger; '': none was learned
    learned_at BIGINT NOT NULL, -- 0: not yet
    next_at    BIGINT NOT NULL, -- when it is looked up
    failures   BIGINT NOT NULL  -- in a row
);
CREATE INDEX recipient_domains_next ON recipient_domains (next_at);
CREATE INDEX recipient_domains_learned ON recipient_domains (learned_at) WHERE provider <> 'other';
