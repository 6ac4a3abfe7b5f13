-- name: InsertPhoneChange :exec
INSERT INTO phone_changes (id, account, device, phone, face_check, created_at, version)
VALUES (@id, @account, @device, @phone, @face_check, @created_at, @version);

-- name: PhoneChange :one
SELECT * FROM phone_changes WHERE id = @id;

-- name: UpdatePhoneChange :execrows
UPDATE phone_changes SET phone = @phone, version = version + 1 WHERE id = @id AND version = @version;

-- name: DeletePhoneChanges :exec
DELETE FROM phone_changes WHERE created_at < @before OR (account = @account AND phone <> @done);
