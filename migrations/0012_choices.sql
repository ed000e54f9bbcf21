-- +goose Up
-- Leavings as people made them, with what they said about it; for reports, and to take one back.
CREATE TABLE leavings (
    id            BIGINT NOT NULL PRIMARY KEY,
    subscriber_id BIGINT NOT NULL,
    campaign_id   BIGINT NOT NULL, -- whose mail the way out was in; 0: none
    lists         TEXT   NOT NULL, -- that were left, a JSON array
    source        TEXT   NOT NULL, -- one_click, page, preferences, …
    reason        TEXT   NOT NULL, -- too_often, not_relevant, never_asked, other; '': not said
    note          TEXT   NOT NULL,
    asked_at      BIGINT NOT NULL, -- when the request arrived
    left_at       BIGINT NOT NULL, -- when nothing could begin any more
    undone_at     BIGINT NOT NULL
);
CREATE INDEX leavings_subscriber ON leavings (subscriber_id, id);
CREATE INDEX leavings_campaign ON leavings (campaign_id);

-- Rows of imported files that were refused, whole, to be mended and imported again.
CREATE TABLE refusals (
    import_id BIGINT NOT NULL,
    line      BIGINT NOT NULL,
    address   TEXT   NOT NULL, -- key, where it could be read
    field     TEXT   NOT NULL,
    reason    TEXT   NOT NULL,
    detail    TEXT   NOT NULL,
    content   TEXT   NOT NULL, -- the row, a JSON object of column to value
    PRIMARY KEY (import_id, line)
); -- clustered
CREATE INDEX refusals_address ON refusals (address);

-- Reports on the health of a list.
CREATE TABLE hygiene_reports (
    id          BIGINT NOT NULL PRIMARY KEY,
    list_id     BIGINT NOT NULL,
    status      TEXT   NOT NULL, -- running, done, failed
    report      TEXT   NOT NULL, -- a JSON object
    created_at  BIGINT NOT NULL,
    finished_at BIGINT NOT NULL
);

-- What DNS last said of a domain's mail.
CREATE TABLE mail_domains (
    domain     TEXT   NOT NULL PRIMARY KEY,
    mx         TEXT   NOT NULL, -- yes, no, unknown
    checked_at BIGINT NOT NULL
); -- clustered

-- How long things are kept; what is not named here is kept as by default.
CREATE TABLE retention (
    what       TEXT   NOT NULL PRIMARY KEY,
    days       BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- What runs by itself once a day, and what it did.
CREATE TABLE chores (
    id         BIGINT NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    result     TEXT   NOT NULL -- a JSON object
);
CREATE INDEX chores_name ON chores (name, id);
