-- Notices to accounts.

-- +goose Up
CREATE TABLE notices (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    kind       TEXT NOT NULL,
    topic      TEXT NOT NULL, -- the group of the kind
    title      BYTEA NOT NULL, -- sealed
    body       BYTEA NOT NULL, -- sealed
    link       TEXT NOT NULL,
    unique_key TEXT,
    posted_at  BIGINT NOT NULL,
    read_at    BIGINT NOT NULL
);
CREATE UNIQUE INDEX notices_unique_key ON notices (account, unique_key);
CREATE INDEX notices_account ON notices (account, id);
CREATE INDEX notices_topic ON notices (account, topic, id);
CREATE INDEX notices_unread ON notices (account, topic) WHERE read_at = 0;

-- +goose Down
DROP TABLE notices;
