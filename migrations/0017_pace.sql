-- +goose Up
DROP TABLE lane_minutes;

-- Messages begun in a minute, for the limits an hour and a day of every scope;
-- a shard is a process's node, so that none waits for another.
CREATE TABLE begun_minutes (
    minute      BIGINT NOT NULL, -- Unix minutes
    lane        BIGINT NOT NULL,
    campaign_id BIGINT NOT NULL, -- 0: a letter
    relay_id    BIGINT NOT NULL,
    shard       BIGINT NOT NULL,
    n           BIGINT NOT NULL,
    PRIMARY KEY (minute, lane, campaign_id, relay_id, shard)
); -- clustered

-- A sending day of a lane that warms up: its cap, and what of it is used.
CREATE TABLE warmup_days (
    lane      BIGINT NOT NULL,
    date      BIGINT NOT NULL, -- days since 1970 in the domain's zone
    step      BIGINT NOT NULL, -- from 0
    cap       BIGINT NOT NULL,
    used      BIGINT NOT NULL, -- begun, letters included
    letters   BIGINT NOT NULL, -- of the used
    verdict   TEXT   NOT NULL, -- start, up, hold, step_back, again
    reason    TEXT   NOT NULL, -- in words
    from_at   BIGINT NOT NULL, -- the day begins, Unix milliseconds
    until_at  BIGINT NOT NULL, -- and ends
    last_date BIGINT NOT NULL, -- the sending day that the step follows from, 0: none
    last_step BIGINT NOT NULL, -- and that day's step
    opened_at BIGINT NOT NULL,
    PRIMARY KEY (lane, date)
); -- clustered

-- The day of whose cap a batch has reserved its members; 0: of none.
ALTER TABLE batches ADD COLUMN date BIGINT NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN from_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN until_at BIGINT NOT NULL DEFAULT 0;

-- An operator's own ramp, and the zone in which a domain's days begin.
ALTER TABLE domains ADD COLUMN ramp TEXT NOT NULL DEFAULT '[]';
ALTER TABLE domains ADD COLUMN timezone TEXT NOT NULL DEFAULT 'UTC';
