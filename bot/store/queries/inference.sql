-- name: inferred_deployments
-- What was inferred from a subject, gone rows included.
SELECT id, service, env, service_shown, env_shown, version, repository, repository_url, commit_sha, started_at, finished_at, team,
    tags, source, received_at, receipt, inferred_from, gone
FROM deployment WHERE inferred_from = :inferred_from AND inferred_from <> '' ORDER BY id

-- name: deployments_whole
-- These deployments, as they are stored.
SELECT id, service, env, service_shown, env_shown, version, repository, repository_url, commit_sha, started_at, finished_at, team,
    tags, source, received_at, receipt, inferred_from, gone
FROM deployment WHERE id IN (:keys) ORDER BY id

-- name: deployments_there
-- Which of these deployments are there.
SELECT id FROM deployment WHERE id IN (:keys) AND gone = 0

-- name: inference_rules
-- What is to be counted of a repository.
SELECT repository_id, kind, pattern, service, env, service_shown, env_shown, since, prereleases FROM inference_rule
WHERE repository_id = :repository_id ORDER BY kind, pattern, service, env

-- name: delete_inference_rule
-- Nothing follows from it any more.
DELETE FROM inference_rule
WHERE repository_id = :repository_id AND kind = :kind AND pattern = :pattern AND service = :service AND env = :env

-- name: inferring_repositories
-- The repositories of which something may be inferred.
SELECT repository_id FROM forge_deployment UNION SELECT repository_id FROM inference_rule ORDER BY 1

-- name: deployed_by_forge
-- Which of these repositories have deployments at their forge.
SELECT DISTINCT repository_id FROM forge_deployment WHERE repository_id IN (:keys)

-- name: ruled
-- Of which of these repositories tags, releases or forge deployments are to be counted.
SELECT DISTINCT repository_id FROM inference_rule WHERE repository_id IN (:keys)

-- name: inference_keys
-- From what deployments and failures were inferred.
SELECT inferred_from FROM deployment WHERE inferred_from <> ''
UNION SELECT inferred_from FROM failure WHERE inferred_from <> '' ORDER BY inferred_from

-- name: forge_deployments_of
-- All deployments that a forge told of a repository.
SELECT repository_id, forge_id, environment, sha, ref, created_at, states FROM forge_deployment
WHERE repository_id = :repository_id ORDER BY forge_id

-- name: forge_releases_of
-- All releases that a forge told of a repository.
SELECT repository_id, forge_id, tag, name, state, published_at, told_at FROM forge_release
WHERE repository_id = :repository_id ORDER BY forge_id

-- name: tags_of_repository
-- The tags of a repository with their instants: the tagger's date, else the committer's.
SELECT r.name, r.sha, coalesce(r.tagged_at, c.committed_second * 1000000000) FROM git_ref r
LEFT JOIN git_commit c ON c.repository_id = r.repository_id AND c.sha = r.sha
WHERE r.repository_id = :repository_id AND r.name >= 'refs/tags/' AND r.name < 'refs/tags0'
ORDER BY r.name

-- name: fingerprint_inference_rules
-- Every rule of what is to be counted of repositories.
SELECT r.name, i.kind, i.pattern, i.service, i.env, i.service_shown, i.env_shown, i.since, i.prereleases
FROM inference_rule i JOIN repository r ON r.id = i.repository_id ORDER BY r.name, i.kind, i.pattern, i.service, i.env

-- name: webhook_deployment_known
-- Which telling of a deployed commit is known.
SELECT received_at, receipt FROM webhook_deployment WHERE key = :key

-- name: webhook_deployments_of
-- The commits of a repository, called so, that somebody told were deployed.
SELECT key, service, env, ref, repository, repository_url, commit_sha, started_at, finished_at FROM webhook_deployment
WHERE repository = :repository ORDER BY key

-- name: webhook_repositories
-- The repositories, as they were called, of which somebody told that a commit was deployed.
SELECT DISTINCT repository FROM webhook_deployment ORDER BY repository

-- name: webhook_repositories_among
-- Which of these names are among them.
SELECT DISTINCT repository FROM webhook_deployment WHERE repository IN (:keys) ORDER BY repository

-- name: fingerprint_webhook_deployments
-- Every commit that somebody told was deployed.
SELECT key, service, env, ref, repository, repository_url, commit_sha, started_at, finished_at, received_at
FROM webhook_deployment ORDER BY key
