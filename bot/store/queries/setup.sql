-- name: switch
-- What an operator set.
SELECT value FROM meta WHERE name = :name

-- name: setup_installations
-- The installations of the GitHub App, with their rights.
SELECT id, account, state, permissions, events FROM installation ORDER BY account, id

-- name: setup_repositories
-- How many repositories each installation reads.
SELECT installation_id, count(*) FROM forge_repository WHERE state IN ('active', 'archived')
GROUP BY installation_id ORDER BY installation_id

-- name: setup_last_delivery
-- The newest delivery of a source since an instant.
SELECT event, received_at, state FROM inbox WHERE source = :source AND received_at >= :from_at
ORDER BY received_at DESC, id DESC LIMIT 1
