-- The officers of the console: passwords, second factors, sessions, proposals.

-- +goose Up
CREATE TABLE office_officers (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL, -- what he signs in with
    display_name TEXT NOT NULL,
    phone        BYTEA NOT NULL, -- sealed
    phone_hash   BYTEA NOT NULL, -- keyed as accounts' are
    roles        TEXT NOT NULL,  -- between spaces
    state        TEXT NOT NULL,
    password     BYTEA NOT NULL, -- sealed argon2id string
    once         BOOLEAN NOT NULL,
    once_until   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    signed_in_at BIGINT NOT NULL,
    version      BIGINT NOT NULL
);
CREATE UNIQUE INDEX office_officers_name ON office_officers (name);

CREATE TABLE office_factors (
    id         TEXT PRIMARY KEY, -- a passkey's is the hash of its credential's
    officer    TEXT NOT NULL REFERENCES office_officers (id),
    kind       TEXT NOT NULL,
    label      TEXT NOT NULL,
    secret     BYTEA NOT NULL,  -- sealed: the key of one-time passwords, the credential of a passkey
    step       BIGINT NOT NULL, -- the last time step that was used
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL
);
CREATE INDEX office_factors_officer ON office_factors (officer, id);
CREATE UNIQUE INDEX office_factors_totp ON office_factors (officer) WHERE kind = 'totp';

CREATE TABLE office_sessions (
    id         TEXT PRIMARY KEY,
    officer    TEXT NOT NULL REFERENCES office_officers (id),
    token_hash BYTEA NOT NULL, -- keyed
    stage      TEXT NOT NULL,
    ceremony   BYTEA NOT NULL, -- sealed: what a factor's second step needs of its first
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX office_sessions_token ON office_sessions (token_hash);
CREATE INDEX office_sessions_officer ON office_sessions (officer, ended_at);

CREATE TABLE office_windows (
    name      TEXT NOT NULL,
    subject   BYTEA NOT NULL, -- keyed hash
    opened_at BIGINT NOT NULL,
    n         BIGINT NOT NULL,
    PRIMARY KEY (name, subject)
);

CREATE TABLE office_proposals (
    id           TEXT PRIMARY KEY,
    action       TEXT NOT NULL,
    officer      TEXT NOT NULL, -- whom it is about; of a new one the id that he will have
    name         TEXT NOT NULL,
    display_name TEXT NOT NULL,
    phone        BYTEA NOT NULL, -- sealed
    roles        TEXT NOT NULL,
    roles_before TEXT NOT NULL,
    part         BYTEA NOT NULL, -- sealed: the first part of the password to be dealt, until it is decided
    state        TEXT NOT NULL,
    proposed_by  TEXT NOT NULL REFERENCES office_officers (id),
    proposed_at  BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    decided_by   TEXT NOT NULL,
    decided_at   BIGINT NOT NULL,
    reason       TEXT NOT NULL
);
-- One open proposal about an officer, and one that takes a name.
CREATE UNIQUE INDEX office_proposals_open ON office_proposals (name) WHERE state = 'open';

CREATE TABLE office_verifications (
    id          TEXT PRIMARY KEY,
    started_by  TEXT NOT NULL,
    started_at  BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    entries     BIGINT NOT NULL,
    findings    BYTEA NOT NULL, -- JSON
    failed      BOOLEAN NOT NULL
);

CREATE INDEX audit_entries_actor ON audit_entries (actor, recorded_at, id);
CREATE INDEX audit_entries_kind ON audit_entries (kind, recorded_at, id);
CREATE INDEX audit_entries_recorded ON audit_entries (recorded_at, id);

-- +goose Down
DROP INDEX audit_entries_recorded;
DROP INDEX audit_entries_kind;
DROP INDEX audit_entries_actor;
DROP TABLE office_verifications;
DROP TABLE office_proposals;
DROP TABLE office_windows;
DROP TABLE office_sessions;
DROP TABLE office_factors;
DROP TABLE office_officers;
