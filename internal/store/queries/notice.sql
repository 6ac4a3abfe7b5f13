-- name: InsertNotice :execrows
INSERT INTO notices (id, account, kind, topic, title, body, link, unique_key, posted_at, read_at)
VALUES (@id, @account, @kind, @topic, @title, @body, @link, sqlc.narg(unique_key), @posted_at, 0)
ON CONFLICT (account, unique_key) DO NOTHING;

-- name: NoticesBefore :many
SELECT * FROM notices
WHERE account = @account AND (CAST(@before AS TEXT) = '' OR id < CAST(@before AS TEXT))
  AND (CAST(@topic AS TEXT) = '' OR topic = CAST(@topic AS TEXT)) AND (CAST(@unread AS BIGINT) = 0 OR read_at = 0)
ORDER BY id DESC LIMIT @most;

-- name: CountUnreadNotices :many
SELECT topic, COUNT(*) AS n FROM notices WHERE account = @account AND read_at = 0 GROUP BY topic;

-- name: MarkNoticesRead :exec
UPDATE notices SET read_at = @read_at WHERE account = @account AND read_at = 0 AND (CAST(@topic AS TEXT) = '' OR topic = CAST(@topic AS TEXT));

-- name: MarkNoticeRead :execrows
UPDATE notices SET read_at = CASE WHEN read_at = 0 THEN @read_at ELSE read_at END WHERE id = @id AND account = @account;

-- name: QuietNotices :many
SELECT topic FROM notice_quiet WHERE account = @account;

-- name: InsertQuietNotices :exec
INSERT INTO notice_quiet (account, topic) VALUES (@account, @topic) ON CONFLICT DO NOTHING;

-- name: DeleteQuietNotices :exec
DELETE FROM notice_quiet WHERE account = @account AND topic = @topic;
