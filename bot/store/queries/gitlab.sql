-- name: repositories_by_api
-- The repositories whose history is had by API.
SELECT r.id, r.name, r.forge, r.forge_id, r.remote, r.is_local, r.default_branch, r.synced_from, r.synced_at
FROM repository_access a JOIN repository r ON r.id = a.repository_id WHERE a.way = 'api' ORDER BY r.id

-- name: repository_accesses
-- How each repository's history is had, why not better, and what of it is not exact.
SELECT repository_id, way, reason, partial FROM repository_access ORDER BY repository_id

-- name: commit_heads
-- All commits of a repository whose parents are known.
SELECT sha, parents, completeness, committed_second * 1000000000 FROM git_commit WHERE repository_id = :repository_id AND completeness > 0

-- name: commit_parents
-- What commits declare as parents.
SELECT sha, parents FROM git_commit WHERE repository_id = :repository_id AND sha IN (:keys)
