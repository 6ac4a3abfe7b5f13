-- name: InsertAuthority :exec
INSERT INTO ca_authorities (name, serial, role, issuer, tbs, der, created_at)
VALUES (@name, @serial, @role, @issuer, @tbs, @der, @created_at);

-- name: SignAuthority :execrows
UPDATE ca_authorities SET der = @der WHERE name = @name AND serial = @serial AND der = @unsigned;

-- name: Authorities :many
SELECT * FROM ca_authorities ORDER BY created_at, name, serial;

-- name: InsertIssuance :execrows
INSERT INTO ca_certificates (ref, institution, serial, role, replacement, public_key, tbs, der, not_after, prepared_at, issued_at, revoked_at, reason)
VALUES (@ref, @institution, @serial, @role, @replacement, @public_key, @tbs, @der, @not_after, @prepared_at, 0, 0, 0)
ON CONFLICT (ref) DO NOTHING;

-- name: IssuanceByRef :one
SELECT * FROM ca_certificates WHERE ref = @ref;

-- name: IssuanceBySerial :one
SELECT * FROM ca_certificates WHERE serial = @serial;

-- name: SignIssuance :execrows
UPDATE ca_certificates SET der = @der, issued_at = @issued_at WHERE ref = @ref AND issued_at = 0;

-- name: RevokeIssuance :execrows
UPDATE ca_certificates SET revoked_at = @revoked_at, reason = @reason
WHERE serial = @serial AND issued_at > 0 AND (revoked_at = 0 OR reason = @hold);

-- name: ReleaseIssuance :execrows
UPDATE ca_certificates SET revoked_at = 0, reason = 0 WHERE serial = @serial AND revoked_at > 0 AND reason = @hold;

-- name: RevokedIssuances :many
SELECT serial, revoked_at, reason FROM ca_certificates
WHERE institution = @institution AND revoked_at > 0 ORDER BY serial;

-- name: IssuancesAfter :many
SELECT * FROM ca_certificates WHERE ref > @after ORDER BY ref LIMIT @page_size;

-- name: InsertList :exec
INSERT INTO ca_lists (institution, number, der, this_update, next_update)
VALUES (@institution, @number, @der, @this_update, @next_update);

-- name: LastList :one
SELECT * FROM ca_lists WHERE institution = @institution ORDER BY number DESC LIMIT 1;
