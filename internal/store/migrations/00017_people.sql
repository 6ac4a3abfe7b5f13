-- What an account wants no SMS of; changes of a phone number by face; former names.

-- +goose Up
CREATE TABLE notice_quiet (
    account TEXT NOT NULL,
    topic   TEXT NOT NULL,
    PRIMARY KEY (account, topic)
);

CREATE TABLE phone_changes (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    device     TEXT NOT NULL,
    phone      BYTEA NOT NULL, -- sealed; empty when it is done
    face_check TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX phone_changes_account ON phone_changes (account);
CREATE INDEX phone_changes_created ON phone_changes (created_at);

CREATE TABLE realname_names (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    name       BYTEA NOT NULL, -- sealed
    from_time  BIGINT NOT NULL,
    until_time BIGINT NOT NULL
);
CREATE INDEX realname_names_account ON realname_names (account, id);

-- +goose Down
DROP TABLE realname_names;
DROP TABLE phone_changes;
DROP TABLE notice_quiet;
