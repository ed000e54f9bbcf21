-- +goose Up
CREATE TABLE tokens (
    id         BIGINT NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    hash       TEXT   NOT NULL UNIQUE, -- SHA-256 of the token, hex
    scopes     TEXT   NOT NULL,        -- separated by spaces
    created_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
);

-- Answers kept for a repeated Idempotency-Key, written with their effect.
CREATE TABLE replies (
    actor     TEXT   NOT NULL,
    key       TEXT   NOT NULL,
    call      TEXT   NOT NULL, -- method and path
    body_hash TEXT   NOT NULL,
    status    BIGINT NOT NULL,
    answer    TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX replies_at ON replies (at);
