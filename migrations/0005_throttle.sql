-- +goose Up
CREATE TABLE limits (
    scope       TEXT   NOT NULL PRIMARY KEY,
    per_second  BIGINT NOT NULL,
    per_minute  BIGINT NOT NULL,
    per_hour    BIGINT NOT NULL,
    per_day     BIGINT NOT NULL,
    connections BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);

-- A lane is a sending domain and a mailbox provider.
CREATE TABLE lanes (
    id       BIGINT NOT NULL PRIMARY KEY,
    domain   TEXT   NOT NULL,
    provider TEXT   NOT NULL,
    UNIQUE (domain, provider)
);

-- Messages begun in a lane in a minute; kept for lanes with hourly or daily limits.
CREATE TABLE lane_minutes (
    lane   BIGINT NOT NULL,
    minute BIGINT NOT NULL, -- Unix minutes
    n      BIGINT NOT NULL,
    PRIMARY KEY (lane, minute)
);
