-- The key-management centre: escrowed encryption keys, the trace of every
-- dealing, and an audit chain of its own. It lives in a database of its own
-- (docs/custody.md).

-- +goose Up
CREATE TABLE kmc_keys (
    ref        TEXT PRIMARY KEY,
    public_key BYTEA NOT NULL,
    sealed     BYTEA NOT NULL,
    account    TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE UNIQUE INDEX kmc_keys_public_key ON kmc_keys (public_key);

CREATE TABLE kmc_dealings (
    ref       TEXT PRIMARY KEY,
    key_ref   TEXT NOT NULL REFERENCES kmc_keys (ref),
    enrolment BYTEA NOT NULL,
    share     BYTEA NOT NULL,
    dealt_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX kmc_dealings_share ON kmc_dealings (share);
CREATE INDEX kmc_dealings_key ON kmc_dealings (key_ref, dealt_at);

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

-- +goose Down
DROP TABLE audit_entries;
DROP TABLE kmc_dealings;
DROP TABLE kmc_keys;
