-- Real names: checks of a person, and the verified persons.

-- +goose Up
CREATE TABLE realname_checks (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    subject    TEXT NOT NULL,
    method     TEXT NOT NULL,
    state      TEXT NOT NULL,
    name       BYTEA NOT NULL, -- sealed, erased at the end
    id_number  BYTEA NOT NULL, -- sealed, erased at the end
    phone      BYTEA NOT NULL, -- sealed, erased at the end
    card       BYTEA NOT NULL, -- sealed, erased once the factors are answered
    card_tail  TEXT NOT NULL, -- the last four digits
    card_hash  TEXT NOT NULL, -- keyed
    calls      BIGINT NOT NULL,
    ref        TEXT NOT NULL,
    failed     BIGINT NOT NULL,
    reason     TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX realname_checks_account ON realname_checks (account, purpose, subject, id);

CREATE TABLE realname_attempts (
    account TEXT NOT NULL,
    purpose TEXT NOT NULL,
    day     BIGINT NOT NULL, -- calendar day in China
    n       BIGINT NOT NULL,
    PRIMARY KEY (account, purpose)
);

CREATE TABLE realname_persons (
    account     TEXT PRIMARY KEY,
    holder      TEXT NOT NULL,
    name        BYTEA NOT NULL, -- sealed
    name_hash   BYTEA NOT NULL, -- keyed
    id_type     TEXT NOT NULL,
    id_number   BYTEA NOT NULL, -- sealed
    id_hash     BYTEA NOT NULL, -- keyed
    verified_at BIGINT NOT NULL,
    released_at BIGINT NOT NULL -- when the account was closed
);
CREATE UNIQUE INDEX realname_persons_holder ON realname_persons (holder);
CREATE UNIQUE INDEX realname_persons_document ON realname_persons (id_hash);
CREATE INDEX realname_persons_name ON realname_persons (name_hash, account);
CREATE INDEX realname_persons_verified ON realname_persons (verified_at);

-- +goose Down
DROP TABLE realname_persons;
DROP TABLE realname_attempts;
DROP TABLE realname_checks;
