-- name: InsertUsageRecord :exec
INSERT INTO usage_records (id, ref, ended_at, account, enterprise, device, certificate, serial, platform, platform_name, business, outcome, digest, operator, private)
VALUES (@id, @ref, @ended_at, @account, @enterprise, @device, @certificate, @serial, @platform, @platform_name, @business, @outcome, @digest, @operator, @private);

-- name: InsertUsageOperator :exec
INSERT INTO usage_operators (account, operator, name) VALUES (@account, @operator, @name) ON CONFLICT DO NOTHING;

-- name: UsageOperators :many
SELECT * FROM usage_operators WHERE account = @account;

-- name: UsageRecord :one
SELECT * FROM usage_records WHERE id = @id;

-- The parameters outcomes and operators are ",a,b,"; among says whether the outcome
-- is one of outcomes or none of them.
-- name: UsageRecordsOfAccount :many
SELECT * FROM usage_records
WHERE id IN (
    SELECT r.id FROM usage_records r
    WHERE r.account = @account AND r.enterprise = @enterprise
      AND (CAST(@after AS TEXT) = '' OR r.id < CAST(@after AS TEXT))
      AND r.ended_at >= CAST(@from_at AS BIGINT) AND r.ended_at < CAST(@to_at AS BIGINT)
      AND (CAST(@certificate AS TEXT) = '' OR r.certificate = CAST(@certificate AS TEXT))
      AND (CAST(@platform AS TEXT) = '' OR r.platform = CAST(@platform AS TEXT))
      AND (CAST(@business AS TEXT) = '' OR r.business = CAST(@business AS TEXT))
      AND (CAST(@outcomes AS TEXT) = '' OR (CAST(@outcomes AS TEXT) LIKE '%,' || r.outcome || ',%') = CAST(@among AS BOOLEAN))
      AND (CAST(@name AS TEXT) = '' OR lower(r.platform_name) LIKE lower(CAST(@name AS TEXT)) ESCAPE '!'
        OR r.operator <> '' AND CAST(@operators AS TEXT) LIKE '%,' || r.operator || ',%')
    ORDER BY r.id DESC LIMIT @max_records
)
ORDER BY id DESC;

-- What an administrator sees: the records of all members.
-- name: UsageRecordsOfEnterprise :many
SELECT * FROM usage_records
WHERE id IN (
    SELECT r.id FROM usage_records r
    WHERE r.enterprise = @enterprise AND r.enterprise <> ''
      AND (CAST(@after AS TEXT) = '' OR r.id < CAST(@after AS TEXT))
      AND r.ended_at >= CAST(@from_at AS BIGINT) AND r.ended_at < CAST(@to_at AS BIGINT)
      AND (CAST(@certificate AS TEXT) = '' OR r.certificate = CAST(@certificate AS TEXT))
      AND (CAST(@platform AS TEXT) = '' OR r.platform = CAST(@platform AS TEXT))
      AND (CAST(@business AS TEXT) = '' OR r.business = CAST(@business AS TEXT))
      AND (CAST(@outcomes AS TEXT) = '' OR (CAST(@outcomes AS TEXT) LIKE '%,' || r.outcome || ',%') = CAST(@among AS BOOLEAN))
      AND (CAST(@name AS TEXT) = '' OR lower(r.platform_name) LIKE lower(CAST(@name AS TEXT)) ESCAPE '!'
        OR r.operator <> '' AND CAST(@operators AS TEXT) LIKE '%,' || r.operator || ',%')
    ORDER BY r.id DESC LIMIT @max_records
)
ORDER BY id DESC;

-- name: LastUsageCertificate :one
SELECT certificate FROM usage_records
WHERE account = @account AND enterprise = '' AND platform = @platform AND outcome = 'OK'
ORDER BY id DESC LIMIT 1;

-- name: CountUsageRecords :one
SELECT COUNT(*) FROM usage_records;
