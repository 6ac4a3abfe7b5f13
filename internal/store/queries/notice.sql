-- name: InsertNotice :execrows
INSERT INTO notices (id, account, kind, title, body, link, unique_key, posted_at, read_at)
VALUES (@id, @account, @kind, @title, @body, @link, sqlc.narg(unique_key), @posted_at, 0)
ON CONFLICT (account, unique_key) DO NOTHING;

-- name: NoticesBefore :many
SELECT * FROM notices WHERE account = @account AND (CAST(@before AS TEXT) = '' OR id < CAST(@before AS TEXT)) ORDER BY id DESC LIMIT @most;

-- name: CountUnreadNotices :one
SELECT COUNT(*) FROM notices WHERE account = @account AND read_at = 0;

-- name: MarkNoticesRead :exec
UPDATE notices SET read_at = @read_at WHERE account = @account AND read_at = 0;

-- name: MarkNoticeRead :execrows
UPDATE notices SET read_at = CASE WHEN read_at = 0 THEN @read_at ELSE read_at END WHERE id = @id AND account = @account;
