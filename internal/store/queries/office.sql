-- name: InsertOfficer :exec
INSERT INTO office_officers (id, name, display_name, phone, phone_hash, roles, state, password, once, once_until, created_at, signed_in_at, version)
VALUES (@id, @name, @display_name, @phone, @phone_hash, @roles, @state, @password, @once, @once_until, @created_at, 0, 1);

-- name: Officer :one
SELECT * FROM office_officers WHERE id = @id;

-- name: LockOfficer :one
UPDATE office_officers SET version = version WHERE id = @id RETURNING *;

-- name: OfficerByName :one
SELECT * FROM office_officers WHERE name = @name;

-- name: Officers :many
SELECT * FROM office_officers ORDER BY id;

-- name: UpdateOfficer :execrows
UPDATE office_officers SET roles = @roles, state = @state, password = @password, once = @once, once_until = @once_until,
    signed_in_at = @signed_in_at, version = version + 1
WHERE id = @id AND version = @version;

-- name: InsertOfficeFactor :exec
INSERT INTO office_factors (id, officer, kind, label, secret, step, created_at, used_at)
VALUES (@id, @officer, @kind, @label, @secret, @step, @created_at, @used_at);

-- name: OfficeFactors :many
SELECT * FROM office_factors WHERE officer = @officer ORDER BY created_at, id;

-- name: AllOfficeFactors :many
SELECT * FROM office_factors ORDER BY officer, created_at, id;

-- name: UseOfficeStep :execrows
UPDATE office_factors SET step = @step, used_at = @used_at WHERE id = @id AND step < @step;

-- name: UpdateOfficeFactor :execrows
UPDATE office_factors SET secret = @secret, used_at = @used_at WHERE id = @id;

-- name: DeleteOfficeFactor :execrows
DELETE FROM office_factors WHERE id = @id AND officer = @officer;

-- name: DeleteOfficeFactors :exec
DELETE FROM office_factors WHERE officer = @officer;

-- name: InsertOfficeSession :exec
INSERT INTO office_sessions (id, officer, token_hash, stage, ceremony, created_at, seen_at, expires_at, ended_at)
VALUES (@id, @officer, @token_hash, @stage, @ceremony, @created_at, @created_at, @expires_at, 0);

-- name: OfficeSessionByToken :one
SELECT * FROM office_sessions WHERE token_hash = @token_hash AND ended_at = 0;

-- name: TakeOfficeCeremony :execrows
UPDATE office_sessions SET ceremony = @nothing WHERE id = @id AND ended_at = 0 AND ceremony = @ceremony;

-- name: OfficeCeremony :one
SELECT ceremony FROM office_sessions WHERE id = @id AND ended_at = 0;

-- name: PutOfficeCeremony :execrows
UPDATE office_sessions SET ceremony = @ceremony WHERE id = @id AND ended_at = 0;

-- name: TouchOfficeSession :exec
UPDATE office_sessions SET seen_at = @seen_at WHERE id = @id AND seen_at < @seen_at;

-- name: HoldOfficeSession :execrows
UPDATE office_sessions SET seen_at = seen_at WHERE id = @id AND ended_at = 0 AND expires_at > @now;

-- name: EndOfficeSession :execrows
UPDATE office_sessions SET ended_at = @ended_at, ceremony = @nothing WHERE id = @id AND ended_at = 0;

-- name: EndOfficeSessionsOf :exec
UPDATE office_sessions SET ended_at = @ended_at, ceremony = @nothing WHERE officer = @officer AND id <> @except_id AND ended_at = 0;

-- name: DeleteOfficeSessionsBefore :exec
DELETE FROM office_sessions WHERE expires_at < @before;

-- name: CountOfficeWindow :one
INSERT INTO office_windows (name, subject, opened_at, n) VALUES (@name, @subject, @now, 1)
ON CONFLICT (name, subject) DO UPDATE SET
    n = CASE WHEN office_windows.opened_at <= @closed THEN 1 ELSE office_windows.n + 1 END,
    opened_at = CASE WHEN office_windows.opened_at <= @closed THEN excluded.opened_at ELSE office_windows.opened_at END
RETURNING n, opened_at;

-- name: UncountOfficeWindow :exec
UPDATE office_windows SET n = n - @n WHERE name = @name AND subject = @subject AND opened_at = @opened_at AND n >= @n;

-- name: DeleteOfficeWindowsOf :exec
DELETE FROM office_windows WHERE subject = @subject;

-- name: DeleteOfficeWindowsBefore :exec
DELETE FROM office_windows WHERE opened_at < @before;

-- name: InsertOfficeProposal :exec
INSERT INTO office_proposals (id, action, officer, name, display_name, phone, roles, roles_before, part, state,
    proposed_by, proposed_at, expires_at, decided_by, decided_at, reason)
VALUES (@id, @action, @officer, @name, @display_name, @phone, @roles, @roles_before, @part, @state,
    @proposed_by, @proposed_at, @expires_at, '', 0, '');

-- name: OfficeProposal :one
SELECT * FROM office_proposals WHERE id = @id;

-- name: OfficeProposals :many
SELECT * FROM office_proposals ORDER BY CASE WHEN state = 'open' THEN 0 ELSE 1 END, id DESC LIMIT @most;

-- name: DecideOfficeProposal :execrows
UPDATE office_proposals SET state = @state, decided_by = @decided_by, decided_at = @decided_at, reason = @reason, part = @nothing
WHERE id = @id AND state = 'open';

-- name: ExpireOfficeProposals :exec
UPDATE office_proposals SET state = 'expired', part = @nothing, decided_at = @now WHERE state = 'open' AND expires_at <= @now;

-- name: InsertOfficeVerification :exec
INSERT INTO office_verifications (id, started_by, started_at, finished_at, entries, findings, failed)
VALUES (@id, @started_by, @started_at, 0, 0, @findings, FALSE);

-- name: FinishOfficeVerification :exec
UPDATE office_verifications SET finished_at = @finished_at, entries = @entries, findings = @findings, failed = @failed WHERE id = @id;

-- name: LastOfficeVerification :one
SELECT * FROM office_verifications ORDER BY id DESC LIMIT 1;
