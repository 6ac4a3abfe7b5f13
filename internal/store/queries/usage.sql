-- name: InsertUsageRecord :exec
INSERT INTO usage_records (id, ref, ended_at, account, device, certificate, serial, platform, platform_name, business, outcome, digest, private)
VALUES (@id, @ref, @ended_at, @account, @device, @certificate, @serial, @platform, @platform_name, @business, @outcome, @digest, @private);

-- name: UsageRecord :one
SELECT * FROM usage_records WHERE id = @id;

-- name: UsageRecordsOfAccount :many
SELECT * FROM usage_records
WHERE account = @account
  AND (CAST(@after AS TEXT) = '' OR id < CAST(@after AS TEXT))
  AND (CAST(@certificate AS TEXT) = '' OR certificate = CAST(@certificate AS TEXT))
  AND (CAST(@platform AS TEXT) = '' OR platform = CAST(@platform AS TEXT))
  AND (CAST(@business AS TEXT) = '' OR business = CAST(@business AS TEXT))
  AND (CAST(@name AS TEXT) = '' OR platform_name LIKE CAST(@name AS TEXT) ESCAPE '\')
ORDER BY id DESC LIMIT @max_records;

-- name: LastUsageCertificate :one
SELECT certificate FROM usage_records
WHERE account = @account AND platform = @platform AND outcome = 'OK'
ORDER BY id DESC LIMIT 1;

-- name: CountUsageRecords :one
SELECT COUNT(*) FROM usage_records;
