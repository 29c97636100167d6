-- name: api_key_by_digest
-- The key with this hash, unless it is revoked.
SELECT id, name, scopes, services, created_at, revoked_at FROM api_key WHERE digest = :digest AND revoked_at IS NULL

-- name: api_keys
-- All keys, oldest first.
SELECT id, name, scopes, services, created_at, revoked_at FROM api_key ORDER BY created_at, id

-- name: revoke_api_key
-- A key opens nothing any more; the first revocation's instant stays.
UPDATE api_key SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL
