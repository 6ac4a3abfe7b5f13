-- The certification authority: its own certificates, what it issued, its lists.

-- +goose Up
CREATE TABLE ca_authorities (
    name       TEXT NOT NULL,
    serial     TEXT NOT NULL,
    role       BIGINT NOT NULL,
    issuer     TEXT NOT NULL,
    tbs        BYTEA NOT NULL,
    der        BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (name, serial)
);

CREATE TABLE ca_certificates (
    ref         TEXT PRIMARY KEY,
    institution TEXT NOT NULL,
    serial      TEXT NOT NULL,
    role        BIGINT NOT NULL,
    replacement BOOLEAN NOT NULL,
    public_key  BYTEA NOT NULL,
    tbs         BYTEA NOT NULL,
    der         BYTEA NOT NULL,
    not_after   BIGINT NOT NULL,
    prepared_at BIGINT NOT NULL,
    issued_at   BIGINT NOT NULL,
    revoked_at  BIGINT NOT NULL,
    reason      BIGINT NOT NULL
);
CREATE UNIQUE INDEX ca_certificates_serial ON ca_certificates (serial);
CREATE UNIQUE INDEX ca_certificates_key ON ca_certificates (public_key);
CREATE INDEX ca_certificates_revoked ON ca_certificates (institution, revoked_at);

CREATE TABLE ca_lists (
    institution TEXT NOT NULL,
    number      BIGINT NOT NULL,
    der         BYTEA NOT NULL,
    this_update BIGINT NOT NULL,
    next_update BIGINT NOT NULL,
    PRIMARY KEY (institution, number)
);

-- +goose Down
DROP TABLE ca_lists;
DROP TABLE ca_certificates;
DROP TABLE ca_authorities;
