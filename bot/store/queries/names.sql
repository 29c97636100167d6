-- name: repositories_named
-- The repositories that ever bore these names, a row for each reason why.
SELECT n.name, n.from_at, n.repository_id, n.told,
    r.id, r.name, r.forge, r.forge_id, r.remote, r.is_local, r.default_branch, r.synced_from, r.synced_at
FROM repository_name n JOIN repository r ON r.id = n.repository_id WHERE n.name IN (:keys)

-- name: names_of_repositories
-- All names of these repositories.
SELECT name, from_at, repository_id, told FROM repository_name WHERE repository_id IN (:keys)

-- name: names_below
-- Who was ever called something below a namespace.
SELECT name, from_at, repository_id, told FROM repository_name WHERE name >= :low AND name < :high

-- name: repositories_numbered
-- The repositories that a kind of forge knows by these numbers; two instances may mean different ones.
SELECT id, name, forge, forge_id, remote, is_local, default_branch, synced_from, synced_at FROM repository
WHERE forge = :forge AND forge_id IN (:keys)

-- name: repositories_by_number
-- Repositories by their surrogate keys.
SELECT id, name, forge, forge_id, remote, is_local, default_branch, synced_from, synced_at FROM repository WHERE id IN (:keys)

-- name: forge_repositories
-- What forges say of these repositories beyond their names.
SELECT repository_id, installation_id, state, state_at, told_at FROM forge_repository WHERE repository_id IN (:keys)

-- name: namespace_renames
-- All renames of namespaces, in the order of time.
SELECT old, new, at FROM namespace_rename ORDER BY at, old, new

-- name: delete_repository_name
-- A reason for a name that does not hold any more: an earlier sight replaces it, or a rename above that did not concern it.
DELETE FROM repository_name WHERE name = :name AND from_at = :from_at AND repository_id = :repository_id AND told = :told

-- name: rename_repository
-- What a repository is called.
UPDATE repository SET name = :name WHERE id = :id

-- name: series_named
-- The series that were ever deployed from a repository of one of these names, with their first deployment from there.
SELECT service, env, min(finished_at) FROM deployment WHERE repository IN (:keys) GROUP BY service, env

-- name: names_that_moved
-- The names that some repository bears or bore without being called so now, with all who ever bore them.
SELECT n.name, n.from_at, n.repository_id, n.told,
    r.id, r.name, r.forge, r.forge_id, r.remote, r.is_local, r.default_branch, r.synced_from, r.synced_at
FROM repository_name n JOIN repository r ON r.id = n.repository_id
WHERE n.name IN (SELECT m.name FROM repository_name m JOIN repository o ON o.id = m.repository_id WHERE o.name <> m.name)
