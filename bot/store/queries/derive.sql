-- name: mark_version
-- Whether a mark is still what a derivation read; without it the derivation must not write.
SELECT version FROM mark WHERE stage = :stage AND key = :key

-- name: mark_version (postgres)
-- The same, held against other workers until this transaction ends.
SELECT version FROM mark WHERE stage = :stage AND key = :key FOR UPDATE

-- name: delete_change_set
-- A deployment is no more.
DELETE FROM change_set WHERE deployment_id = :deployment_id

-- name: delete_change
-- A commit is no change of this deployment any more.
DELETE FROM change WHERE deployment_id = :deployment_id AND sha = :sha

-- name: delete_classification
-- A deployment is no more.
DELETE FROM classification WHERE deployment_id = :deployment_id

-- name: delete_remediation
-- A deployment does not mend this one any more.
DELETE FROM remediation WHERE deployment_id = :deployment_id AND target = :target

-- name: delete_landing
-- A pull request is not merged any more (it never was: a correction).
DELETE FROM landing WHERE repository_id = :repository_id AND number = :number

-- name: delete_introduced
-- A pull request did not introduce this commit.
DELETE FROM introduced WHERE repository_id = :repository_id AND sha = :sha AND number = :number AND role = :role

-- name: delete_rebased
-- A pull request's rebase did not make anything of this commit.
DELETE FROM rebased WHERE repository_id = :repository_id AND sha = :sha AND number = :number

-- name: delete_pull_request_flag
-- A pull request is neither revert nor hotfix any more.
DELETE FROM pull_request_flag WHERE repository_id = :repository_id AND number = :number

-- name: delete_link_read
-- A flag or a classification is not made from this any more.
DELETE FROM link_read WHERE stage = :stage AND reader = :reader AND repository_id = :repository_id AND about = :about

-- name: series_deployments
-- All deployments of a series that are there.
SELECT id, version, repository, commit_sha, started_at, finished_at, source, received_at FROM deployment
WHERE service = :service AND env = :env AND gone = 0 ORDER BY finished_at, started_at, id

-- name: series_change_sets
-- What is derived for a series from an instant on.
SELECT s.deployment_id, s.predecessor, s.not_computed, s.flags, s.dropped, s.kept, s.redeployed, s.with_lead_time, s.mean,
    s.median, s.least, s.greatest, s.merged_into, s.version, s.repository, s.commit_sha
FROM change_set s JOIN deployment d ON d.id = s.deployment_id
WHERE d.service = :service AND d.env = :env AND d.finished_at >= :from_at

-- name: series_changes
-- The changes derived for a series from an instant on.
SELECT c.deployment_id, c.sha, c.position, c.repository_id, c.original_of, c.number, c.redeployed, c.first_delivery, c.lead_time,
    c.time_to_pr_ready, c.review_time, c.merge_time, c.time_to_deploy, c.deploy_time, c.absent
FROM change c JOIN deployment d ON d.id = c.deployment_id
WHERE d.service = :service AND d.env = :env AND d.finished_at >= :from_at

-- name: carried_by
-- What these deployments carried.
SELECT deployment_id, sha, original_of, number, repository_id, redeployed FROM change WHERE deployment_id IN (:keys)
ORDER BY deployment_id, position

-- name: series_carrying
-- What the deployments of a series carried of these commits.
SELECT c.deployment_id, c.sha, c.original_of, c.number, c.repository_id, c.redeployed
FROM change c JOIN deployment d ON d.id = c.deployment_id
WHERE c.repository_id = :repository_id AND c.sha IN (:keys) AND d.service = :service AND d.env = :env

-- name: series_flags
-- The flags of a series' change sets.
SELECT s.deployment_id, s.not_computed, s.flags FROM change_set s JOIN deployment d ON d.id = s.deployment_id
WHERE d.service = :service AND d.env = :env

-- name: series_classifications
-- How the deployments of a series are classified.
SELECT c.deployment_id, c.type, c.flags, c.reasons, c.failed FROM classification c JOIN deployment d ON d.id = c.deployment_id
WHERE d.service = :service AND d.env = :env

-- name: series_remediations
-- What the deployments of a series mended.
SELECT r.deployment_id, r.target, r.type, r.rule, r.field, r.value, r.original
FROM remediation r JOIN deployment d ON d.id = r.deployment_id
WHERE d.service = :service AND d.env = :env

-- name: introduced_version
-- A number that rises whenever a repository's `introduced` rows change.
SELECT next FROM sequence WHERE name = :name

-- name: introduced_rows
-- Which pull requests introduced which commits of a repository.
SELECT sha, number, role, position, merged_at FROM introduced WHERE repository_id = :repository_id

-- name: landing_flags
-- Pull requests whose originals could not be had.
SELECT number, kind, flag FROM landing WHERE repository_id = :repository_id

-- name: introduced_of
-- What one pull request introduced.
SELECT repository_id, sha, number, role, position, merged_at FROM introduced
WHERE repository_id = :repository_id AND number = :number

-- name: rebased_of
-- What the rebase of one pull request made of the commits of its head.
SELECT repository_id, sha, number, landed, merged_at FROM rebased WHERE repository_id = :repository_id AND number = :number

-- name: rebased_as
-- What a rebase made of a commit, the earliest merge first.
SELECT landed FROM rebased WHERE repository_id = :repository_id AND sha = :sha ORDER BY merged_at, number

-- name: landing_of
-- How one pull request landed.
SELECT repository_id, number, kind, flag, merged_at, ready_at, approved_at FROM landing
WHERE repository_id = :repository_id AND number = :number

-- name: flag_of
-- Whether one pull request is a revert or hotfix.
SELECT repository_id, number, rule, field, value, target, target_sha FROM pull_request_flag
WHERE repository_id = :repository_id AND number = :number

-- name: flag_reads
-- What the flag of one pull request was made from.
SELECT stage, reader, repository_id, about FROM link_read
WHERE stage = 'repository' AND reader = :reader AND repository_id = :repository_id

-- name: classification_reads
-- What the classification of one series was made from.
SELECT stage, reader, repository_id, about FROM link_read WHERE stage = 'classification' AND reader = :reader

-- name: some_link_read
-- Whether anything was made from facts of a repository.
SELECT 1 FROM link_read WHERE repository_id = :repository_id LIMIT 1

-- name: repository_by_number
-- A repository by its surrogate key.
SELECT id, name, forge, forge_id, remote, is_local, default_branch, synced_from, synced_at FROM repository WHERE id = :id

-- name: series_of_commits
-- The series that carry these commits, and from which instant on.
SELECT d.service, d.env, d.finished_at FROM change c JOIN deployment d ON d.id = c.deployment_id
WHERE c.repository_id = :repository_id AND c.sha IN (:keys)

-- name: pull_request_rows
-- Pull requests by number.
SELECT repository_id, number, title, body, head_ref, base_ref, labels, author, state, created_at, updated_at, merged_at,
    merge_sha, squash_sha, head_sha, readiness, reviews, orders
FROM pull_request WHERE repository_id = :repository_id AND number IN (:keys)

-- name: pull_requests_titled
-- Merged pull requests of that exact title.
SELECT number, merged_at FROM pull_request WHERE repository_id = :repository_id AND title = :title AND merged_at IS NOT NULL

-- name: pull_requests_merged_as
-- Pull requests that a commit merged.
SELECT number, merged_at FROM pull_request
WHERE repository_id = :repository_id AND (merge_sha = :sha OR squash_sha = :sha) AND merged_at IS NOT NULL

-- name: all_series
-- Every series there is.
SELECT DISTINCT service, env FROM deployment ORDER BY service, env

-- name: repositories_with_pull_requests
-- Every repository that has pull requests, and how many.
SELECT repository_id, count(*) FROM pull_request GROUP BY repository_id ORDER BY repository_id

-- name: pull_request_numbers
-- The next pull requests of a repository.
SELECT number FROM pull_request WHERE repository_id = :repository_id AND number >= :number ORDER BY number LIMIT :n

-- name: orphans_change_set
-- Deployments that are no more, of which derived rows are left.
SELECT DISTINCT deployment_id FROM change_set WHERE NOT EXISTS (SELECT 1 FROM deployment d WHERE d.id = change_set.deployment_id)
ORDER BY deployment_id

-- name: delete_orphans_change_set
-- Derived rows of a deployment that is no more.
DELETE FROM change_set WHERE deployment_id = :deployment_id AND NOT EXISTS (SELECT 1 FROM deployment d WHERE d.id = :deployment_id)

-- name: orphans_change
-- Deployments that are no more, of which derived rows are left.
SELECT DISTINCT deployment_id FROM change WHERE NOT EXISTS (SELECT 1 FROM deployment d WHERE d.id = change.deployment_id)
ORDER BY deployment_id

-- name: delete_orphans_change
-- Derived rows of a deployment that is no more.
DELETE FROM change WHERE deployment_id = :deployment_id AND NOT EXISTS (SELECT 1 FROM deployment d WHERE d.id = :deployment_id)

-- name: orphans_classification
-- Deployments that are no more, of which derived rows are left.
SELECT DISTINCT deployment_id FROM classification WHERE NOT EXISTS (SELECT 1 FROM deployment d WHERE d.id = classification.deployment_id)
ORDER BY deployment_id

-- name: delete_orphans_classification
-- Derived rows of a deployment that is no more.
DELETE FROM classification WHERE deployment_id = :deployment_id AND NOT EXISTS (SELECT 1 FROM deployment d WHERE d.id = :deployment_id)

-- name: orphans_remediation
-- Deployments that are no more, of which derived rows are left.
SELECT DISTINCT deployment_id FROM remediation WHERE NOT EXISTS (SELECT 1 FROM deployment d WHERE d.id = remediation.deployment_id)
ORDER BY deployment_id

-- name: delete_orphans_remediation
-- Derived rows of a deployment that is no more.
DELETE FROM remediation WHERE deployment_id = :deployment_id AND NOT EXISTS (SELECT 1 FROM deployment d WHERE d.id = :deployment_id)

-- name: refs_of_repository
-- The refs of a repository.
SELECT name FROM git_ref WHERE repository_id = :repository_id ORDER BY name

-- name: sync_state
-- How far a repository's mirror is.
SELECT (SELECT count(*) FROM git_commit c WHERE c.repository_id = r.id AND c.completeness > 0), r.synced_at,
    (SELECT min(f.error) FROM fetch f WHERE f.repository_id = r.id AND f.error <> '')
FROM repository r WHERE r.id = :repository_id

-- name: series_of_deployment
-- Where a deployment stands.
SELECT service, env FROM deployment WHERE id = :id

-- name: merged_before
-- What earlier pull requests into the same branch were merged as.
SELECT merge_sha FROM pull_request
WHERE repository_id = :repository_id AND base_ref = :base_ref AND merge_sha IS NOT NULL
    AND (merged_at < :merged_at OR (merged_at = :merged_at AND number < :number))

-- name: fast_forwards_after
-- Later pull requests into the same branch that may have begun where this one ended.
SELECT l.number, p.merge_sha FROM landing l JOIN pull_request p ON p.repository_id = l.repository_id AND p.number = l.number
WHERE l.repository_id = :repository_id AND l.kind = 'fast_forward' AND p.base_ref = :base_ref
    AND (l.merged_at > :merged_at OR (l.merged_at = :merged_at AND l.number > :number))
ORDER BY l.merged_at, l.number

-- name: sharing_introduced
-- The pull requests that introduced these commits.
SELECT number FROM introduced WHERE repository_id = :repository_id AND sha IN (:keys)

-- name: commit_messages
-- What rules read of commits.
SELECT sha, subject, body FROM git_commit WHERE repository_id = :repository_id AND sha IN (:keys)

-- name: introduced_shas
-- The commits that a pull request introduced.
SELECT sha FROM introduced WHERE repository_id = :repository_id AND number = :number ORDER BY sha

-- name: ref_commit
-- Where a ref points.
SELECT sha FROM git_ref WHERE repository_id = :repository_id AND name = :name
