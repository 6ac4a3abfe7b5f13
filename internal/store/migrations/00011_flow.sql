-- What the flows that span nouns must remember between their steps: setting the
-- PIN (设置 PIN 码), installing and re-keying (安装、补办), dealing old encryption
-- keys anew, recovering (补办恢复), revoking (吊销).

-- +goose Up
CREATE TABLE pin_setups (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    device     TEXT NOT NULL,
    state      TEXT NOT NULL,
    op         TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX pin_setups_account ON pin_setups (account, id);

CREATE TABLE pin_unlocks (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    face_check TEXT NOT NULL,
    used       BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);

CREATE TABLE installations (
    id               TEXT PRIMARY KEY,
    account          TEXT NOT NULL,
    device           TEXT NOT NULL,
    certificate      TEXT NOT NULL,
    kind             TEXT NOT NULL,
    state            TEXT NOT NULL,
    live             BOOLEAN NOT NULL, -- neither installed nor void
    op               TEXT NOT NULL,
    pin_key          TEXT NOT NULL,
    authorised_until BIGINT NOT NULL,
    sign_key         TEXT NOT NULL,
    sign_public      BYTEA NOT NULL,
    enc_key          TEXT NOT NULL,
    enc_public       BYTEA NOT NULL,
    old_sign_key     TEXT NOT NULL,
    enrolment_key    BYTEA NOT NULL,
    request_info     BYTEA NOT NULL,
    request          BYTEA NOT NULL,
    deals            BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    version          BIGINT NOT NULL
);
CREATE UNIQUE INDEX installations_live ON installations (certificate) WHERE live;
CREATE INDEX installations_certificate ON installations (certificate, id);
CREATE INDEX installations_account ON installations (account, id);

CREATE TABLE redealings (
    id               TEXT PRIMARY KEY,
    account          TEXT NOT NULL,
    device           TEXT NOT NULL,
    state            TEXT NOT NULL,
    live             BOOLEAN NOT NULL,
    op               TEXT NOT NULL,
    pin_key          TEXT NOT NULL,
    authorised_until BIGINT NOT NULL,
    enrolment_key    BYTEA NOT NULL,
    message          BYTEA NOT NULL,
    signature        BYTEA NOT NULL,
    deals            BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    version          BIGINT NOT NULL
);
CREATE UNIQUE INDEX redealings_live ON redealings (account) WHERE live;

CREATE TABLE redealt_keys (
    redealing  TEXT NOT NULL REFERENCES redealings (id),
    position   BIGINT NOT NULL,
    enc_key    TEXT NOT NULL,
    enc_public BYTEA NOT NULL,
    op         TEXT NOT NULL,
    proved     BOOLEAN NOT NULL,
    PRIMARY KEY (redealing, enc_key)
);

CREATE TABLE recoveries (
    id           TEXT PRIMARY KEY,
    account      TEXT NOT NULL,
    device       TEXT NOT NULL,
    old_device   TEXT NOT NULL,
    known_device BOOLEAN NOT NULL, -- it held keys of this account before
    state        TEXT NOT NULL,
    running      BOOLEAN NOT NULL, -- the keys are suspended, the re-key is not done
    face         TEXT NOT NULL,
    op           TEXT NOT NULL,
    confirmed    BOOLEAN NOT NULL,
    restorable   BOOLEAN NOT NULL, -- stopping it gives the old device its keys back
    suspended_at BIGINT NOT NULL,
    hold_until   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL
);
CREATE UNIQUE INDEX recoveries_running ON recoveries (account) WHERE running;
CREATE INDEX recoveries_account ON recoveries (account, id);

CREATE TABLE revocation_requests (
    id          TEXT PRIMARY KEY,
    account     TEXT NOT NULL,
    device      TEXT NOT NULL,
    certificate TEXT NOT NULL,
    reason      TEXT NOT NULL,
    state       TEXT NOT NULL,
    op          TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    version     BIGINT NOT NULL
);
CREATE INDEX revocation_requests_certificate ON revocation_requests (certificate, id);

-- +goose Down
DROP TABLE revocation_requests;
DROP TABLE recoveries;
DROP TABLE redealt_keys;
DROP TABLE redealings;
DROP TABLE installations;
DROP TABLE pin_unlocks;
DROP TABLE pin_setups;
