-- name: InsertCatalogPlatform :execrows
INSERT INTO catalog_platforms (code, rank, name, region, host, callback_base, sign_certificate, enc_certificate, active, sandbox, ask_code, registered_at)
VALUES (@code, @rank, @name, @region, @host, @callback_base, @sign_certificate, @enc_certificate, @active, @sandbox, @ask_code, @registered_at)
ON CONFLICT (code) DO NOTHING;

-- name: UpdateCatalogPlatform :execrows
UPDATE catalog_platforms SET rank = @rank, name = @name, region = @region, host = @host, callback_base = @callback_base,
    sign_certificate = @sign_certificate, enc_certificate = @enc_certificate, active = @active, sandbox = @sandbox,
    ask_code = @ask_code, registered_at = @registered_at
WHERE code = @code;

-- name: CatalogPlatform :one
SELECT * FROM catalog_platforms WHERE code = @code;

-- The search itself reads an index that holds all it looks at; rows with their
-- certificates are fetched for one page alone.
-- name: CatalogPlatforms :many
SELECT * FROM catalog_platforms
WHERE rank IN (
    SELECT p.rank FROM catalog_platforms p
    WHERE p.active AND p.rank > CAST(@after AS TEXT) AND p.rank < CAST(@before AS TEXT)
        AND (CAST(@pattern AS TEXT) = '' OR lower(p.name) LIKE lower(CAST(@pattern AS TEXT)) ESCAPE '!')
    ORDER BY p.rank LIMIT @most
)
ORDER BY rank;

-- name: CountCatalogPlatforms :many
SELECT region, COUNT(*) AS n FROM catalog_platforms WHERE active GROUP BY region;

-- name: CountCatalogWish :one
INSERT INTO catalog_wishers (account, day, n) VALUES (@account, @day, 1)
ON CONFLICT (account) DO UPDATE SET
    n = CASE WHEN catalog_wishers.day = excluded.day THEN catalog_wishers.n + 1 ELSE 1 END,
    day = excluded.day
RETURNING n;

-- name: InsertCatalogWish :exec
INSERT INTO catalog_wishes (id, account, name, region, address, note, wished_at)
VALUES (@id, @account, @name, @region, @address, @note, @wished_at);

-- name: CatalogWishes :many
SELECT * FROM catalog_wishes WHERE CAST(@before AS TEXT) = '' OR id < CAST(@before AS TEXT) ORDER BY id DESC LIMIT @most;

-- name: PutCatalogInstitution :exec
INSERT INTO catalog_institutions (code, name, active) VALUES (@code, @name, @active)
ON CONFLICT (code) DO UPDATE SET name = excluded.name, active = excluded.active;

-- name: CatalogInstitution :one
SELECT * FROM catalog_institutions WHERE code = @code;

-- name: CatalogInstitutions :many
SELECT * FROM catalog_institutions ORDER BY code;

-- name: PutCatalogPrice :exec
INSERT INTO catalog_prices (institution, kind, years, from_at, fen) VALUES (@institution, @kind, @years, @from_at, @fen)
ON CONFLICT (institution, kind, years, from_at) DO UPDATE SET fen = excluded.fen;

-- name: CatalogPrices :many
SELECT * FROM catalog_prices p
WHERE p.institution = @institution AND p.from_at = (
    SELECT MAX(q.from_at) FROM catalog_prices q
    WHERE q.institution = p.institution AND q.kind = p.kind AND q.years = p.years AND q.from_at <= @now
)
ORDER BY p.kind, p.years;
