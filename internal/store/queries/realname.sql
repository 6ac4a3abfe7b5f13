-- name: CountRealnameAttempt :one
INSERT INTO realname_attempts (account, purpose, day, n) VALUES (@account, @purpose, @day, 1)
ON CONFLICT (account, purpose) DO UPDATE SET
    n = CASE WHEN realname_attempts.day = excluded.day THEN realname_attempts.n + 1 ELSE 1 END,
    day = excluded.day
RETURNING n;

-- name: GiveBackRealnameAttempt :exec
UPDATE realname_attempts SET n = n - 1 WHERE account = @account AND purpose = @purpose AND day = @day AND n > 0;

-- name: RealnameAttempts :one
SELECT n FROM realname_attempts WHERE account = @account AND purpose = @purpose AND day = @day;

-- name: InsertRealnameCheck :exec
INSERT INTO realname_checks (id, account, purpose, subject, method, state, name, id_number, phone, card, card_tail, card_hash, calls, ref, failed, reason, started_at, version)
VALUES (@id, @account, @purpose, @subject, @method, @state, @name, @id_number, @phone, @card, @card_tail, @card_hash, @calls, @ref, @failed, @reason, @started_at, @version);

-- name: RealnameCheck :one
SELECT * FROM realname_checks WHERE id = @id;

-- name: LatestRealnameCheck :one
SELECT * FROM realname_checks WHERE account = @account AND purpose = @purpose AND subject = @subject ORDER BY id DESC LIMIT 1;

-- name: UpdateRealnameCheck :execrows
UPDATE realname_checks SET state = @state, name = @name, id_number = @id_number, phone = @phone, card = @card,
    calls = @calls, ref = @ref, failed = @failed, reason = @reason, version = version + 1
WHERE id = @id AND version = @version;

-- name: EndOpenRealnameChecks :exec
UPDATE realname_checks SET state = @ended, name = @nothing, id_number = @nothing, phone = @nothing, card = @nothing, ref = '', version = version + 1
WHERE account = @account AND purpose = @purpose AND state NOT IN (@passed, @refused, @ended);

-- name: InsertRealnamePerson :execrows
INSERT INTO realname_persons (account, holder, name, name_hash, id_type, id_number, id_hash, verified_at, released_at)
VALUES (@account, @holder, @name, @name_hash, @id_type, @id_number, @id_hash, @verified_at, 0)
ON CONFLICT DO NOTHING;

-- name: RenameRealnamePerson :exec
UPDATE realname_persons SET name = @name, name_hash = @name_hash, verified_at = @verified_at WHERE account = @account;

-- name: RealnamePerson :one
SELECT * FROM realname_persons WHERE account = @account AND released_at = 0;

-- name: ReleaseRealnamePerson :exec
UPDATE realname_persons SET id_hash = @id_hash, released_at = @released_at WHERE account = @account AND released_at = 0;

-- name: DeleteRealnamePerson :exec
DELETE FROM realname_persons WHERE account = @account;

-- name: EraseRealnameCards :exec
UPDATE realname_checks SET card_tail = '', card_hash = '' WHERE account = @account;

-- name: EndAllRealnameChecks :exec
UPDATE realname_checks SET state = @ended, name = @nothing, id_number = @nothing, phone = @nothing, card = @nothing, ref = '', version = version + 1
WHERE account = @account AND state NOT IN (@passed, @refused, @ended);

-- name: RealnamePersonByDocument :one
SELECT account FROM realname_persons WHERE id_hash = @id_hash;

-- name: InsertRealnameName :exec
INSERT INTO realname_names (id, account, name, from_time, until_time) VALUES (@id, @account, @name, @from_time, @until_time);

-- name: RealnameNames :many
SELECT * FROM realname_names WHERE account = @account ORDER BY id DESC;

-- name: DeleteRealnameNames :exec
DELETE FROM realname_names WHERE account = @account;
