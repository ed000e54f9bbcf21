-- +goose Up
-- What is known of the clock by which this database's times are written: the
-- server's on PostgreSQL, the process's on SQLite. One row.
CREATE TABLE clock (
    id         BIGINT NOT NULL PRIMARY KEY,
    seen_at    BIGINT NOT NULL, -- the last time that a process saw, Unix milliseconds; 0: none yet
    doubt      TEXT   NOT NULL, -- why it may be wrong; '': it runs evenly
    doubted_at BIGINT NOT NULL, -- since when it has run evenly again
    sure_at    BIGINT NOT NULL  -- what it would say had it not been put forward
);
INSERT INTO clock (id, seen_at, doubt, doubted_at, sure_at) SELECT 1, COALESCE(MAX(high_ms) - 30000, 0), '', 0, 0 FROM nodes;
