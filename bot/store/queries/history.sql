-- name: due_fetches
-- The refs to fetch now, the longest waiting first; none of what is gone, or was taken from us, unless it is read in place.
SELECT f.repository_id, f.ref, f.version, f.attempts FROM "fetch" f WHERE f.run_at <= :now AND NOT EXISTS (
    SELECT 1 FROM forge_repository s JOIN repository r ON r.id = s.repository_id
    LEFT JOIN installation i ON i.id = s.installation_id
    WHERE s.repository_id = f.repository_id AND r.is_local = 0
        AND (s.state IN ('deleted', 'removed') OR i.state IN ('suspended', 'deleted')))
ORDER BY f.run_at, f.repository_id, f.ref

-- name: next_fetch_at
-- When the next postponed fetch is due.
SELECT min(run_at) FROM "fetch"

-- name: postpone_fetch
-- A fetch failed: when to try again, and what was wrong.
UPDATE "fetch" SET attempts = :attempts, run_at = :run_at, error = :error WHERE repository_id = :repository_id AND ref = :ref

-- name: delete_fetch
-- A ref was fetched: the wish is gone unless it was renewed meanwhile.
DELETE FROM "fetch" WHERE repository_id = :repository_id AND ref = :ref AND version = :version

-- name: git_refs
-- Where the refs of a repository pointed when they were last ingested.
SELECT name, sha, tagged_at FROM git_ref WHERE repository_id = :repository_id ORDER BY name

-- name: git_refs_named
-- Where these refs of a repository pointed.
SELECT name, sha, tagged_at FROM git_ref WHERE repository_id = :repository_id AND name IN (:keys)

-- name: branch_tips
-- Where the branches of a repository pointed (the bounds are 'refs/heads/' and the next text after all that begin so).
SELECT name, sha, tagged_at FROM git_ref WHERE repository_id = :repository_id AND name >= 'refs/heads/' AND name < 'refs/heads0'
ORDER BY name

-- name: delete_git_ref
-- A ref is no more.
DELETE FROM git_ref WHERE repository_id = :repository_id AND name = :name

-- name: finish_sync
-- All refs of a repository were fetched and ingested.
UPDATE repository SET
    synced_from = CASE WHEN synced_from IS NULL OR synced_from < :began_at THEN :began_at ELSE synced_from END,
    synced_at = CASE WHEN synced_from IS NULL OR synced_from < :began_at THEN :now ELSE synced_at END,
    default_branch = CASE WHEN :default_branch = '' THEN default_branch ELSE :default_branch END
WHERE id = :id

-- name: some_deployment_of_repository
-- Whether a repository was ever deployed from, under any of its names.
SELECT 1 FROM deployment WHERE repository IN (SELECT n.name FROM repository_name n WHERE n.repository_id = :repository_id) LIMIT 1

-- name: some_commit_with_parents
-- Whether a repository's history was ever read.
SELECT 1 FROM git_commit WHERE repository_id = :repository_id AND completeness > 0 LIMIT 1

-- name: some_pull_request
-- Whether a repository has pull requests.
SELECT 1 FROM pull_request WHERE repository_id = :repository_id LIMIT 1

-- name: pull_requests_of
-- All merged pull requests of a repository.
SELECT number FROM pull_request WHERE repository_id = :repository_id AND merged_at IS NOT NULL ORDER BY number

-- name: deployments_of_commits
-- Who deployed these commits from the repository, under any of its names.
SELECT service, env, finished_at FROM deployment
WHERE repository IN (SELECT n.name FROM repository_name n WHERE n.repository_id = :repository_id)
    AND commit_sha IN (:keys)

-- name: pull_requests_merged_by
-- Pull requests that these commits merged.
SELECT number FROM pull_request WHERE repository_id = :repository_id AND merge_sha IN (:keys)

-- name: pull_requests_squashed_to
-- Pull requests that were squashed to these commits.
SELECT number FROM pull_request WHERE repository_id = :repository_id AND squash_sha IN (:keys)

-- name: pull_requests_with_head
-- Pull requests whose source branch ends with these commits.
SELECT number FROM pull_request WHERE repository_id = :repository_id AND head_sha IN (:keys)

-- name: series_of_repository
-- All series that were ever deployed from a repository, with their first deployment from there.
SELECT service, env, min(finished_at) FROM deployment
WHERE repository IN (SELECT n.name FROM repository_name n WHERE n.repository_id = :repository_id)
GROUP BY service, env ORDER BY service, env

-- name: series_missing_commits
-- Series with deployments that were received before a sync began and still miss a commit.
SELECT service, env, min(finished_at) FROM (
    SELECT d.service, d.env, d.finished_at FROM deployment d JOIN change_set s ON s.deployment_id = d.id
    WHERE d.repository IN (SELECT n.name FROM repository_name n WHERE n.repository_id = :repository_id)
        AND d.received_at < :began_at AND s.not_computed IN ('commit_unknown', 'predecessor_commit_unknown')
    UNION ALL
    SELECT d.service, d.env, d.finished_at FROM change_set s JOIN deployment d ON d.id = s.deployment_id
    WHERE s.repository <> '' AND s.repository IN (SELECT n.name FROM repository_name n WHERE n.repository_id = :repository_id)
        AND d.received_at < :began_at AND s.not_computed IN ('commit_unknown', 'predecessor_commit_unknown')
) missing GROUP BY service, env ORDER BY service, env

-- name: meta_value
-- A remembered value.
SELECT value FROM meta WHERE name = :name

-- name: commits_since
-- The commits of a repository that arrived after a number, parents known or shallow, in the order of arrival.
SELECT n, sha, parents, authored_second * 1000000000, committed_second * 1000000000, author, subject, paths, completeness
FROM git_commit
WHERE repository_id = :repository_id AND n > :n AND completeness > 0 ORDER BY n

-- name: paths_since
-- The paths of a repository that were numbered after a number.
SELECT id, path FROM git_path WHERE repository_id = :repository_id AND id > :id ORDER BY id

-- name: commit_details
-- What is shown of commits.
SELECT sha, completeness, authored_second * 1000000000, committed_second * 1000000000, author, subject, body, paths
FROM git_commit
WHERE repository_id = :repository_id AND sha IN (:keys)

-- name: paths_by_id
-- Paths by their numbers.
SELECT id, path FROM git_path WHERE repository_id = :repository_id AND id IN (:keys)

-- name: links_of_definitions
-- The links from which services' paths are taken.
SELECT links FROM definition WHERE source_patterns IS NULL AND links <> '[]'
