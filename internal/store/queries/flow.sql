-- name: InsertPINSetup :exec
INSERT INTO pin_setups (id, account, device, state, op, created_at, expires_at, version)
VALUES (@id, @account, @device, @state, @op, @created_at, @expires_at, @version);

-- name: PINSetup :one
SELECT * FROM pin_setups WHERE id = @id;

-- name: UpdatePINSetup :execrows
UPDATE pin_setups SET state = @state, op = @op, version = version + 1
WHERE id = @id AND version = @version;

-- name: InsertPINUnlock :exec
INSERT INTO pin_unlocks (id, account, face_check, used, created_at, version)
VALUES (@id, @account, @face_check, @used, @created_at, @version);

-- name: PINUnlock :one
SELECT * FROM pin_unlocks WHERE id = @id;

-- name: UpdatePINUnlock :execrows
UPDATE pin_unlocks SET used = @used, version = version + 1 WHERE id = @id AND version = @version;

-- name: InsertInstallation :execrows
INSERT INTO installations (id, account, device, certificate, kind, state, live, op, pin_key, authorised_until, sign_key, sign_public,
    enc_key, enc_public, old_sign_key, enrolment_key, request_info, request, deals, created_at, updated_at, version)
VALUES (@id, @account, @device, @certificate, @kind, @state, @live, @op, @pin_key, @authorised_until, @sign_key, @sign_public,
    @enc_key, @enc_public, @old_sign_key, @enrolment_key, @request_info, @request, @deals, @created_at, @updated_at, @version)
ON CONFLICT DO NOTHING;

-- name: Installation :one
SELECT * FROM installations WHERE id = @id;

-- name: LastInstallation :one
SELECT * FROM installations WHERE certificate = @certificate ORDER BY id DESC LIMIT 1;

-- name: LiveInstallations :many
SELECT * FROM installations WHERE account = @account AND live ORDER BY id;

-- name: UpdateInstallation :execrows
UPDATE installations SET device = @device, state = @state, live = @live, op = @op, pin_key = @pin_key,
    authorised_until = @authorised_until, sign_key = @sign_key, sign_public = @sign_public, enc_key = @enc_key,
    enc_public = @enc_public, old_sign_key = @old_sign_key, enrolment_key = @enrolment_key, request_info = @request_info,
    request = @request, deals = @deals, updated_at = @updated_at, version = version + 1
WHERE id = @id AND version = @version;

-- name: InsertRedealing :execrows
INSERT INTO redealings (id, account, device, state, live, op, pin_key, authorised_until, enrolment_key, message, signature, deals, created_at, updated_at, version)
VALUES (@id, @account, @device, @state, @live, @op, @pin_key, @authorised_until, @enrolment_key, @message, @signature, @deals, @created_at, @updated_at, @version)
ON CONFLICT DO NOTHING;

-- name: Redealing :one
SELECT * FROM redealings WHERE id = @id;

-- name: LiveRedealing :one
SELECT * FROM redealings WHERE account = @account AND live;

-- name: UpdateRedealing :execrows
UPDATE redealings SET state = @state, live = @live, op = @op, authorised_until = @authorised_until, signature = @signature, deals = @deals,
    updated_at = @updated_at, version = version + 1
WHERE id = @id AND version = @version;

-- name: InsertRedealtKey :exec
INSERT INTO redealt_keys (redealing, position, enc_key, enc_public, op, proved)
VALUES (@redealing, @position, @enc_key, @enc_public, @op, @proved);

-- name: RedealtKeys :many
SELECT * FROM redealt_keys WHERE redealing = @redealing ORDER BY position;

-- name: UpdateRedealtKey :execrows
UPDATE redealt_keys SET op = @op, proved = @proved WHERE redealing = @redealing AND enc_key = @enc_key;

-- name: InsertRecovery :exec
INSERT INTO recoveries (id, account, device, old_device, known_device, state, running, face, op, confirmed, restorable, suspended_at, hold_until, created_at, updated_at, version)
VALUES (@id, @account, @device, @old_device, @known_device, @state, @running, @face, @op, @confirmed, @restorable, @suspended_at, @hold_until, @created_at, @updated_at, @version);

-- name: Recovery :one
SELECT * FROM recoveries WHERE id = @id;

-- name: LastRecovery :one
SELECT * FROM recoveries WHERE account = @account ORDER BY id DESC LIMIT 1;

-- name: RunningRecovery :one
SELECT * FROM recoveries WHERE account = @account AND running;

-- name: UnsettledRecovery :one
SELECT * FROM recoveries
WHERE account = @account AND device = @device AND NOT known_device AND NOT confirmed
    AND (state <> 'done' OR hold_until > @now)
ORDER BY id LIMIT 1;

-- name: UpdateRecovery :execrows
UPDATE recoveries SET old_device = @old_device, state = @state, running = @running, face = @face, op = @op,
    confirmed = @confirmed, restorable = @restorable, suspended_at = @suspended_at, hold_until = @hold_until, updated_at = @updated_at, version = version + 1
WHERE id = @id AND version = @version;

-- name: InsertRevocationRequest :exec
INSERT INTO revocation_requests (id, account, device, certificate, reason, state, op, created_at, version)
VALUES (@id, @account, @device, @certificate, @reason, @state, @op, @created_at, @version);

-- name: RevocationRequest :one
SELECT * FROM revocation_requests WHERE id = @id;

-- name: LastRevocationRequest :one
SELECT * FROM revocation_requests WHERE certificate = @certificate ORDER BY id DESC LIMIT 1;

-- name: UpdateRevocationRequest :execrows
UPDATE revocation_requests SET state = @state, op = @op, version = version + 1 WHERE id = @id AND version = @version;
