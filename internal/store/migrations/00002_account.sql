-- Accounts: people by their phone, devices, sessions, SMS codes.

-- +goose Up
CREATE TABLE accounts (
    id               TEXT PRIMARY KEY,
    phone            BYTEA NOT NULL, -- sealed
    phone_hash       BYTEA NOT NULL, -- keyed
    phone_changed_at BIGINT NOT NULL,
    device           TEXT NOT NULL,  -- the one active device
    only_device      TEXT NOT NULL,  -- while a re-key runs
    only_until       BIGINT NOT NULL, -- its end, when that is known
    created_at       BIGINT NOT NULL,
    closed_at        BIGINT NOT NULL,
    version          BIGINT NOT NULL
);
CREATE UNIQUE INDEX accounts_phone ON accounts (phone_hash);
CREATE INDEX accounts_created ON accounts (created_at);

CREATE TABLE account_passwords (
    account TEXT PRIMARY KEY REFERENCES accounts (id),
    secret  BYTEA NOT NULL, -- sealed argon2id string
    set_at  BIGINT NOT NULL
);

CREATE TABLE account_agreements (
    account   TEXT NOT NULL REFERENCES accounts (id),
    document  TEXT NOT NULL,
    edition   TEXT NOT NULL,
    agreed_at BIGINT NOT NULL,
    PRIMARY KEY (account, document, edition)
);

-- Where an account signed in: codes asked for from there are its owner's.
CREATE TABLE account_networks (
    account TEXT NOT NULL REFERENCES accounts (id),
    network BYTEA NOT NULL, -- keyed hash
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (account, network)
);
CREATE INDEX account_networks_seen ON account_networks (seen_at);

CREATE TABLE account_devices (
    account    TEXT NOT NULL REFERENCES accounts (id),
    thumbprint TEXT NOT NULL,
    public_key BYTEA NOT NULL,
    label      TEXT NOT NULL,
    network    BYTEA NOT NULL, -- of the last sign-in, keyed hash
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    bound_at   BIGINT NOT NULL,
    PRIMARY KEY (account, thumbprint)
);

CREATE TABLE account_sessions (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    device     TEXT NOT NULL,
    token_hash BYTEA NOT NULL, -- keyed
    nonce      BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    FOREIGN KEY (account, device) REFERENCES account_devices (account, thumbprint)
);
CREATE UNIQUE INDEX account_sessions_token ON account_sessions (token_hash);
CREATE INDEX account_sessions_account ON account_sessions (account, device);

CREATE TABLE account_codes (
    id         TEXT PRIMARY KEY, -- keyed hash of the ticket
    purpose    TEXT NOT NULL,
    account    TEXT NOT NULL,
    session    TEXT NOT NULL,
    phone_hash BYTEA NOT NULL,
    code_hash  BYTEA NOT NULL,
    tries      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    passed_at  BIGINT NOT NULL,
    used_at    BIGINT NOT NULL
);
CREATE INDEX account_codes_expiry ON account_codes (expires_at);

CREATE TABLE account_windows (
    name      TEXT NOT NULL,
    subject   BYTEA NOT NULL, -- keyed hash
    opened_at BIGINT NOT NULL,
    n         BIGINT NOT NULL,
    PRIMARY KEY (name, subject)
);

-- SMS codes by the hour of the clock: what was sent, and what each limit refused.
CREATE TABLE account_hours (
    hour BIGINT NOT NULL,
    name TEXT NOT NULL,
    n    BIGINT NOT NULL,
    PRIMARY KEY (hour, name)
);

-- +goose Down
DROP TABLE account_hours;
DROP TABLE account_windows;
DROP TABLE account_codes;
DROP TABLE account_sessions;
DROP TABLE account_devices;
DROP TABLE account_networks;
DROP TABLE account_agreements;
DROP TABLE account_passwords;
DROP TABLE accounts;
