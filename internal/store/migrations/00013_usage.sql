-- Usage records: append-only; no query updates or deletes them.

-- +goose Up
CREATE TABLE usage_records (
    id            TEXT PRIMARY KEY,
    ref           TEXT NOT NULL,
    ended_at      BIGINT NOT NULL,
    account       TEXT NOT NULL,
    device        TEXT NOT NULL,
    certificate   TEXT NOT NULL,
    serial        TEXT NOT NULL,
    platform      TEXT NOT NULL,
    platform_name TEXT NOT NULL,
    business      TEXT NOT NULL,
    outcome       TEXT NOT NULL,
    digest        BYTEA NOT NULL,
    operator      TEXT NOT NULL, -- keyed hash of the name; empty for none
    private       BYTEA NOT NULL -- sealed: operator, title and origin
);
CREATE UNIQUE INDEX usage_records_ref ON usage_records (ref);
-- An account's records in their order with all that a filter looks at: a page reads
-- the rows themselves only for what it shows.
CREATE INDEX usage_records_account ON usage_records (account, id, ended_at, business, outcome, platform, certificate, operator, platform_name);

-- The names under which an account's certificates were used, so that a part of
-- one finds its records.
CREATE TABLE usage_operators (
    account  TEXT NOT NULL,
    operator TEXT NOT NULL, -- keyed hash
    name     BYTEA NOT NULL, -- sealed
    PRIMARY KEY (account, operator)
);

-- +goose Down
DROP TABLE usage_operators;
DROP TABLE usage_records;
