-- name: InsertJob :exec
INSERT INTO jobs (id, topic, body, unique_key, due_at, created_at)
VALUES (@id, @topic, @body, sqlc.narg(unique_key), @due_at, @created_at)
ON CONFLICT (unique_key) DO NOTHING;

-- name: ClaimJobs :many
-- A claimed job no longer waits, so it gives its key free: a tick plans its successor while it runs.
-- topics is a list between spaces: the engines share no other way to pass one.
UPDATE jobs SET lease = @lease, lease_until = @lease_until, attempts = attempts + 1, unique_key = NULL
WHERE id IN (
    SELECT j.id FROM jobs j
    WHERE j.dead = FALSE AND j.due_at <= @now AND j.lease_until <= @now
      AND (CAST(@topics AS TEXT) LIKE '% ' || j.topic || ' %') <> CAST(@except_topics AS BOOLEAN)
    ORDER BY j.due_at, j.id LIMIT @max_jobs
) AND dead = FALSE AND due_at <= @now AND lease_until <= @now
RETURNING *;

-- name: DeleteJob :execrows
DELETE FROM jobs WHERE id = @id AND lease = @lease;

-- name: RescheduleJob :execrows
UPDATE jobs SET due_at = @due_at, lease = '', lease_until = 0, last_error = @last_error
WHERE id = @id AND lease = @lease;

-- name: BuryJob :execrows
UPDATE jobs SET dead = TRUE, lease = '', lease_until = 0, last_error = @last_error, unique_key = NULL
WHERE id = @id AND lease = @lease;

-- name: ReleaseJobs :exec
UPDATE jobs SET lease = '', lease_until = 0 WHERE lease <> '';

-- name: CountJobs :many
SELECT topic, dead, COUNT(*) AS n FROM jobs GROUP BY topic, dead ORDER BY topic, dead;

-- name: InsertAuditEntry :exec
INSERT INTO audit_entries (id, recorded_at, kind, actor, subject, detail)
VALUES (@id, @recorded_at, @kind, @actor, @subject, @detail);

-- name: UnsealedAuditEntries :many
SELECT * FROM audit_entries WHERE seq IS NULL ORDER BY id LIMIT @max_entries;

-- name: SealAuditEntry :execrows
UPDATE audit_entries SET seq = @seq, hash = @hash WHERE id = @id AND seq IS NULL;

-- name: LastSealedAuditEntry :one
SELECT * FROM audit_entries WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1;

-- name: AuditEntriesFrom :many
SELECT * FROM audit_entries WHERE seq >= CAST(@from_seq AS BIGINT) ORDER BY seq LIMIT @max_entries;

-- name: AuditSpan :one
SELECT CAST(COALESCE(MIN(seq), 0) AS BIGINT) AS first, CAST(COALESCE(MAX(seq), 0) AS BIGINT) AS last
FROM audit_entries WHERE recorded_at >= CAST(@from_at AS BIGINT) AND recorded_at < CAST(@to_at AS BIGINT) AND seq IS NOT NULL;

-- name: AuditEntryOf :one
SELECT * FROM audit_entries WHERE subject = @subject AND kind = @kind ORDER BY id LIMIT 1;

-- name: CountUnsealedAuditEntriesBefore :one
SELECT COUNT(*) FROM audit_entries WHERE seq IS NULL AND recorded_at < @before;

-- name: InsertAuditCheckpoint :exec
INSERT INTO audit_checkpoints (seq, hash, signed_at, signature) VALUES (@seq, @hash, @signed_at, @signature);

-- name: AuditCheckpoints :many
SELECT * FROM audit_checkpoints ORDER BY seq;

-- name: LastAuditCheckpoint :one
SELECT * FROM audit_checkpoints ORDER BY seq DESC LIMIT 1;

-- name: AnyJobDue :one
SELECT EXISTS (SELECT 1 FROM jobs WHERE dead = FALSE AND due_at <= @now AND lease_until <= @now
    AND (CAST(@topics AS TEXT) LIKE '% ' || topic || ' %') <> CAST(@except_topics AS BOOLEAN));

-- name: DeleteAuditCheckpoint :exec
DELETE FROM audit_checkpoints WHERE seq = @seq;
