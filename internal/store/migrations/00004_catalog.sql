-- The catalog: trading platforms, CA institutions, the price list.

-- +goose Up
CREATE TABLE catalog_platforms (
    code             TEXT PRIMARY KEY,
    rank             TEXT NOT NULL, -- order of the directory: region, name, code
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
-- The directory's order with all that a search looks at, and without the
-- certificates in the rows.
CREATE UNIQUE INDEX catalog_platforms_directory ON catalog_platforms (rank, active, region, name);

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

-- Platforms that somebody did not find.
CREATE TABLE catalog_wishes (
    id        TEXT PRIMARY KEY,
    account   TEXT NOT NULL,
    name      TEXT NOT NULL,
    region    TEXT NOT NULL,
    address   TEXT NOT NULL,
    note      BYTEA NOT NULL, -- sealed
    wished_at BIGINT NOT NULL
);

CREATE TABLE catalog_wishers (
    account TEXT PRIMARY KEY,
    day     BIGINT NOT NULL, -- calendar day in China
    n       BIGINT NOT NULL
);

-- +goose Down
DROP TABLE catalog_wishers;
DROP TABLE catalog_wishes;
DROP TABLE catalog_prices;
DROP TABLE catalog_institutions;
DROP TABLE catalog_platforms;
