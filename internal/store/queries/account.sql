-- name: CountAccountWindow :one
INSERT INTO account_windows (name, subject, opened_at, n) VALUES (@name, @subject, @now, 1)
ON CONFLICT (name, subject) DO UPDATE SET
    n = CASE WHEN account_windows.opened_at <= @closed THEN 1 ELSE account_windows.n + 1 END,
    opened_at = CASE WHEN account_windows.opened_at <= @closed THEN excluded.opened_at ELSE account_windows.opened_at END
RETURNING n, opened_at;

-- name: UncountAccountWindow :exec
UPDATE account_windows SET n = n - @n WHERE name = @name AND subject = @subject AND opened_at = @opened_at AND n >= @n;

-- name: DeleteAccountWindow :exec
DELETE FROM account_windows WHERE name = @name AND subject = @subject;

-- name: BusiestAccountWindow :one
SELECT CAST(COALESCE(MAX(n), 0) AS BIGINT) AS n FROM account_windows
WHERE (name = @name OR name LIKE CAST(@longer AS TEXT)) AND opened_at > @since;

-- name: CountAccountHour :exec
INSERT INTO account_hours (hour, name, n) VALUES (@hour, @name, 1)
ON CONFLICT (hour, name) DO UPDATE SET n = account_hours.n + 1;

-- name: AccountHours :many
SELECT * FROM account_hours WHERE hour >= @since ORDER BY hour, name;

-- name: InsertAccountCode :exec
INSERT INTO account_codes (id, purpose, account, session, phone_hash, code_hash, tries, expires_at, passed_at, used_at)
VALUES (@id, @purpose, @account, @session, @phone_hash, @code_hash, 0, @expires_at, 0, 0);

-- name: AccountCode :one
SELECT * FROM account_codes WHERE id = @id;

-- name: ChargeAccountCode :one
UPDATE account_codes SET tries = tries + 1 WHERE id = @id AND tries < @most RETURNING tries;

-- name: PassAccountCode :execrows
UPDATE account_codes SET passed_at = @passed_at WHERE id = @id AND used_at = 0;

-- name: UseAccountCode :execrows
UPDATE account_codes SET used_at = @used_at WHERE id = @id AND used_at = 0 AND passed_at > 0;

-- name: InsertAccount :exec
INSERT INTO accounts (id, phone, phone_hash, phone_changed_at, device, only_device, only_until, created_at, closed_at, version)
VALUES (@id, @phone, @phone_hash, 0, @device, '', 0, @created_at, 0, 1)
ON CONFLICT (phone_hash) DO NOTHING;

-- name: Account :one
SELECT * FROM accounts WHERE id = @id;

-- name: HoldAccount :one
UPDATE accounts SET version = version WHERE id = @id AND closed_at = 0 RETURNING id;

-- name: AccountByPhone :one
SELECT * FROM accounts WHERE phone_hash = @phone_hash;

-- name: UpdateAccount :execrows
UPDATE accounts SET phone = @phone, phone_hash = @phone_hash, phone_changed_at = @phone_changed_at,
    device = @device, only_device = @only_device, only_until = @only_until, closed_at = @closed_at, version = version + 1
WHERE id = @id AND version = @version;

-- name: PutAccountPassword :exec
INSERT INTO account_passwords (account, secret, set_at) VALUES (@account, @secret, @set_at)
ON CONFLICT (account) DO UPDATE SET secret = excluded.secret, set_at = excluded.set_at;

-- name: AccountPassword :one
SELECT secret FROM account_passwords WHERE account = @account;

-- name: LockAccountPassword :one
UPDATE account_passwords SET set_at = set_at WHERE account = @account RETURNING secret;

-- name: DeleteAccountPassword :exec
DELETE FROM account_passwords WHERE account = @account;

-- name: InsertAccountAgreement :exec
INSERT INTO account_agreements (account, document, edition, agreed_at) VALUES (@account, @document, @edition, @agreed_at)
ON CONFLICT (account, document, edition) DO NOTHING;

-- name: PutAccountNetwork :exec
INSERT INTO account_networks (account, network, seen_at) VALUES (@account, @network, @seen_at)
ON CONFLICT (account, network) DO UPDATE SET seen_at = excluded.seen_at;

-- name: KnownAccountNetwork :one
SELECT EXISTS (
    SELECT 1 FROM account_networks n JOIN accounts a ON a.id = n.account
    WHERE a.phone_hash = @phone_hash AND n.network = @network AND n.seen_at > @since
);

-- name: PutAccountDevice :exec
INSERT INTO account_devices (account, thumbprint, public_key, label, network, created_at, seen_at, bound_at)
VALUES (@account, @thumbprint, @public_key, @label, @network, @seen_at, @seen_at, 0)
ON CONFLICT (account, thumbprint) DO UPDATE SET
    label = CASE WHEN excluded.label = '' THEN account_devices.label ELSE excluded.label END,
    network = excluded.network, seen_at = excluded.seen_at;

-- Those that are signed in, and one more by its name.
-- name: SignedInAccountDevices :many
SELECT sqlc.embed(d), CAST(COALESCE(MAX(s.created_at), 0) AS BIGINT) AS signed_in_at, COUNT(s.id) AS sessions
FROM account_devices d
LEFT JOIN account_sessions s ON s.account = d.account AND s.device = d.thumbprint
    AND s.ended_at = 0 AND s.expires_at > @now AND s.seen_at > @idle
WHERE d.account = @account AND (s.id IS NOT NULL OR d.thumbprint = @also)
GROUP BY d.account, d.thumbprint
ORDER BY d.seen_at DESC, d.thumbprint;

-- name: TouchAccountDevice :exec
UPDATE account_devices SET seen_at = @seen_at WHERE account = @account AND thumbprint = @thumbprint AND seen_at < @seen_at;

-- name: AccountDevice :one
SELECT * FROM account_devices WHERE account = @account AND thumbprint = @thumbprint;

-- name: StampAccountDevice :exec
UPDATE account_devices SET bound_at = @bound_at WHERE account = @account AND thumbprint = @thumbprint AND bound_at = 0;

-- name: InsertAccountSession :exec
INSERT INTO account_sessions (id, account, device, token_hash, nonce, created_at, seen_at, expires_at, ended_at)
VALUES (@id, @account, @device, @token_hash, @nonce, @created_at, @seen_at, @expires_at, 0);

-- name: AccountSessionByToken :one
SELECT sqlc.embed(s), d.public_key, a.only_device, a.only_until
FROM account_sessions s
JOIN account_devices d ON d.account = s.account AND d.thumbprint = s.device
JOIN accounts a ON a.id = s.account
WHERE s.token_hash = @token_hash AND s.ended_at = 0 AND a.closed_at = 0;

-- name: TouchAccountSession :exec
UPDATE account_sessions SET seen_at = @seen_at WHERE id = @id AND ended_at = 0 AND seen_at < @seen_at;

-- name: EndAccountSession :exec
UPDATE account_sessions SET ended_at = @ended_at WHERE id = @id AND ended_at = 0;

-- name: EndAccountSessionsOf :exec
UPDATE account_sessions SET ended_at = @ended_at WHERE account = @account AND device = @device AND ended_at = 0;

-- name: EndOtherAccountSessions :exec
UPDATE account_sessions SET ended_at = @ended_at
WHERE account = @account AND device <> @device AND created_at <= @opened AND ended_at = 0;

-- name: EndAccountSessionsBut :execrows
UPDATE account_sessions SET ended_at = @ended_at
WHERE account = @account AND device <> @keep AND device <> @keep_too AND ended_at = 0;

-- name: DeleteAccountCodesBefore :exec
DELETE FROM account_codes WHERE expires_at < @before;

-- name: DeleteAccountWindowsBefore :exec
DELETE FROM account_windows WHERE opened_at < @before;

-- name: DeleteAccountSessionsBefore :exec
DELETE FROM account_sessions WHERE expires_at < @before OR (ended_at > 0 AND ended_at < @before);

-- name: DeleteAccountNetworksBefore :exec
DELETE FROM account_networks WHERE seen_at < @before;

-- name: DeleteAccountHoursBefore :exec
DELETE FROM account_hours WHERE hour < @before;
