-- name: LockEnterprise :one
UPDATE enterprises SET version = version + 1 WHERE id = @id RETURNING id, name, code, administrator;

-- name: EnterpriseHead :one
SELECT id, name, code, administrator FROM enterprises WHERE id = @id;

-- name: HandEnterprise :execrows
UPDATE enterprises SET administrator = @heir, version = version + 1 WHERE id = @id AND administrator = @administrator;

-- name: InsertMember :execrows
INSERT INTO enterprise_members (id, enterprise, account, joined_at, via, left_at, left_by)
VALUES (@id, @enterprise, @account, @joined_at, @via, 0, '') ON CONFLICT DO NOTHING;

-- name: GetMember :one
SELECT * FROM enterprise_members WHERE id = @id;

-- name: CurrentMember :one
SELECT * FROM enterprise_members WHERE enterprise = @enterprise AND account = @account AND left_at = 0;

-- name: Memberships :many
SELECT sqlc.embed(m), e.name, e.code, e.administrator FROM enterprise_members m JOIN enterprises e ON e.id = m.enterprise
WHERE m.account = @account AND m.left_at = 0 ORDER BY m.id;

-- name: ListMembers :many
SELECT * FROM enterprise_members
WHERE enterprise = @enterprise AND left_at = 0 AND id > @after ORDER BY id LIMIT @most;

-- CROSS keeps SQLite from reading the members before the terms.
-- name: FindMembers :many
SELECT m.* FROM enterprise_member_terms t CROSS JOIN enterprise_members m
WHERE t.term = @term AND t.member > @after AND m.id = t.member AND m.enterprise = @enterprise AND m.left_at = 0 ORDER BY t.member LIMIT @most;

-- name: CountMembers :one
SELECT COUNT(*) FROM enterprise_members WHERE enterprise = @enterprise AND left_at = 0;

-- name: CountFoundMembers :one
SELECT COUNT(*) FROM enterprise_member_terms WHERE term = @term;

-- name: EndMember :execrows
UPDATE enterprise_members SET left_at = @left_at, left_by = @left_by WHERE id = @id AND left_at = 0;

-- name: InsertMemberTerm :exec
INSERT INTO enterprise_member_terms (term, member) VALUES (@term, @member) ON CONFLICT DO NOTHING;

-- name: DeleteMemberTerms :exec
DELETE FROM enterprise_member_terms WHERE member = @member;

-- name: InsertRequest :execrows
INSERT INTO enterprise_requests (id, enterprise, account, state, reason, asked_at, ended_at, version)
VALUES (@id, @enterprise, @account, @state, @reason, @asked_at, 0, @version) ON CONFLICT DO NOTHING;

-- name: GetRequest :one
SELECT * FROM enterprise_requests WHERE id = @id;

-- name: OpenRequests :many
SELECT * FROM enterprise_requests WHERE enterprise = @enterprise AND state = 'open' ORDER BY id LIMIT @most;

-- name: CountOpenRequests :one
SELECT COUNT(*) FROM enterprise_requests WHERE enterprise = @enterprise AND state = 'open';

-- name: RequestsOfAccount :many
SELECT * FROM enterprise_requests WHERE account = @account ORDER BY id DESC LIMIT @most;

-- name: UpdateRequest :execrows
UPDATE enterprise_requests SET state = @state, reason = @reason, ended_at = @ended_at, version = version + 1
WHERE id = @id AND version = @version;

-- The parameter enterprise is empty for all.
-- name: SettleRequest :exec
UPDATE enterprise_requests SET state = 'settled', ended_at = @ended_at, version = version + 1
WHERE account = @account AND state = 'open' AND (CAST(@enterprise AS TEXT) = '' OR enterprise = CAST(@enterprise AS TEXT));

-- name: InsertInvitation :execrows
INSERT INTO enterprise_invitations (id, enterprise, inviter, name, phone, phone_hash, token_hash, state, sendings, sent_at, expires_at, created_at, ended_at, version)
VALUES (@id, @enterprise, @inviter, @name, @phone, @phone_hash, @token_hash, @state, @sendings, @sent_at, @expires_at, @created_at, 0, @version)
ON CONFLICT DO NOTHING;

-- name: GetInvitation :one
SELECT * FROM enterprise_invitations WHERE id = @id;

-- name: InvitationByToken :one
SELECT * FROM enterprise_invitations WHERE token_hash = @token_hash;

-- name: OpenInvitation :one
SELECT * FROM enterprise_invitations WHERE enterprise = @enterprise AND phone_hash = @phone_hash AND state = 'open';

-- name: InvitationsOfEnterprise :many
SELECT * FROM enterprise_invitations WHERE enterprise = @enterprise ORDER BY id DESC LIMIT @most;

-- name: InvitationsToPhone :many
SELECT * FROM enterprise_invitations WHERE phone_hash = @phone_hash AND state = 'open' ORDER BY id DESC LIMIT @most;

-- name: UpdateInvitation :execrows
UPDATE enterprise_invitations SET state = @state, token_hash = @token_hash, sendings = @sendings, sent_at = @sent_at, expires_at = @expires_at,
    ended_at = @ended_at, version = version + 1
WHERE id = @id AND version = @version;

-- name: SettleInvitation :exec
UPDATE enterprise_invitations SET state = 'settled', ended_at = @ended_at, version = version + 1
WHERE enterprise = @enterprise AND phone_hash = @phone_hash AND state = 'open';

-- name: InsertTransfer :exec
INSERT INTO enterprise_transfers (id, enterprise, administrator, member, op, state, created_at, version)
VALUES (@id, @enterprise, @administrator, @member, @op, @state, @created_at, @version);

-- name: GetTransfer :one
SELECT * FROM enterprise_transfers WHERE id = @id;

-- name: AskedTransfer :one
SELECT * FROM enterprise_transfers WHERE enterprise = @enterprise AND state = 'asked';

-- name: UpdateTransfer :execrows
UPDATE enterprise_transfers SET state = @state, version = version + 1 WHERE id = @id AND version = @version;

-- name: TryMember :one
INSERT INTO enterprise_counts (subject, purpose, day, n) VALUES (@subject, @purpose, @day, 1)
ON CONFLICT (subject, purpose) DO UPDATE SET
    n = CASE WHEN enterprise_counts.day = excluded.day THEN enterprise_counts.n + 1 ELSE 1 END,
    day = excluded.day
RETURNING n;

-- name: UntryMember :exec
UPDATE enterprise_counts SET n = n - 1 WHERE subject = @subject AND purpose = @purpose AND day = @day AND n > 0;
