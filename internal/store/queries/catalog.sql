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

-- name: CatalogPlatforms :many
SELECT * FROM catalog_platforms
WHERE active AND rank > CAST(@after AS TEXT)
    AND (CAST(@region AS TEXT) = '' OR region = CAST(@region AS TEXT))
    AND lower(name) LIKE lower(CAST(@pattern AS TEXT)) ESCAPE '!'
ORDER BY rank LIMIT @most;

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
