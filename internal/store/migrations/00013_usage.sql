-- Usage records: append-only; no query updates or deletes them.

-- +goose Up
CREATE TABLE usage_records (
    id            TEXT PRIMARY KEY,
    ref           TEXT NOT NULL,
    ended_at      BIGINT NOT NULL,
    account       TEXT NOT NULL,
    enterprise    TEXT NOT NULL, -- of the certificate; empty for a person's
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
CREATE INDEX usage_records_account ON usage_records (account, enterprise, id, ended_at, business, outcome, platform, certificate, operator, platform_name);
CREATE INDEX usage_records_enterprise ON usage_records (enterprise, id, ended_at, business, outcome, platform, certificate, operator, platform_name)
    WHERE enterprise <> '';

-- The names under which the certificates of an account, or of an enterprise, were
-- used, so that a part of one finds its records.
CREATE TABLE usage_operators (
    account  TEXT NOT NULL, -- or enterprise
    operator TEXT NOT NULL, -- keyed hash
    name     BYTEA NOT NULL, -- sealed
    PRIMARY KEY (account, operator)
);

-- +goose Down
DROP TABLE usage_operators;
DROP TABLE usage_records;
