-- name: definitions_in_force
-- The definitions in force, by service.
SELECT service, shown, schema_version, team, tags, languages, source_patterns, links, location FROM definition ORDER BY service

-- name: definition_in_force
-- The definition of one service.
SELECT service, shown, schema_version, team, tags, languages, source_patterns, links, location FROM definition
WHERE service = :service

-- name: delete_definitions
-- Make room for another snapshot.
DELETE FROM definition

-- name: catalog_state
-- What is in force, and the problems of the newest files.
SELECT kind, digest, received_at, body, problems FROM catalog ORDER BY kind
