-- +goose Up
-- The keys that a domain's mail is signed with. A generation has one of each
-- algorithm; at most one generation is next, one active.
CREATE TABLE dkim_keys (
    id         BIGINT NOT NULL PRIMARY KEY,
    domain_id  BIGINT NOT NULL REFERENCES domains (id),
    generation BIGINT NOT NULL,
    selector   TEXT   NOT NULL,
    algorithm  TEXT   NOT NULL, -- rsa, ed25519
    private    TEXT   NOT NULL, -- sealed; empty once retired
    public     TEXT   NOT NULL, -- the p= tag of its record
    state      TEXT   NOT NULL, -- next, active, retired
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL, -- its state
    UNIQUE (domain_id, selector)
);
