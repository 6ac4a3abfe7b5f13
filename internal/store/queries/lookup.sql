-- name: LookupAccountsByName :many
SELECT account FROM realname_persons
WHERE name_hash = @name_hash AND (CAST(@before AS TEXT) = '' OR account < CAST(@before AS TEXT))
ORDER BY account DESC LIMIT @most;

-- name: LookupCertificates :many
SELECT id FROM certificates WHERE account_id = @account_id ORDER BY id DESC LIMIT @most;

-- name: CountLookup :one
INSERT INTO lookup_counts (officer, what, span, n) VALUES (@officer, @what, @span, 1)
ON CONFLICT (officer, what) DO UPDATE SET
    n = CASE WHEN lookup_counts.span = excluded.span THEN lookup_counts.n + 1 ELSE 1 END,
    span = excluded.span
RETURNING n;

-- name: UncountLookup :exec
UPDATE lookup_counts SET n = n - 1 WHERE officer = @officer AND what = @what AND span = @span AND n > 0;

-- Days are calendar days in China: milliseconds since 1970, eight hours ahead.
-- name: RegistrationsPerDay :many
SELECT CAST((created_at + 28800000) / 86400000 AS BIGINT) AS day, COUNT(*) AS n FROM accounts
WHERE created_at >= @from_at AND created_at < @until_at GROUP BY 1;

-- name: VerificationsPerDay :many
SELECT CAST((verified_at + 28800000) / 86400000 AS BIGINT) AS day, COUNT(*) AS n FROM realname_persons
WHERE verified_at >= @from_at AND verified_at < @until_at GROUP BY 1;

-- name: EnterprisesPerDay :many
SELECT CAST((created_at + 28800000) / 86400000 AS BIGINT) AS day, COUNT(*) AS n FROM enterprises
WHERE created_at >= @from_at AND created_at < @until_at GROUP BY 1;

-- name: LookupEnterprises :many
SELECT id FROM enterprises
WHERE CAST(@before AS TEXT) = '' OR id < CAST(@before AS TEXT)
ORDER BY id DESC LIMIT @most;

-- A gram of the part narrows by index; the pattern decides.
-- name: LookupEnterprisesLike :many
SELECT e.id FROM enterprise_grams g JOIN enterprises e ON e.id = g.enterprise
WHERE g.gram = @gram AND e.name LIKE CAST(@pattern AS TEXT) ESCAPE '\'
  AND (CAST(@before AS TEXT) = '' OR e.id < CAST(@before AS TEXT))
ORDER BY e.id DESC LIMIT @most;

-- name: DecidedReviews :many
SELECT submitted_at, decided_at, state FROM enterprise_applications
WHERE decided_at >= @from_at AND decided_at < @until_at AND decided_by <> '';

-- name: WaitingReviews :many
SELECT CAST(CASE WHEN escalated <> '' THEN 1 ELSE 0 END AS BIGINT) AS second, CAST(CASE WHEN due_at < CAST(@now AS BIGINT) THEN 1 ELSE 0 END AS BIGINT) AS late, COUNT(*) AS n
FROM enterprise_applications WHERE state = @state GROUP BY 1, 2;

-- Present and former ones, the last joined first.
-- name: LookupMemberships :many
SELECT sqlc.embed(m), e.name, e.administrator FROM enterprise_members m JOIN enterprises e ON e.id = m.enterprise
WHERE m.account = @account ORDER BY m.id DESC;
