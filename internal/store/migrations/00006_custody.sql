-- Custody: the server's shares of the holders' keys, what may be done with
-- them, the PIN's ladder per account, and the house's own keys (docs/custody.md).
-- Every secret column is sealed by custody under its own key-encryption key.

-- +goose Up
CREATE TABLE custody_accounts (
    account     TEXT PRIMARY KEY,
    ladder      BYTEA NOT NULL,
    current_set TEXT NOT NULL DEFAULT '',
    version     BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE custody_peppers (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    device     TEXT NOT NULL,
    sealed     BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX custody_peppers_account ON custody_peppers (account);

CREATE TABLE custody_enrolments (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    device     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    pepper_id  TEXT NOT NULL,
    state      TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX custody_enrolments_account ON custody_enrolments (account, state);

CREATE TABLE custody_keys (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    device     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    public_key BYTEA NOT NULL,
    subject    TEXT NOT NULL,
    enrolment  TEXT NOT NULL,
    state      TEXT NOT NULL,
    hold_until BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE UNIQUE INDEX custody_keys_public_key ON custody_keys (public_key);
CREATE INDEX custody_keys_account ON custody_keys (account, created_at);

-- A key has at most two shares: the current one and the next one, which a
-- delivery or a change of PIN has made and the phone has yet to prove.
CREATE TABLE custody_shares (
    id         TEXT PRIMARY KEY,
    key_id     TEXT NOT NULL REFERENCES custody_keys (id),
    slot       TEXT NOT NULL,
    account    TEXT NOT NULL,
    device     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    pepper_id  TEXT NOT NULL,
    refresh    TEXT NOT NULL,
    sealed     BYTEA NOT NULL,
    proved_at  BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX custody_shares_slot ON custody_shares (key_id, slot);

CREATE TABLE custody_operations (
    id                   TEXT PRIMARY KEY,
    account              TEXT NOT NULL,
    device               TEXT NOT NULL,
    key_id               TEXT NOT NULL,
    business             TEXT NOT NULL,
    subject              TEXT NOT NULL,
    share_id             TEXT NOT NULL,
    purpose              TEXT NOT NULL,
    m                    BYTEA NOT NULL,
    ciphertexts          BYTEA NOT NULL,
    platform_certificate BYTEA NOT NULL,
    unheld               BOOLEAN NOT NULL,
    expires_at           BIGINT NOT NULL,
    state                TEXT NOT NULL,
    digest               BYTEA NOT NULL,
    signature            BYTEA NOT NULL,
    completed_at         BIGINT NOT NULL
);
CREATE INDEX custody_operations_state ON custody_operations (state, expires_at);

-- At most one open nonce per public key, whichever share it is for.
CREATE TABLE custody_nonces (
    public_key   BYTEA PRIMARY KEY,
    id           TEXT NOT NULL,
    key_id       TEXT NOT NULL,
    share_id     TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    boot_id      TEXT NOT NULL,
    server_nonce BYTEA NOT NULL,
    expires_at   BIGINT NOT NULL
);

CREATE TABLE custody_refreshes (
    id           TEXT PRIMARY KEY,
    account      TEXT NOT NULL,
    device       TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    state        TEXT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX custody_refreshes_operation ON custody_refreshes (operation_id);
CREATE INDEX custody_refreshes_account ON custody_refreshes (account, state);

CREATE TABLE custody_module_keys (
    kid        TEXT PRIMARY KEY,
    public_key BYTEA NOT NULL,
    sealed     BYTEA NOT NULL,
    from_at    BIGINT NOT NULL,
    to_at      BIGINT NOT NULL
);

CREATE TABLE custody_role_keys (
    role       TEXT NOT NULL,
    name       TEXT NOT NULL,
    public_key BYTEA NOT NULL,
    sealed     BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (role, name)
);

-- +goose Down
DROP TABLE custody_role_keys;
DROP TABLE custody_module_keys;
DROP TABLE custody_refreshes;
DROP TABLE custody_nonces;
DROP TABLE custody_operations;
DROP TABLE custody_shares;
DROP TABLE custody_keys;
DROP TABLE custody_enrolments;
DROP TABLE custody_peppers;
DROP TABLE custody_accounts;
