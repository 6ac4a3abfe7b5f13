-- Scan transactions, what is signed in them, and their results.

-- +goose Up
CREATE TABLE scan_transactions (
    id          TEXT PRIMARY KEY,
    seq         BIGINT NOT NULL,
    platform    TEXT NOT NULL,
    type        TEXT NOT NULL,
    state       TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    expected    TEXT NOT NULL,
    ask_code    BOOLEAN NOT NULL,
    notify_path TEXT NOT NULL,
    account     TEXT NOT NULL,
    device      TEXT NOT NULL,
    certificate TEXT NOT NULL,
    operation   TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    scanned_at  BIGINT NOT NULL,
    ended_at    BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    hold_until  BIGINT NOT NULL,
    remaining   BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    private     BYTEA NOT NULL, -- sealed: title, origin, code, challenge, document, identity
    version     BIGINT NOT NULL
);
CREATE INDEX scan_transactions_due ON scan_transactions (due_at);
CREATE INDEX scan_transactions_open ON scan_transactions (account) WHERE ended_at = 0 AND account <> '';

CREATE TABLE scan_messages (
    transaction_id TEXT PRIMARY KEY,
    body           BYTEA NOT NULL -- sealed
);

CREATE TABLE scan_results (
    transaction_id TEXT NOT NULL,
    seq            BIGINT NOT NULL,
    certificate    TEXT NOT NULL,
    serial         TEXT NOT NULL,
    message        BYTEA NOT NULL, -- sealed
    signature      BYTEA NOT NULL,
    timestamp      BYTEA NOT NULL,
    signed_at      BIGINT NOT NULL,
    PRIMARY KEY (transaction_id, seq)
);

-- +goose Down
DROP TABLE scan_results;
DROP TABLE scan_messages;
DROP TABLE scan_transactions;
