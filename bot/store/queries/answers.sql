-- name: answer_deployments
-- Deployments of a window with what was derived of them, newest first, from a key on; an empty text and a 0 ask for all.
-- `failed` leaves out those that cannot have failed: neither mended nor said to.
SELECT d.id, d.service, d.env, d.service_shown, d.env_shown,
    CASE WHEN s.version <> '' THEN s.version ELSE d.version END,
    CASE WHEN s.repository <> '' THEN s.repository ELSE d.repository END,
    d.repository_url, coalesce(s.commit_sha, d.commit_sha), d.started_at, d.finished_at, d.source, d.received_at, d.team, d.tags, f.shown, f.team, f.tags, f.languages,
    s.flags, s.predecessor, s.not_computed, s.dropped, s.kept, s.redeployed,
    s.with_lead_time, s.mean, s.median, s.least, s.greatest, s.merged_into, c.type, c.flags, c.reasons, c.failed
FROM deployment d
LEFT JOIN definition f ON f.service = d.service
LEFT JOIN change_set s ON s.deployment_id = d.id
LEFT JOIN classification c ON c.deployment_id = d.id
WHERE d.gone = 0 AND d.finished_at >= :from_at AND d.finished_at < :to_at
    AND (d.finished_at < :before_at OR (d.finished_at = :before_at AND d.id < :before_id))
    AND (:service = '' OR d.service = :service)
    AND (:source = '' OR d.source = :source)
    AND (:type = '' OR c.type = :type)
    AND (:failed = 0 OR c.failed = 1 OR EXISTS (SELECT 1 FROM remediation r WHERE r.target = d.id))
ORDER BY d.finished_at DESC, d.id DESC LIMIT :n

-- name: answer_deployments_of_service
-- The same for one service, by the index that orders its series.
SELECT d.id, d.service, d.env, d.service_shown, d.env_shown,
    CASE WHEN s.version <> '' THEN s.version ELSE d.version END,
    CASE WHEN s.repository <> '' THEN s.repository ELSE d.repository END,
    d.repository_url, coalesce(s.commit_sha, d.commit_sha), d.started_at, d.finished_at, d.source, d.received_at, d.team, d.tags, f.shown, f.team, f.tags, f.languages,
    s.flags, s.predecessor, s.not_computed, s.dropped, s.kept, s.redeployed,
    s.with_lead_time, s.mean, s.median, s.least, s.greatest, s.merged_into, c.type, c.flags, c.reasons, c.failed
FROM deployment d
LEFT JOIN definition f ON f.service = d.service
LEFT JOIN change_set s ON s.deployment_id = d.id
LEFT JOIN classification c ON c.deployment_id = d.id
WHERE d.gone = 0 AND d.service = :service AND d.finished_at >= :from_at AND d.finished_at < :to_at
    AND (d.finished_at < :before_at OR (d.finished_at = :before_at AND d.id < :before_id))
    AND (:source = '' OR d.source = :source)
    AND (:type = '' OR c.type = :type)
    AND (:failed = 0 OR c.failed = 1 OR EXISTS (SELECT 1 FROM remediation r WHERE r.target = d.id))
ORDER BY d.finished_at DESC, d.id DESC LIMIT :n

-- name: answer_deployments_by_id
-- Deployments by their ids, with what was derived of them.
SELECT d.id, d.service, d.env, d.service_shown, d.env_shown,
    CASE WHEN s.version <> '' THEN s.version ELSE d.version END,
    CASE WHEN s.repository <> '' THEN s.repository ELSE d.repository END,
    d.repository_url, coalesce(s.commit_sha, d.commit_sha), d.started_at, d.finished_at, d.source, d.received_at, d.team, d.tags, f.shown, f.team, f.tags, f.languages,
    s.flags, s.predecessor, s.not_computed, s.dropped, s.kept, s.redeployed,
    s.with_lead_time, s.mean, s.median, s.least, s.greatest, s.merged_into, c.type, c.flags, c.reasons, c.failed
FROM deployment d
LEFT JOIN definition f ON f.service = d.service
LEFT JOIN change_set s ON s.deployment_id = d.id
LEFT JOIN classification c ON c.deployment_id = d.id
WHERE d.gone = 0 AND d.id IN (:keys)

-- name: answer_pending_series
-- The series that are about to be derived again, and from when on.
SELECT key, from_at FROM mark WHERE stage = 'changes'

-- name: answer_first_event
-- The first known event of the store: the first deployment of these sources that counts.
SELECT d.finished_at FROM deployment d LEFT JOIN change_set s ON s.deployment_id = d.id
WHERE d.gone = 0 AND s.merged_into IS NULL AND (s.not_computed IS NULL OR s.not_computed <> 'source_off')
    AND d.source IN (:keys)
ORDER BY d.finished_at LIMIT 1

-- name: answer_remediations_between
-- Who remediated the deployments of a window, the earliest remediation first.
SELECT r.target, r.deployment_id, r.type, d.finished_at
FROM deployment t
JOIN remediation r ON r.target = t.id
JOIN deployment d ON d.id = r.deployment_id
WHERE t.finished_at >= :from_at AND t.finished_at < :to_at
ORDER BY d.finished_at, d.started_at, d.id

-- name: answer_remediations_of
-- Who remediated these deployments.
SELECT r.target, r.deployment_id, r.type, d.finished_at, d.started_at
FROM remediation r
JOIN deployment d ON d.id = r.deployment_id
WHERE r.target IN (:keys)

-- name: answer_evidence
-- What a deployment remediated, and by which rule; target '' is rework that remediated nothing.
SELECT r.target, r.type, r.rule, r.field, r.value, r.original
FROM remediation r WHERE r.deployment_id = :deployment_id ORDER BY r.target

-- name: answer_evidence_against
-- By which rules a deployment failed, the earliest remediation first.
SELECT r.deployment_id, r.type, r.rule, r.field, r.value, r.original
FROM remediation r JOIN deployment d ON d.id = r.deployment_id
WHERE r.target = :deployment_id ORDER BY d.finished_at, d.started_at, d.id

-- name: answer_changes_between
-- The changes of a window's deployments, as the metrics need them.
SELECT c.deployment_id, c.lead_time, c.time_to_pr_ready, c.review_time, c.merge_time, c.time_to_deploy, c.deploy_time,
    c.absent, c.redeployed, c.first_delivery
FROM deployment d
JOIN change c ON c.deployment_id = d.id
WHERE d.finished_at >= :from_at AND d.finished_at < :to_at AND (:service = '' OR d.service = :service)

-- name: answer_changes
-- The kept changes of one deployment with their commits, newest first.
SELECT c.sha, c.position, c.original_of, c.number, c.redeployed, c.lead_time,
    c.time_to_pr_ready, c.review_time, c.merge_time, c.time_to_deploy, c.deploy_time, c.absent,
    g.authored_second * 1000000000, g.committed_second * 1000000000, g.author, g.subject
FROM change c
LEFT JOIN git_commit g ON g.repository_id = c.repository_id AND g.sha = c.sha
WHERE c.deployment_id = :deployment_id
ORDER BY c.position, c.sha

-- name: answer_commits
-- What is known of these commits of a repository.
SELECT g.sha, g.authored_second * 1000000000, g.committed_second * 1000000000, g.author, g.subject
FROM git_commit g WHERE g.repository_id = :repository_id AND g.sha IN (:keys)

-- name: answer_introduced
-- Which merged pull request brought each of these commits, the first one first.
SELECT i.sha, i.number, i.merged_at
FROM introduced i WHERE i.repository_id = :repository_id AND i.sha IN (:keys)

-- name: answer_repositories
-- All repositories with the state of their synchronisation, by name.
SELECT r.id, r.name, r.forge, r.remote, r.is_local, r.default_branch, r.synced_from, r.synced_at
FROM repository r ORDER BY r.name

-- name: answer_forge_states
-- What became of repositories at their forges; those that are read in place are there all the same.
SELECT f.repository_id, f.state FROM forge_repository f JOIN repository r ON r.id = f.repository_id
WHERE f.state <> 'active' AND r.is_local = 0 ORDER BY f.repository_id

-- name: answer_tried_head
-- The head of the pull request that a forge tried out as this commit, which is in no clone.
SELECT t.head_sha FROM test_merge t JOIN repository r ON r.id = t.repository_id
WHERE r.name = :repository AND t.sha = :sha AND NOT EXISTS (
    SELECT 1 FROM git_commit c WHERE c.repository_id = t.repository_id AND c.sha = t.sha AND c.completeness > 0)

-- name: answer_fetches
-- What is still to fetch, and what went wrong with it.
SELECT f.repository_id, f.ref, f.wanted_at, f.attempts, f.run_at, f.error
FROM fetch f ORDER BY f.repository_id, f.ref

-- name: answer_commit_counts
-- How many commits each repository has.
SELECT g.repository_id, count(*) FROM git_commit g GROUP BY g.repository_id ORDER BY g.repository_id

-- name: answer_pull_request_counts
-- How many pull requests each repository has.
SELECT p.repository_id, count(*) FROM pull_request p GROUP BY p.repository_id ORDER BY p.repository_id

-- name: answer_refs
-- The branches and tags of a repository.
SELECT g.name FROM git_ref g WHERE g.repository_id = :repository_id ORDER BY g.name

-- name: answer_paths
-- All paths that a repository ever had.
SELECT p.path FROM git_path p WHERE p.repository_id = :repository_id ORDER BY p.path

-- name: answer_pull_requests
-- Pull requests, the latest touched first, from a key on, with how they landed and what they look like.
SELECT p.repository_id, r.name, p.number, p.title, p.author, p.state, p.head_ref, p.base_ref, p.labels, p.created_at,
    p.updated_at, p.merged_at, p.merge_sha, p.head_sha, l.kind, l.flag, l.ready_at, l.approved_at,
    f.rule, f.field, f.value, f.target, f.target_sha
FROM pull_request p
JOIN repository r ON r.id = p.repository_id
LEFT JOIN landing l ON l.repository_id = p.repository_id AND l.number = p.number
LEFT JOIN pull_request_flag f ON f.repository_id = p.repository_id AND f.number = p.number AND f.rule <> ''
WHERE p.updated_at >= :from_at AND p.updated_at < :to_at
    AND (:repository = '' OR r.name = :repository)
    AND (p.updated_at < :before_at
        OR (p.updated_at = :before_at AND p.repository_id < :before_repository)
        OR (p.updated_at = :before_at AND p.repository_id = :before_repository AND p.number < :before_number))
ORDER BY p.updated_at DESC, p.repository_id DESC, p.number DESC LIMIT :n

-- name: answer_deployed_pull_requests
-- Which pull requests the changes of these deployments came from.
SELECT DISTINCT c.repository_id, c.number FROM change c
WHERE c.number IS NOT NULL AND c.deployment_id IN (:keys)

-- name: answer_deliveries
-- The inbox, newest first, from a key on; an empty text asks for all.
SELECT i.id, i.source, i.key, i.event, i.received_at, i.state, i.reason, i.attempts
FROM inbox i
WHERE i.received_at >= :from_at AND i.received_at < :to_at
    AND (i.received_at < :before_at OR (i.received_at = :before_at AND i.id < :before_id))
    AND (:source = '' OR i.source = :source) AND (:state = '' OR i.state = :state)
    AND (:event = '' OR i.event = :event)
ORDER BY i.received_at DESC, i.id DESC LIMIT :n

-- name: answer_delivery
-- One delivery of the inbox.
SELECT i.id, i.source, i.key, i.event, i.received_at, i.state, i.reason, i.attempts
FROM inbox i WHERE i.id = :id

-- name: answer_delivery_counts
-- How many deliveries are in which state.
SELECT i.state, count(*) FROM inbox i GROUP BY i.state ORDER BY i.state

-- name: answer_services
-- The services that were ever deployed: names as first seen, where from, how often, and when last. What does not count is no number.
SELECT service, env, repository, source, min(service_shown), sum(counts), max(CASE WHEN counts = 1 THEN finished_at END)
FROM (
    SELECT d.service, d.env, d.repository, d.source, d.service_shown, d.finished_at, CASE WHEN d.id IN (
        SELECT u.deployment_id FROM change_set u WHERE u.merged_into IS NOT NULL OR u.not_computed = 'source_off'
    ) THEN 0 ELSE 1 END AS counts
    FROM deployment d WHERE d.gone = 0 AND d.finished_at >= :from_at AND d.finished_at < :to_at
) seen
GROUP BY service, env, repository, source
ORDER BY service, env, repository, source

-- name: answer_service_repositories
-- The repositories that a service was deployed from ('' without git data).
SELECT DISTINCT d.repository FROM deployment d WHERE d.service = :service AND d.gone = 0 ORDER BY d.repository
