-- name: definitions_in_force
-- The definitions in force, by service.
SELECT d.service, d.shown, d.schema_version, d.team, d.tags, d.languages, d.source_patterns, d.links, d.code_locations,
    d.location, d.rules, d.pagerduty, coalesce(r.name, '')
FROM definition d LEFT JOIN repository r ON r.id = d.repository_id ORDER BY d.service

-- name: definition_in_force
-- The definition of one service.
SELECT d.service, d.shown, d.schema_version, d.team, d.tags, d.languages, d.source_patterns, d.links, d.code_locations,
    d.location, d.rules, d.pagerduty, coalesce(r.name, '')
FROM definition d LEFT JOIN repository r ON r.id = d.repository_id WHERE d.service = :service

-- name: definition_claims
-- What every origin says of its services; of a service the first is in force.
SELECT c.rank, c.repository_id, c.path, c.service, c.shown, c.schema_version, c.team, c.tags, c.languages, c.source_patterns,
    c.links, c.code_locations, c.location, c.rules, c.pagerduty, coalesce(r.name, ''), c.document
FROM definition_claim c LEFT JOIN repository r ON r.id = c.repository_id
ORDER BY c.service, c.rank, coalesce(r.name, ''), c.path

-- name: claims_of_service
-- What every origin says of one service; the first is in force.
SELECT c.rank, c.repository_id, c.path, c.service, c.shown, c.schema_version, c.team, c.tags, c.languages, c.source_patterns,
    c.links, c.code_locations, c.location, c.rules, c.pagerduty, coalesce(r.name, ''), c.document
FROM definition_claim c LEFT JOIN repository r ON r.id = c.repository_id
WHERE c.service = :service ORDER BY c.rank, coalesce(r.name, ''), c.path

-- name: rules_of_service
-- What the definition of one service says of the rules.
SELECT rules FROM definition WHERE service = :service AND rules <> ''

-- name: delete_definition
-- Nobody defines this service any more.
DELETE FROM definition WHERE service = :service

-- name: delete_claims
-- Make room for what an origin says now.
DELETE FROM definition_claim WHERE rank = :rank AND repository_id = :repository_id AND path = :path

-- name: definition_files
-- The definition files in repositories, as last seen.
SELECT f.repository_id, r.name, f.path, f.blob, f.commit_sha, f.read_from, f.good_commit, f.problems
FROM definition_file f JOIN repository r ON r.id = f.repository_id ORDER BY r.name, f.path

-- name: definition_files_of
-- The definition files in one repository, as last seen.
SELECT f.repository_id, r.name, f.path, f.blob, f.commit_sha, f.read_from, f.good_commit, f.problems
FROM definition_file f JOIN repository r ON r.id = f.repository_id WHERE f.repository_id = :repository_id ORDER BY f.path

-- name: catalog_state
-- What is in force, and the problems of the newest files.
SELECT kind, digest, received_at, body, problems FROM catalog ORDER BY kind
