-- name: repository_lacks_commit
-- The repositories that a name ever meant, of those that do not have the commit yet; none that CI uploads because nobody can fetch it.
SELECT DISTINCT n.repository_id FROM repository_name n WHERE n.name = :name AND NOT EXISTS (
    SELECT 1 FROM git_commit c WHERE c.repository_id = n.repository_id AND c.sha = :sha AND c.completeness > 0)
AND NOT EXISTS (
    SELECT 1 FROM upload_pack u JOIN repository r ON r.id = u.repository_id
    WHERE u.repository_id = n.repository_id AND r.forge = 'git' AND r.synced_from IS NULL)
ORDER BY n.repository_id

-- name: upsert_fetch
-- Wish for a ref; a wish that is pending gets a new version and is due at once.
INSERT INTO "fetch" (repository_id, ref, wanted_at, version, attempts, run_at, error)
VALUES (:repository_id, :ref, :now, 1, 0, :now, '')
ON CONFLICT (repository_id, ref) DO UPDATE
SET wanted_at = excluded.wanted_at, version = "fetch".version + 1, run_at = excluded.run_at

-- name: repository_by_name
-- A repository by its id as text.
SELECT id, name, forge, forge_id, remote, is_local, default_branch, synced_from, synced_at FROM repository WHERE name = :name

-- name: update_repository
-- What the forge says of a repository now.
UPDATE repository SET forge = :forge, forge_id = :forge_id, remote = :remote, is_local = :is_local,
    default_branch = :default_branch WHERE id = :id

-- name: pull_request_row
-- One pull request as recorded.
SELECT repository_id, number, title, body, head_ref, base_ref, labels, author, state, created_at, updated_at, merged_at,
    merge_sha, squash_sha, head_sha, readiness, reviews, orders
FROM pull_request WHERE repository_id = :repository_id AND number = :number

-- name: known_commit_shas
-- Which of these commits are recorded, and how completely.
SELECT sha, completeness FROM git_commit WHERE repository_id = :repository_id AND sha IN (:keys)

-- name: known_path_ids
-- The numbers of these paths.
SELECT path, id FROM git_path WHERE repository_id = :repository_id AND path IN (:keys)

-- name: all_repositories
-- Every repository.
SELECT id, name, forge, forge_id, remote, is_local, default_branch, synced_from, synced_at FROM repository ORDER BY name

