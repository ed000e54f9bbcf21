-- +goose Up
-- What answers about us have done to a lane.
CREATE TABLE slowdowns (
    lane       BIGINT NOT NULL PRIMARY KEY,
    rule       TEXT   NOT NULL, -- of the data file: provider and words
    reason     TEXT   NOT NULL, -- the answer, without addresses
    hits       BIGINT NOT NULL, -- in the hour from window_at on
    window_at  BIGINT NOT NULL, -- Unix milliseconds, as are the next
    since      BIGINT NOT NULL, -- 0: hits are counted, nothing is done
    until_at   BIGINT NOT NULL, -- nothing begins before
    recover_at BIGINT NOT NULL, -- the pace begins to double
    per_minute BIGINT NOT NULL, -- the pace until then
    times      BIGINT NOT NULL  -- in a row
);
