-- The platforms' door: nonces of requests that changed something, callbacks that
-- failed.

-- +goose Up
CREATE TABLE platform_nonces (
    platform    TEXT NOT NULL,
    nonce       TEXT NOT NULL,
    digest      BYTEA NOT NULL,
    transaction_id TEXT NOT NULL,
    expires_at  BIGINT NOT NULL,
    PRIMARY KEY (platform, nonce)
);
CREATE INDEX platform_nonces_expires ON platform_nonces (expires_at);

CREATE TABLE platform_callbacks (
    transaction_id  TEXT NOT NULL,
    seq             BIGINT NOT NULL,
    platform        TEXT NOT NULL,
    attempts        BIGINT NOT NULL,
    problem         TEXT NOT NULL,
    first_at        BIGINT NOT NULL,
    last_at         BIGINT NOT NULL,
    acknowledged_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (transaction_id, seq)
);
CREATE INDEX platform_callbacks_platform ON platform_callbacks (platform, acknowledged_at, last_at);

-- +goose Down
DROP TABLE platform_callbacks;
DROP TABLE platform_nonces;
