-- Certificate records and every X.509 certificate issued for them.

-- +goose Up
CREATE TABLE certificates (
    id            TEXT PRIMARY KEY,
    holder_kind   TEXT NOT NULL,
    account_id    TEXT NOT NULL,
    enterprise_id TEXT NOT NULL,
    institution   TEXT NOT NULL,
    years         BIGINT NOT NULL,
    platform      TEXT NOT NULL,
    order_id      TEXT NOT NULL,
    line_id       TEXT NOT NULL,
    state         TEXT NOT NULL,
    issue_ref     TEXT NOT NULL,
    not_before    BIGINT NOT NULL,
    not_after     BIGINT NOT NULL,
    sign_serial   TEXT NOT NULL,
    enc_serial    TEXT NOT NULL,
    sign_key      TEXT NOT NULL,
    enc_key       TEXT NOT NULL,
    device        TEXT NOT NULL,
    keys_lost     BOOLEAN NOT NULL,
    reason        TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    installed_at  BIGINT NOT NULL,
    revoked_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL
);
CREATE UNIQUE INDEX certificates_line ON certificates (line_id);
CREATE INDEX certificates_account ON certificates (account_id, id);
CREATE INDEX certificates_enterprise ON certificates (enterprise_id, id) WHERE enterprise_id <> '';

CREATE TABLE issued_certificates (
    serial         TEXT PRIMARY KEY,
    certificate_id TEXT NOT NULL REFERENCES certificates (id),
    use_for        TEXT NOT NULL,
    key_id         TEXT NOT NULL,
    der            BYTEA NOT NULL,
    -- The issuers' certificates, DER after DER, the root last.
    chain          BYTEA NOT NULL,
    installed_at   BIGINT NOT NULL,
    replaced_at    BIGINT NOT NULL
);
CREATE INDEX issued_certificates_certificate ON issued_certificates (certificate_id, installed_at);

-- +goose Down
DROP TABLE issued_certificates;
DROP TABLE certificates;
