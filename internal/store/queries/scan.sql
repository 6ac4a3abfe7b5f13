-- name: InsertScanTransaction :exec
INSERT INTO scan_transactions (id, seq, platform, type, state, outcome, expected, ask_code, notify_path, account, device,
    certificate, operation, created_at, scanned_at, ended_at, expires_at, hold_until, remaining, due_at, private, version)
VALUES (@id, @seq, @platform, @type, @state, @outcome, @expected, @ask_code, @notify_path, @account, @device,
    @certificate, @operation, @created_at, @scanned_at, @ended_at, @expires_at, @hold_until, @remaining, @due_at, @private, @version);

-- name: ScanTransaction :one
SELECT * FROM scan_transactions WHERE id = @id;

-- name: PutScanTransaction :execrows
UPDATE scan_transactions SET state = @state, outcome = @outcome, account = @account, device = @device,
    certificate = @certificate, operation = @operation, scanned_at = @scanned_at, ended_at = @ended_at,
    expires_at = @expires_at, hold_until = @hold_until, remaining = @remaining, due_at = @due_at, private = @private,
    version = version + 1
WHERE id = @id AND version = @version;

-- name: DueScanTransactions :many
SELECT id FROM scan_transactions WHERE due_at > 0 AND due_at <= @now ORDER BY due_at LIMIT @max_ids;

-- name: OpenScanTransactions :many
SELECT * FROM scan_transactions WHERE account = @account AND ended_at = 0 AND account <> '' ORDER BY id;

-- name: InsertScanMessage :exec
INSERT INTO scan_messages (transaction_id, body) VALUES (@transaction_id, @body);

-- name: ScanMessage :one
SELECT body FROM scan_messages WHERE transaction_id = @transaction_id;

-- name: DeleteScanMessage :exec
DELETE FROM scan_messages WHERE transaction_id = @transaction_id;

-- name: InsertScanResult :exec
INSERT INTO scan_results (transaction_id, seq, certificate, serial, message, signature, timestamp, signed_at)
VALUES (@transaction_id, @seq, @certificate, @serial, @message, @signature, @timestamp, @signed_at);

-- name: ScanResult :one
SELECT * FROM scan_results WHERE transaction_id = @transaction_id AND seq = @seq;

-- name: ForgetScanResults :exec
UPDATE scan_results SET message = @message WHERE transaction_id = @transaction_id;
