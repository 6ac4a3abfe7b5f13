-- name: EnsureCustodyAccount :exec
INSERT INTO custody_accounts (account, ladder) VALUES (@account, @ladder) ON CONFLICT (account) DO NOTHING;

-- name: LockCustodyAccount :one
UPDATE custody_accounts SET version = version + 1 WHERE account = @account RETURNING *;

-- name: GetCustodyAccount :one
SELECT * FROM custody_accounts WHERE account = @account;

-- name: PutCustodyAccount :execrows
UPDATE custody_accounts SET ladder = @ladder, current_set = @current_set WHERE account = @account AND version = @version;

-- name: InsertCustodyPepper :exec
INSERT INTO custody_peppers (id, account, device, sealed, created_at) VALUES (@id, @account, @device, @sealed, @created_at);

-- name: GetCustodyPepper :one
SELECT * FROM custody_peppers WHERE id = @id;

-- name: OverwriteCustodyPeppers :exec
UPDATE custody_peppers SET sealed = @zeros WHERE account = @account AND id <> @keep;

-- name: DeleteCustodyPeppers :exec
DELETE FROM custody_peppers WHERE account = @account AND id <> @keep;

-- name: OverwriteCustodyPepper :exec
UPDATE custody_peppers SET sealed = @zeros WHERE id = @id;

-- name: DeleteCustodyPepper :exec
DELETE FROM custody_peppers WHERE id = @id;

-- name: InsertCustodyEnrolment :exec
INSERT INTO custody_enrolments (id, account, device, kind, subject, key_id, pepper_id, state, expires_at)
VALUES (@id, @account, @device, @kind, @subject, @key_id, @pepper_id, @state, @expires_at);

-- name: GetCustodyEnrolment :one
SELECT * FROM custody_enrolments WHERE id = @id;

-- name: ListCustodyEnrolments :many
SELECT * FROM custody_enrolments WHERE account = @account AND state <> 'void' ORDER BY id;

-- name: MoveCustodyEnrolment :execrows
UPDATE custody_enrolments SET state = @to_state WHERE id = @id AND state = @from_state;

-- name: InsertCustodyKey :exec
INSERT INTO custody_keys (id, account, device, kind, public_key, subject, enrolment, state, hold_until, created_at, version)
VALUES (@id, @account, @device, @kind, @public_key, @subject, @enrolment, @state, @hold_until, @created_at, 0);

-- name: GetCustodyKey :one
SELECT * FROM custody_keys WHERE id = @id;

-- name: FindCustodyKey :one
SELECT * FROM custody_keys WHERE public_key = @public_key;

-- name: ListCustodyKeys :many
SELECT * FROM custody_keys WHERE account = @account ORDER BY created_at, id;

-- name: PutCustodyKey :execrows
UPDATE custody_keys SET account = @account, device = @device, subject = @subject, state = @state,
    hold_until = @hold_until, version = version + 1
WHERE id = @id AND version = @version;

-- name: InsertCustodyShare :exec
INSERT INTO custody_shares (id, key_id, slot, account, device, subject, pepper_id, refresh, sealed, proved_at, created_at)
VALUES (@id, @key_id, @slot, @account, @device, @subject, @pepper_id, @refresh, @sealed, 0, @created_at);

-- name: ListCustodyShares :many
SELECT * FROM custody_shares WHERE key_id = @key_id ORDER BY slot;

-- name: ListCustodySharesOfAccount :many
SELECT * FROM custody_shares WHERE account = @account ORDER BY key_id, slot;

-- name: MarkCustodyShareProved :execrows
UPDATE custody_shares SET proved_at = @proved_at WHERE id = @id;

-- name: PromoteCustodyShare :execrows
UPDATE custody_shares SET slot = 'current' WHERE id = @id AND slot = 'next';

-- name: OverwriteCustodyShare :exec
UPDATE custody_shares SET sealed = @zeros WHERE id = @id;

-- name: DeleteCustodyShare :exec
DELETE FROM custody_shares WHERE id = @id;

-- name: InsertCustodyOperation :exec
INSERT INTO custody_operations (id, account, device, key_id, business, subject, share_id, purpose, m, ciphertexts,
    platform_certificate, unheld, expires_at, state, digest, signature, completed_at)
VALUES (@id, @account, @device, @key_id, @business, @subject, @share_id, @purpose, @m, @ciphertexts,
    @platform_certificate, @unheld, @expires_at, 'pending', @digest, @signature, 0);

-- name: GetCustodyOperation :one
SELECT * FROM custody_operations WHERE id = @id;

-- name: MoveCustodyOperation :execrows
UPDATE custody_operations SET state = @to_state, digest = @digest, signature = @signature, completed_at = @completed_at
WHERE id = @id AND state = @from_state;

-- name: DropCustodyMessage :exec
UPDATE custody_operations SET m = @none, ciphertexts = @none WHERE id = @id;

-- name: DropExpiredCustodyMessages :exec
UPDATE custody_operations SET m = @none, ciphertexts = @none, state = 'withdrawn'
WHERE state = 'pending' AND expires_at < @before;

-- name: PutCustodyNonce :exec
INSERT INTO custody_nonces (public_key, id, key_id, share_id, operation_id, boot_id, server_nonce, expires_at)
VALUES (@public_key, @id, @key_id, @share_id, @operation_id, @boot_id, @server_nonce, @expires_at)
ON CONFLICT (public_key) DO UPDATE SET id = excluded.id, key_id = excluded.key_id, share_id = excluded.share_id,
    operation_id = excluded.operation_id, boot_id = excluded.boot_id, server_nonce = excluded.server_nonce,
    expires_at = excluded.expires_at;

-- name: TakeCustodyNonce :one
DELETE FROM custody_nonces
WHERE public_key = @public_key AND id = @id AND key_id = @key_id AND operation_id = @operation_id
    AND boot_id = @boot_id AND expires_at > @now
RETURNING *;

-- name: DeleteCustodyNoncesOfKey :exec
DELETE FROM custody_nonces WHERE key_id = @key_id;

-- name: DeleteExpiredCustodyNonces :exec
DELETE FROM custody_nonces WHERE expires_at < @before;

-- name: InsertCustodyRefresh :exec
INSERT INTO custody_refreshes (id, account, device, operation_id, state, expires_at)
VALUES (@id, @account, @device, @operation_id, @state, @expires_at);

-- name: GetCustodyRefresh :one
SELECT * FROM custody_refreshes WHERE id = @id;

-- name: ListOpenCustodyRefreshes :many
SELECT * FROM custody_refreshes WHERE account = @account AND state = 'open' ORDER BY id;

-- name: MoveCustodyRefresh :execrows
UPDATE custody_refreshes SET state = @to_state WHERE id = @id AND state = @from_state;

-- name: InsertCustodyModuleKey :exec
INSERT INTO custody_module_keys (kid, public_key, sealed, from_at, to_at) VALUES (@kid, @public_key, @sealed, @from_at, @to_at);

-- name: ListCustodyModuleKeys :many
SELECT * FROM custody_module_keys ORDER BY from_at, kid;

-- name: OverwriteCustodyModuleKeys :exec
UPDATE custody_module_keys SET sealed = @zeros WHERE to_at < @before;

-- name: DeleteCustodyModuleKeys :exec
DELETE FROM custody_module_keys WHERE to_at < @before;

-- name: InsertCustodyRoleKey :exec
INSERT INTO custody_role_keys (role, name, public_key, sealed, created_at) VALUES (@role, @name, @public_key, @sealed, @created_at)
ON CONFLICT (role, name) DO NOTHING;

-- name: GetCustodyRoleKey :one
SELECT * FROM custody_role_keys WHERE role = @role AND name = @name;
