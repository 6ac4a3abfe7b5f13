-- name: LookupAccountsByName :many
SELECT account FROM realname_persons
WHERE name_hash = @name_hash AND (CAST(@before AS TEXT) = '' OR account < CAST(@before AS TEXT))
ORDER BY account DESC LIMIT @most;

-- name: LookupCertificates :many
SELECT id FROM certificates WHERE account_id = @account_id ORDER BY id DESC LIMIT @most;

-- name: CountLookupReveal :one
INSERT INTO lookup_reveals (officer, day, n) VALUES (@officer, @day, 1)
ON CONFLICT (officer) DO UPDATE SET
    n = CASE WHEN lookup_reveals.day = excluded.day THEN lookup_reveals.n + 1 ELSE 1 END,
    day = excluded.day
RETURNING n;

-- Days are calendar days in China: milliseconds since 1970, eight hours ahead.
-- name: RegistrationsPerDay :many
SELECT CAST((created_at + 28800000) / 86400000 AS BIGINT) AS day, COUNT(*) AS n FROM accounts
WHERE created_at >= @from_at AND created_at < @until_at GROUP BY 1;

-- name: VerificationsPerDay :many
SELECT CAST((verified_at + 28800000) / 86400000 AS BIGINT) AS day, COUNT(*) AS n FROM realname_persons
WHERE verified_at >= @from_at AND verified_at < @until_at GROUP BY 1;
