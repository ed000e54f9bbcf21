-- +goose Up
-- What the last daily check of a sending domain found.
CREATE TABLE domain_checks (
    domain_id  BIGINT NOT NULL PRIMARY KEY REFERENCES domains (id),
    checked_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL, -- when what is wrong changed last
    report     TEXT   NOT NULL, -- JSON, whole
    standing   TEXT   NOT NULL  -- JSON: what is known to be wrong, also where the last check learned nothing
);
