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
    private       BYTEA NOT NULL -- sealed: operator and title
);
CREATE UNIQUE INDEX usage_records_ref ON usage_records (ref);
CREATE INDEX usage_records_account ON usage_records (account, id);

-- +goose Down
DROP TABLE usage_records;
