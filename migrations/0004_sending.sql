-- +goose Up
CREATE TABLE relays (
    id              BIGINT  NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL UNIQUE,
    host            TEXT    NOT NULL,
    port            BIGINT  NOT NULL,
    security        TEXT    NOT NULL, -- none, starttls, tls
    username        TEXT    NOT NULL,
    password        TEXT    NOT NULL, -- sealed
    max_connections BIGINT  NOT NULL,
    envelope        TEXT    NOT NULL, -- verp, sender
    egress_ips      JSONB   NOT NULL,
    weight          BIGINT  NOT NULL,
    verify_tls      BOOLEAN NOT NULL,
    created_at      BIGINT  NOT NULL,
    state           TEXT    NOT NULL, -- ok, resting, stopped
    state_reason    TEXT    NOT NULL,
    rests           BIGINT  NOT NULL, -- rests in a row
    rest_since      BIGINT  NOT NULL,
    rest_until      BIGINT  NOT NULL,
    rested_ms       BIGINT  NOT NULL, -- all ended rests together; stops the clock of retries
    doubting        BOOLEAN NOT NULL  -- its answers got lost too often; its doubts wait
);

CREATE TABLE domains (
    id          BIGINT  NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    return_path TEXT    NOT NULL,
    warmup      TEXT    NOT NULL, -- conservative, none
    dkim        BOOLEAN NOT NULL,
    created_at  BIGINT  NOT NULL
);

CREATE TABLE senders (
    id             BIGINT NOT NULL PRIMARY KEY,
    domain_id      BIGINT NOT NULL REFERENCES domains (id),
    from_email     TEXT   NOT NULL,
    from_name      TEXT   NOT NULL,
    reply_to       TEXT   NOT NULL,
    postal_address TEXT   NOT NULL,
    relay_ids      JSONB  NOT NULL,
    created_at     BIGINT NOT NULL
);

-- One-off mails: tests now; confirmations, access links and alarms later.
CREATE TABLE letters (
    id            BIGINT NOT NULL PRIMARY KEY,
    kind          TEXT   NOT NULL,
    campaign_id   BIGINT NOT NULL, -- 0: none
    subscriber_id BIGINT NOT NULL, -- 0: none
    sender_id     BIGINT NOT NULL REFERENCES senders (id),
    email         TEXT   NOT NULL,
    message       TEXT   NOT NULL, -- ready to send
    status        TEXT   NOT NULL, -- as a delivery's
    session       BIGINT NOT NULL, -- the process that has it, 0: none
    execution     BIGINT NOT NULL, -- the one execution that may begin it
    not_before    BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    doubts        BIGINT NOT NULL,
    relay_id      BIGINT NOT NULL,
    code          BIGINT NOT NULL,
    enhanced      TEXT   NOT NULL,
    answer        TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    begun_at      BIGINT NOT NULL,
    settled_at    BIGINT NOT NULL
);
CREATE INDEX letters_open ON letters (status, not_before) WHERE status IN ('queued', 'sending', 'deferred', 'uncertain');
