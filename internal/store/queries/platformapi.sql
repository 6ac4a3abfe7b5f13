-- name: TakePlatformNonce :execrows
INSERT INTO platform_nonces (platform, nonce, digest, transaction_id, expires_at)
VALUES (@platform, @nonce, @digest, @transaction_id, @expires_at)
ON CONFLICT (platform, nonce) DO NOTHING;

-- name: PlatformNonce :one
SELECT * FROM platform_nonces WHERE platform = @platform AND nonce = @nonce;

-- name: DropPlatformNonces :exec
DELETE FROM platform_nonces WHERE expires_at < @before;

-- name: CountPlatformCallbackFailure :one
INSERT INTO platform_callbacks (transaction_id, seq, platform, attempts, problem, first_at, last_at)
VALUES (@transaction_id, @seq, @platform, 1, @problem, @first_at, @last_at)
ON CONFLICT (transaction_id, seq) DO UPDATE
SET attempts = platform_callbacks.attempts + 1, problem = excluded.problem, last_at = excluded.last_at
RETURNING attempts;

-- name: AcknowledgePlatformCallback :exec
UPDATE platform_callbacks SET acknowledged_at = @acknowledged_at WHERE transaction_id = @transaction_id AND seq = @seq;

-- An empty platform stands for all.
-- name: UndeliveredPlatformCallbacks :many
SELECT * FROM platform_callbacks
WHERE (CAST(@platform AS TEXT) = '' OR platform = CAST(@platform AS TEXT)) AND acknowledged_at = 0
ORDER BY last_at DESC, transaction_id LIMIT @max_callbacks;
