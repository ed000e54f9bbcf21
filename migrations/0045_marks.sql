-- +goose Up
-- How often something has changed that many read and few change: who keeps what
-- was read asks for the mark alone.
CREATE TABLE marks (
    name TEXT   NOT NULL PRIMARY KEY,
    n    BIGINT NOT NULL
);
