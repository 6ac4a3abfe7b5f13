-- The catalog: trading platforms, CA institutions, the price list.

-- +goose Up
CREATE TABLE catalog_platforms (
    code             TEXT PRIMARY KEY,
    rank             TEXT NOT NULL, -- order of the directory: region, code
    name             TEXT NOT NULL,
    region           TEXT NOT NULL,
    host             TEXT NOT NULL,
    callback_base    TEXT NOT NULL,
    sign_certificate BYTEA NOT NULL,
    enc_certificate  BYTEA NOT NULL,
    active           BOOLEAN NOT NULL,
    sandbox          BOOLEAN NOT NULL,
    ask_code         BOOLEAN NOT NULL,
    registered_at    BIGINT NOT NULL
);
CREATE UNIQUE INDEX catalog_platforms_rank ON catalog_platforms (rank);

CREATE TABLE catalog_institutions (
    code   TEXT PRIMARY KEY,
    name   TEXT NOT NULL,
    active BOOLEAN NOT NULL
);

CREATE TABLE catalog_prices (
    institution TEXT NOT NULL REFERENCES catalog_institutions (code),
    kind        TEXT NOT NULL,
    years       BIGINT NOT NULL,
    from_at     BIGINT NOT NULL,
    fen         BIGINT NOT NULL,
    PRIMARY KEY (institution, kind, years, from_at)
);

-- +goose Down
DROP TABLE catalog_prices;
DROP TABLE catalog_institutions;
DROP TABLE catalog_platforms;
