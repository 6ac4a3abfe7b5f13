-- name: InsertRoaming :exec
INSERT INTO roamings (id, certificate_id, platform, line_id, state, start_at, end_at, created_at, version)
VALUES (@id, @certificate_id, @platform, @line_id, @state, @start_at, @end_at, @created_at, @version);

-- name: GetRoaming :one
SELECT * FROM roamings WHERE certificate_id = @certificate_id AND platform = @platform;

-- name: ListRoamings :many
SELECT * FROM roamings WHERE certificate_id = @certificate_id ORDER BY id;

-- name: ListRoamingsOfAccount :many
SELECT r.* FROM certificates c JOIN roamings r ON r.certificate_id = c.id WHERE c.account_id = @account_id ORDER BY r.id;

-- name: ListRoamingsOfLine :many
SELECT * FROM roamings WHERE line_id = @line_id ORDER BY id;

-- name: UpdateRoaming :execrows
UPDATE roamings SET state = @state, start_at = @start_at, end_at = @end_at, version = version + 1
WHERE id = @id AND version = @version;
