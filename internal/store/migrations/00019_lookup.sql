-- What officers looked at: the values revealed in full, counted per day.

-- +goose Up
CREATE TABLE lookup_reveals (
    officer TEXT PRIMARY KEY,
    day     BIGINT NOT NULL, -- calendar day in China
    n       BIGINT NOT NULL
);

-- Enterprises by the day they were verified on, and callbacks that wait for an officer.
CREATE INDEX enterprises_created ON enterprises (created_at);
CREATE INDEX platform_callbacks_open ON platform_callbacks (last_at) WHERE acknowledged_at = 0;

-- +goose Down
DROP INDEX platform_callbacks_open;
DROP INDEX enterprises_created;
DROP TABLE lookup_reveals;
