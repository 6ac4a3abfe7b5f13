-- Certificate × platform.

-- +goose Up
CREATE TABLE roamings (
    id             TEXT PRIMARY KEY,
    certificate_id TEXT NOT NULL,
    platform       TEXT NOT NULL,
    line_id        TEXT NOT NULL,
    state          TEXT NOT NULL,
    start_at       BIGINT NOT NULL,
    end_at         BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    version        BIGINT NOT NULL
);
CREATE UNIQUE INDEX roamings_platform ON roamings (certificate_id, platform);
CREATE INDEX roamings_line ON roamings (line_id);

-- +goose Down
DROP TABLE roamings;
