-- Notices to accounts.

-- +goose Up
CREATE TABLE notices (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    kind       TEXT NOT NULL,
    title      BYTEA NOT NULL, -- sealed
    body       BYTEA NOT NULL, -- sealed
    link       TEXT NOT NULL,
    unique_key TEXT,
    posted_at  BIGINT NOT NULL,
    read_at    BIGINT NOT NULL
);
CREATE UNIQUE INDEX notices_unique_key ON notices (account, unique_key);
CREATE INDEX notices_account ON notices (account, id);

-- +goose Down
DROP TABLE notices;
