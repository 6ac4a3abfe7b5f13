-- Enterprises, and the applications that verify them or change their facts.

-- +goose Up
CREATE TABLE enterprises (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    code          TEXT NOT NULL,
    legal_name    BYTEA NOT NULL, -- sealed
    legal_id      BYTEA NOT NULL, -- sealed
    legal_id_hash BYTEA NOT NULL, -- keyed
    administrator TEXT NOT NULL,
    method        TEXT NOT NULL,
    verified_at   BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    facts         BIGINT NOT NULL,
    version       BIGINT NOT NULL
);
CREATE UNIQUE INDEX enterprises_code ON enterprises (code);
CREATE INDEX enterprises_administrator ON enterprises (administrator);

-- The one and two characters that a name contains: the same search on both engines.
CREATE TABLE enterprise_grams (
    gram       TEXT NOT NULL,
    enterprise TEXT NOT NULL,
    PRIMARY KEY (gram, enterprise)
);
CREATE INDEX enterprise_grams_enterprise ON enterprise_grams (enterprise);

-- Every version of an enterprise's facts.
CREATE TABLE enterprise_facts (
    enterprise  TEXT NOT NULL,
    facts       BIGINT NOT NULL,
    application TEXT NOT NULL,
    name        TEXT NOT NULL,
    legal_name  BYTEA NOT NULL, -- sealed
    method      TEXT NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (enterprise, facts)
);

CREATE TABLE enterprise_applications (
    id            TEXT PRIMARY KEY,
    number        TEXT NOT NULL,
    account       TEXT NOT NULL,
    kind          TEXT NOT NULL,
    enterprise    TEXT NOT NULL,
    name          TEXT NOT NULL,
    code          TEXT NOT NULL,
    legal_name    BYTEA NOT NULL, -- sealed
    legal_id      BYTEA NOT NULL, -- sealed
    state         TEXT NOT NULL,
    method        TEXT NOT NULL,
    reasons       TEXT NOT NULL, -- names, separated by spaces
    note          BYTEA NOT NULL, -- sealed
    record        TEXT NOT NULL, -- JSON, or empty
    calls         BIGINT NOT NULL,
    ref           TEXT NOT NULL,
    phone         BYTEA NOT NULL, -- sealed, erased when answered
    card          BYTEA NOT NULL, -- sealed, erased when answered
    submitted_at  BIGINT NOT NULL,
    due_at        BIGINT NOT NULL,
    claimed       TEXT NOT NULL,
    claimed_until BIGINT NOT NULL,
    escalated     TEXT NOT NULL,
    decided_by    TEXT NOT NULL,
    decided_at    BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL
);
CREATE INDEX enterprise_applications_account ON enterprise_applications (account, id);
CREATE INDEX enterprise_applications_code ON enterprise_applications (code, state);
CREATE INDEX enterprise_applications_queue ON enterprise_applications (state, due_at, id);
CREATE INDEX enterprise_applications_decided ON enterprise_applications (decided_at, id);
CREATE UNIQUE INDEX enterprise_applications_number ON enterprise_applications (number);

CREATE TABLE enterprise_pictures (
    application TEXT NOT NULL,
    kind        TEXT NOT NULL,
    picture     BYTEA NOT NULL, -- JPEG, sealed
    at          BIGINT NOT NULL,
    PRIMARY KEY (application, kind)
);

CREATE TABLE enterprise_events (
    id          TEXT PRIMARY KEY,
    application TEXT NOT NULL,
    kind        TEXT NOT NULL,
    actor       TEXT NOT NULL,
    note        BYTEA NOT NULL, -- sealed
    at          BIGINT NOT NULL
);
CREATE INDEX enterprise_events_application ON enterprise_events (application, id);

-- What is counted by calendar day in China: checks, searches, numbers.
CREATE TABLE enterprise_counts (
    subject TEXT NOT NULL,
    purpose TEXT NOT NULL,
    day     BIGINT NOT NULL,
    n       BIGINT NOT NULL,
    PRIMARY KEY (subject, purpose)
);

-- +goose Down
DROP TABLE enterprise_counts;
DROP TABLE enterprise_events;
DROP TABLE enterprise_pictures;
DROP TABLE enterprise_applications;
DROP TABLE enterprise_facts;
DROP TABLE enterprise_grams;
DROP TABLE enterprises;
