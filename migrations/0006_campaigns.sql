-- +goose Up
CREATE TABLE campaigns (
    id            BIGINT  NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    status        TEXT    NOT NULL, -- draft, scheduled, blocked, sending, paused, sent, cancelled
    status_reason TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    html          TEXT    NOT NULL,
    text          TEXT    NOT NULL,
    sender_id     BIGINT  NOT NULL REFERENCES senders (id),
    list_ids      JSONB   NOT NULL,
    segment       TEXT    NOT NULL,
    on_uncertain  TEXT    NOT NULL, -- resend, hold
    version       BIGINT  NOT NULL, -- the frozen one being sent; 0: none yet
    starts_at     BIGINT  NOT NULL,
    launched_at   BIGINT  NOT NULL,
    audience_at   BIGINT  NOT NULL, -- who had confirmed by then
    planned       BOOLEAN NOT NULL,
    plan_after    BIGINT  NOT NULL, -- the last person that planning has seen
    recipients    BIGINT  NOT NULL,
    excluded      JSONB   NOT NULL, -- reason to number
    run           BIGINT  NOT NULL, -- grows with each resend-failed
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL,
    finished_at   BIGINT  NOT NULL
);
CREATE INDEX campaigns_status ON campaigns (status);

-- What a launch froze.
CREATE TABLE versions (
    campaign_id BIGINT NOT NULL REFERENCES campaigns (id),
    number      BIGINT NOT NULL,
    subject     TEXT   NOT NULL,
    html        TEXT   NOT NULL,
    text        TEXT   NOT NULL,
    sender      JSONB  NOT NULL,
    list_ids    JSONB  NOT NULL,
    segment     TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, number)
);

CREATE TABLE deliveries (
    campaign_id   BIGINT NOT NULL,
    subscriber_id BIGINT NOT NULL,
    status        TEXT   NOT NULL, -- queued, sending, sent, deferred, failed, skipped, uncertain
    wait          BIGINT NOT NULL, -- 0: for nothing, 1: for a batch, 2: for not_before, 3: for a person
    lane          BIGINT NOT NULL,
    rank          BIGINT NOT NULL,
    not_before    BIGINT NOT NULL,
    batch_id      BIGINT NOT NULL,
    lists         BIGINT NOT NULL, -- bit i: reached through the version's list i
    run           BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    doubts        BIGINT NOT NULL,
    relay_id      BIGINT NOT NULL,
    code          BIGINT NOT NULL,
    enhanced      TEXT   NOT NULL,
    answer        TEXT   NOT NULL,
    reason        TEXT   NOT NULL,
    first_at      BIGINT NOT NULL, -- the Date of every attempt
    begun_at      BIGINT NOT NULL,
    settled_at    BIGINT NOT NULL,
    deferred_at   BIGINT NOT NULL, -- first deferral, less the rests its relay had had by then
    PRIMARY KEY (campaign_id, subscriber_id)
);
-- Neither index covers a column that a begin or a plain accept changes.
CREATE INDEX deliveries_ready ON deliveries (campaign_id, lane, rank, subscriber_id) WHERE wait = 1;
CREATE INDEX deliveries_waiting ON deliveries (campaign_id, not_before) WHERE wait = 2;

-- Attempts that were not a plain first accept.
CREATE TABLE attempts (
    id            BIGINT NOT NULL PRIMARY KEY,
    campaign_id   BIGINT NOT NULL,
    subscriber_id BIGINT NOT NULL,
    attempt       BIGINT NOT NULL,
    relay_id      BIGINT NOT NULL,
    outcome       TEXT   NOT NULL,
    code          BIGINT NOT NULL,
    enhanced      TEXT   NOT NULL,
    answer        TEXT   NOT NULL,
    at            BIGINT NOT NULL
);
CREATE INDEX attempts_delivery ON attempts (campaign_id, subscriber_id);

CREATE TABLE batches (
    id          BIGINT NOT NULL PRIMARY KEY,
    campaign_id BIGINT NOT NULL,
    lane        BIGINT NOT NULL,
    size        BIGINT NOT NULL,
    state       TEXT   NOT NULL, -- released, taken
    session     BIGINT NOT NULL, -- the process that executes it, 0: none
    execution   BIGINT NOT NULL, -- the one execution that may begin its messages
    released_at BIGINT NOT NULL,
    enqueued_at BIGINT NOT NULL,
    members     TEXT   NOT NULL -- subscriber ids, a JSON array; last, as it is long and each commit reads what stands before it
);
CREATE INDEX batches_session ON batches (session);

CREATE TABLE campaign_lanes (
    campaign_id BIGINT NOT NULL,
    lane        BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, lane)
); -- clustered

-- Running totals; a shard is a process's node, so that none waits for another.
CREATE TABLE campaign_counts (
    campaign_id BIGINT NOT NULL,
    provider    TEXT   NOT NULL,
    status      TEXT   NOT NULL, -- a delivery's, or doubted
    shard       BIGINT NOT NULL,
    n           BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, provider, status, shard)
); -- clustered

-- The red button.
CREATE TABLE stops (
    id          BIGINT NOT NULL PRIMARY KEY,
    reason      TEXT   NOT NULL,
    actor       TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    lifted_at   BIGINT NOT NULL, -- 0: in force
    lift_reason TEXT   NOT NULL,
    lifted_by   TEXT   NOT NULL
);
