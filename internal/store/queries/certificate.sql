-- name: InsertCertificate :exec
INSERT INTO certificates (id, holder_kind, account_id, enterprise_id, institution, years, platform, order_id, line_id, state,
    issue_ref, not_before, not_after, sign_serial, enc_serial, sign_key, enc_key, device, keys_lost, reason, created_at, installed_at, revoked_at, version)
VALUES (@id, @holder_kind, @account_id, @enterprise_id, @institution, @years, @platform, @order_id, @line_id, @state,
    @issue_ref, @not_before, @not_after, @sign_serial, @enc_serial, @sign_key, @enc_key, @device, @keys_lost, @reason, @created_at, @installed_at, @revoked_at, @version);

-- name: GetCertificate :one
SELECT * FROM certificates WHERE id = @id;

-- name: GetCertificateOfLine :one
SELECT * FROM certificates WHERE line_id = @line_id;

-- name: UpdateCertificate :execrows
UPDATE certificates SET state = @state, issue_ref = @issue_ref, not_before = @not_before, not_after = @not_after,
    sign_serial = @sign_serial, enc_serial = @enc_serial, sign_key = @sign_key, enc_key = @enc_key, device = @device, keys_lost = @keys_lost,
    reason = @reason, installed_at = @installed_at, revoked_at = @revoked_at, version = version + 1
WHERE id = @id AND version = @version;

-- name: MarkCertificateKeys :exec
UPDATE certificates SET keys_lost = @keys_lost, version = version + 1
WHERE account_id = @account_id AND state IN ('valid', 'frozen') AND keys_lost <> @keys_lost;

-- The CASE is certificate.Certificate.At in SQL; a test compares the two.
-- name: ListCertificates :many
SELECT * FROM certificates c
WHERE c.holder_kind = @holder_kind AND c.account_id = @account_id AND c.enterprise_id = @enterprise_id
  AND (CAST(@before AS TEXT) = '' OR c.id < CAST(@before AS TEXT))
  AND (CAST(@state AS TEXT) = '' OR CAST(@state AS TEXT) = CASE
        WHEN c.state NOT IN ('valid', 'frozen') THEN c.state
        WHEN c.not_after < CAST(@now AS BIGINT) THEN 'expired'
        WHEN c.state = 'frozen' THEN 'frozen'
        WHEN c.keys_lost OR c.device <> CAST(@device AS TEXT) THEN 'key_lost'
        ELSE 'valid' END)
  -- The parameter platforms is ",code,code,"; empty for all.
  AND (CAST(@platforms AS TEXT) = ''
    OR CAST(@platforms AS TEXT) LIKE '%,' || c.platform || ',%'
    OR EXISTS (SELECT 1 FROM roamings r WHERE r.certificate_id = c.id AND r.state <> 'cancelled'
               AND CAST(@platforms AS TEXT) LIKE '%,' || r.platform || ',%'))
ORDER BY c.id DESC LIMIT @max_certificates;

-- name: CountCertificates :many
SELECT CASE
        WHEN c.state NOT IN ('valid', 'frozen') THEN c.state
        WHEN c.not_after < CAST(@now AS BIGINT) THEN 'expired'
        WHEN c.state = 'frozen' THEN 'frozen'
        WHEN c.keys_lost OR c.device <> CAST(@device AS TEXT) THEN 'key_lost'
        ELSE 'valid' END AS derived, COUNT(*) AS n
FROM certificates c
WHERE c.holder_kind = @holder_kind AND c.account_id = @account_id AND c.enterprise_id = @enterprise_id
GROUP BY 1;

-- name: ListCertificatePlatforms :many
SELECT c.platform FROM certificates c
WHERE c.holder_kind = @holder_kind AND c.account_id = @account_id AND c.enterprise_id = @enterprise_id
UNION
SELECT r.platform FROM certificates c JOIN roamings r ON r.certificate_id = c.id AND r.state <> 'cancelled'
WHERE c.holder_kind = @holder_kind AND c.account_id = @account_id AND c.enterprise_id = @enterprise_id
ORDER BY 1;

-- What an administrator sees: the same of all members, each by his own active device.
-- name: ListEnterpriseCertificates :many
SELECT * FROM certificates c
WHERE c.holder_kind = 'enterprise' AND c.enterprise_id = @enterprise_id
  AND (CAST(@before AS TEXT) = '' OR c.id < CAST(@before AS TEXT))
  AND (CAST(@state AS TEXT) = '' OR CAST(@state AS TEXT) = CASE
        WHEN c.state NOT IN ('valid', 'frozen') THEN c.state
        WHEN c.not_after < CAST(@now AS BIGINT) THEN 'expired'
        WHEN c.state = 'frozen' THEN 'frozen'
        WHEN c.keys_lost OR c.device <> (SELECT a.device FROM accounts a WHERE a.id = c.account_id) THEN 'key_lost'
        ELSE 'valid' END)
  -- The parameter platforms is ",code,code,"; empty for all.
  AND (CAST(@platforms AS TEXT) = ''
    OR CAST(@platforms AS TEXT) LIKE '%,' || c.platform || ',%'
    OR EXISTS (SELECT 1 FROM roamings r WHERE r.certificate_id = c.id AND r.state <> 'cancelled'
               AND CAST(@platforms AS TEXT) LIKE '%,' || r.platform || ',%'))
ORDER BY c.id DESC LIMIT @max_certificates;

-- name: CountEnterpriseCertificates :many
SELECT CASE
        WHEN c.state NOT IN ('valid', 'frozen') THEN c.state
        WHEN c.not_after < CAST(@now AS BIGINT) THEN 'expired'
        WHEN c.state = 'frozen' THEN 'frozen'
        WHEN c.keys_lost OR c.device <> (SELECT a.device FROM accounts a WHERE a.id = c.account_id) THEN 'key_lost'
        ELSE 'valid' END AS derived, COUNT(*) AS n
FROM certificates c
WHERE c.holder_kind = 'enterprise' AND c.enterprise_id = @enterprise_id
GROUP BY 1;

-- name: ListEnterpriseCertificatePlatforms :many
SELECT c.platform FROM certificates c
WHERE c.holder_kind = 'enterprise' AND c.enterprise_id = @enterprise_id
UNION
SELECT r.platform FROM certificates c JOIN roamings r ON r.certificate_id = c.id AND r.state <> 'cancelled'
WHERE c.holder_kind = 'enterprise' AND c.enterprise_id = @enterprise_id
ORDER BY 1;

-- name: InsertIssuedCertificate :exec
INSERT INTO issued_certificates (serial, certificate_id, use_for, key_id, der, chain, installed_at, replaced_at)
VALUES (@serial, @certificate_id, @use_for, @key_id, @der, @chain, @installed_at, 0);

-- name: ReplaceIssuedCertificate :execrows
UPDATE issued_certificates SET replaced_at = @replaced_at WHERE serial = @serial AND replaced_at = 0;

-- name: GetIssuedCertificate :one
SELECT * FROM issued_certificates WHERE serial = @serial;

-- name: ListIssuedCertificates :many
SELECT * FROM issued_certificates WHERE certificate_id = @certificate_id ORDER BY installed_at, use_for DESC;
