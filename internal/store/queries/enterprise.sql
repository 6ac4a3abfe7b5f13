-- name: CountEnterprise :one
INSERT INTO enterprise_counts (subject, purpose, day, n) VALUES (@subject, @purpose, @day, 1)
ON CONFLICT (subject, purpose) DO UPDATE SET
    n = CASE WHEN enterprise_counts.day = excluded.day THEN enterprise_counts.n + 1 ELSE 1 END,
    day = excluded.day
RETURNING n;

-- name: UncountEnterprise :exec
UPDATE enterprise_counts SET n = n - 1 WHERE subject = @subject AND purpose = @purpose AND day = @day AND n > 0;

-- name: EnterpriseCounted :one
SELECT n FROM enterprise_counts WHERE subject = @subject AND purpose = @purpose AND day = @day;

-- name: InsertEnterpriseApplication :exec
INSERT INTO enterprise_applications (id, number, account, kind, enterprise, name, code, legal_name, legal_id, state, method, reasons, note, record,
    calls, ref, phone, card, submitted_at, due_at, claimed, claimed_until, escalated, decided_by, decided_at, created_at, version)
VALUES (@id, @number, @account, @kind, @enterprise, @name, @code, @legal_name, @legal_id, @state, @method, @reasons, @note, @record,
    @calls, @ref, @phone, @card, @submitted_at, @due_at, @claimed, @claimed_until, @escalated, @decided_by, @decided_at, @created_at, @version);

-- name: UpdateEnterpriseApplication :execrows
UPDATE enterprise_applications SET enterprise = @enterprise, name = @name, code = @code, legal_name = @legal_name, legal_id = @legal_id, state = @state,
    method = @method, reasons = @reasons, note = @note, record = @record, calls = @calls, ref = @ref, phone = @phone, card = @card,
    submitted_at = @submitted_at, due_at = @due_at, claimed = @claimed, claimed_until = @claimed_until, escalated = @escalated,
    decided_by = @decided_by, decided_at = @decided_at, version = version + 1
WHERE id = @id AND version = @version;

-- name: GetEnterpriseApplication :one
SELECT * FROM enterprise_applications WHERE id = @id;

-- name: EnterpriseApplicationsOf :many
SELECT * FROM enterprise_applications WHERE account = @account ORDER BY id DESC LIMIT @most;

-- name: OpenEnterpriseApplications :many
SELECT * FROM enterprise_applications WHERE code = @code AND state NOT IN (@verified, @ended) ORDER BY id;

-- name: OpenEnterpriseApplicationsOf :many
SELECT * FROM enterprise_applications WHERE account = @account AND state NOT IN (@verified, @ended) ORDER BY id;

-- Left as they stand by their applicant since a time: his last step is the
-- beginning, a submission, a decision that he could answer, or a picture.
-- name: IdleEnterpriseApplications :many
SELECT * FROM enterprise_applications a
WHERE a.state IN (@draft, @checked, @refused) AND a.created_at < @since AND a.submitted_at < @since AND a.decided_at < @since
    AND NOT EXISTS (SELECT 1 FROM enterprise_pictures p WHERE p.application = a.id AND p.at >= @since)
ORDER BY a.id LIMIT @most;

-- name: EnterpriseQueue :many
SELECT * FROM enterprise_applications
WHERE state = @state AND (escalated <> '') = CAST(@second AS BOOLEAN)
    AND (due_at > @due_at OR (due_at = @due_at AND id > @after))
ORDER BY due_at, id LIMIT @most;

-- name: CountEnterpriseQueue :one
SELECT COUNT(*) FROM enterprise_applications WHERE state = @state AND (escalated <> '') = CAST(@second AS BOOLEAN);

-- name: DecidedEnterpriseApplications :many
SELECT * FROM enterprise_applications
WHERE decided_at > 0 AND (decided_at < @decided_at OR (decided_at = @decided_at AND id < @before))
ORDER BY decided_at DESC, id DESC LIMIT @most;

-- name: CountDecidedEnterpriseApplications :one
SELECT COUNT(*) FROM enterprise_applications WHERE decided_at >= @since;

-- name: PutEnterprisePicture :exec
INSERT INTO enterprise_pictures (application, kind, picture, at) VALUES (@application, @kind, @picture, @at)
ON CONFLICT (application, kind) DO UPDATE SET picture = excluded.picture, at = excluded.at;

-- name: EnterprisePicture :one
SELECT picture FROM enterprise_pictures WHERE application = @application AND kind = @kind;

-- name: EnterprisePictureKinds :many
SELECT kind FROM enterprise_pictures WHERE application = @application ORDER BY kind;

-- name: DropEnterprisePictures :exec
DELETE FROM enterprise_pictures WHERE application = @application;

-- name: InsertEnterpriseEvent :exec
INSERT INTO enterprise_events (id, application, kind, actor, note, at) VALUES (@id, @application, @kind, @actor, @note, @at);

-- name: EnterpriseEvents :many
SELECT * FROM enterprise_events WHERE application = @application ORDER BY id;

-- name: InsertEnterprise :execrows
INSERT INTO enterprises (id, name, code, legal_name, legal_id, legal_id_hash, administrator, method, verified_at, created_at, facts, version)
VALUES (@id, @name, @code, @legal_name, @legal_id, @legal_id_hash, @administrator, @method, @verified_at, @created_at, @facts, @version)
ON CONFLICT (code) DO NOTHING;

-- name: UpdateEnterpriseFacts :execrows
UPDATE enterprises SET name = @name, legal_name = @legal_name, legal_id = @legal_id, legal_id_hash = @legal_id_hash, method = @method,
    verified_at = @verified_at, facts = @facts, version = version + 1
WHERE id = @id AND version = @version;

-- name: InsertEnterpriseFacts :exec
INSERT INTO enterprise_facts (enterprise, facts, application, name, legal_name, method, at)
VALUES (@enterprise, @facts, @application, @name, @legal_name, @method, @at);

-- name: EnterpriseHistory :many
SELECT * FROM enterprise_facts WHERE enterprise = @enterprise ORDER BY facts DESC;

-- name: GetEnterprise :one
SELECT * FROM enterprises WHERE id = @id;

-- name: EnterpriseByCode :one
SELECT * FROM enterprises WHERE code = @code;

-- name: InsertEnterpriseGram :exec
INSERT INTO enterprise_grams (gram, enterprise) VALUES (@gram, @enterprise);

-- name: DropEnterpriseGrams :exec
DELETE FROM enterprise_grams WHERE enterprise = @enterprise;

-- name: CountEnterpriseGram :one
SELECT COUNT(*) FROM (SELECT 1 FROM enterprise_grams WHERE gram = @gram LIMIT @most) AS few;

-- The rarest characters of what is searched for choose the rows, the pattern decides.
-- name: EnterprisesLike :many
SELECT e.* FROM enterprise_grams g JOIN enterprises e ON e.id = g.enterprise
WHERE g.gram = @gram AND e.name LIKE CAST(@pattern AS TEXT) ESCAPE '\'
ORDER BY g.enterprise LIMIT @most;
