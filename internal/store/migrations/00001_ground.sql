-- The ground: background jobs and the audit chain.
-- One text for SQLite and PostgreSQL: times are BIGINT Unix milliseconds UTC.

-- +goose Up
CREATE TABLE jobs (
    id          TEXT PRIMARY KEY,
    topic       TEXT NOT NULL,
    body        BYTEA NOT NULL,
    unique_key  TEXT,
    due_at      BIGINT NOT NULL,
    attempts    BIGINT NOT NULL DEFAULT 0,
    lease       TEXT NOT NULL DEFAULT '',
    lease_until BIGINT NOT NULL DEFAULT 0,
    dead        BOOLEAN NOT NULL DEFAULT FALSE,
    last_error  TEXT NOT NULL DEFAULT '',
    created_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX jobs_unique_key ON jobs (unique_key);
CREATE INDEX jobs_due ON jobs (dead, due_at, id);

CREATE TABLE audit_entries (
    id          TEXT PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    kind        TEXT NOT NULL,
    actor       TEXT NOT NULL,
    subject     TEXT NOT NULL,
    detail      BYTEA NOT NULL,
    seq         BIGINT,
    hash        BYTEA
);
CREATE UNIQUE INDEX audit_entries_seq ON audit_entries (seq);
CREATE INDEX audit_entries_subject ON audit_entries (subject, id);

CREATE TABLE audit_checkpoints (
    seq       BIGINT PRIMARY KEY,
    hash      BYTEA NOT NULL,
    signed_at BIGINT NOT NULL,
    signature BYTEA NOT NULL
);

-- +goose Down
DROP TABLE audit_checkpoints;
DROP TABLE audit_entries;
DROP TABLE jobs;
