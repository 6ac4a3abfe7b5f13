-- Members of enterprises: memberships, requests to join, invitations, transfers.

-- +goose Up
CREATE TABLE enterprise_members (
    id         TEXT PRIMARY KEY,
    enterprise TEXT NOT NULL,
    account    TEXT NOT NULL,
    joined_at  BIGINT NOT NULL,
    via        TEXT NOT NULL,
    left_at    BIGINT NOT NULL, -- a former member keeps the row
    left_by    TEXT NOT NULL
);
CREATE UNIQUE INDEX enterprise_members_current ON enterprise_members (enterprise, account) WHERE left_at = 0;
CREATE INDEX enterprise_members_account ON enterprise_members (account, left_at);
CREATE INDEX enterprise_members_list ON enterprise_members (enterprise, left_at, id);

-- What finds a current member inside his enterprise: keyed hashes of the beginnings
-- of his name.
CREATE TABLE enterprise_member_terms (
    term   BYTEA NOT NULL, -- keyed, differs between enterprises
    member TEXT NOT NULL REFERENCES enterprise_members (id),
    PRIMARY KEY (term, member)
);
CREATE INDEX enterprise_member_terms_member ON enterprise_member_terms (member);

CREATE TABLE enterprise_requests (
    id         TEXT PRIMARY KEY,
    enterprise TEXT NOT NULL,
    account    TEXT NOT NULL,
    state      TEXT NOT NULL,
    reason     BYTEA NOT NULL, -- sealed
    asked_at   BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE UNIQUE INDEX enterprise_requests_open ON enterprise_requests (enterprise, account) WHERE state = 'open';
CREATE INDEX enterprise_requests_enterprise ON enterprise_requests (enterprise, state, id);
CREATE INDEX enterprise_requests_account ON enterprise_requests (account, id);

CREATE TABLE enterprise_invitations (
    id         TEXT PRIMARY KEY,
    enterprise TEXT NOT NULL,
    inviter    TEXT NOT NULL, -- account
    name       BYTEA NOT NULL, -- sealed
    phone      BYTEA NOT NULL, -- sealed
    phone_hash BYTEA NOT NULL, -- keyed
    token_hash BYTEA NOT NULL, -- keyed
    state      TEXT NOT NULL,
    sendings   BIGINT NOT NULL,
    sent_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE UNIQUE INDEX enterprise_invitations_open ON enterprise_invitations (enterprise, phone_hash) WHERE state = 'open';
CREATE UNIQUE INDEX enterprise_invitations_token ON enterprise_invitations (token_hash);
CREATE INDEX enterprise_invitations_enterprise ON enterprise_invitations (enterprise, id);
CREATE INDEX enterprise_invitations_phone ON enterprise_invitations (phone_hash, state, id);

-- A transfer that waits for the administrator's PIN.
CREATE TABLE enterprise_transfers (
    id            TEXT PRIMARY KEY,
    enterprise    TEXT NOT NULL,
    administrator TEXT NOT NULL, -- account
    member        TEXT NOT NULL, -- to whom
    op            TEXT NOT NULL,
    state         TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL
);
CREATE UNIQUE INDEX enterprise_transfers_open ON enterprise_transfers (enterprise) WHERE state = 'asked';

-- +goose Down
DROP TABLE enterprise_transfers;
DROP TABLE enterprise_invitations;
DROP TABLE enterprise_requests;
DROP TABLE enterprise_member_terms;
DROP TABLE enterprise_members;
