-- What officers looked at: the values revealed in full, counted per day.

-- +goose Up
CREATE TABLE lookup_reveals (
    officer TEXT PRIMARY KEY,
    day     BIGINT NOT NULL, -- calendar day in China
    n       BIGINT NOT NULL
);

-- +goose Down
DROP TABLE lookup_reveals;
