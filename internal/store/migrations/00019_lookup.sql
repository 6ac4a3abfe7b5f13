-- What officers looked for and saw, counted per span of time.

-- +goose Up
CREATE TABLE lookup_counts (
    officer TEXT NOT NULL,
    what    TEXT NOT NULL,
    span    BIGINT NOT NULL, -- number of the calendar day in China, or of the hour
    n       BIGINT NOT NULL,
    PRIMARY KEY (officer, what)
);

-- Enterprises by the day they were verified on, and callbacks that wait for an officer.
CREATE INDEX enterprises_created ON enterprises (created_at);
CREATE INDEX platform_callbacks_open ON platform_callbacks (last_at) WHERE acknowledged_at = 0;

-- +goose Down
DROP INDEX platform_callbacks_open;
DROP INDEX enterprises_created;
DROP TABLE lookup_counts;
