-- name: brief_failures
-- What failures of a window are counted by, of those that nobody deleted, newest first.
SELECT f.id, f.source, f.severity, f.services, f.services_shown, f.teams, f.envs, f.envs_shown, f.tags, f.repository, f.started_at,
    f.finished_at, f.state, f.time_to_restore
FROM failure f
WHERE f.started_at >= :from_at AND f.started_at < :to_at
    AND NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.id = f.id
        AND (t.kind = 'failure' OR (t.kind = 'incident' AND f.source = 'incidents')))
ORDER BY f.started_at DESC, f.id DESC, f.source DESC

-- name: brief_open_failures
-- The same of failures that are not over, whenever they began.
SELECT f.id, f.source, f.severity, f.services, f.services_shown, f.teams, f.envs, f.envs_shown, f.tags, f.repository, f.started_at,
    f.finished_at, f.state, f.time_to_restore
FROM failure f
WHERE f.state <> 'resolved'
    AND NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.id = f.id
        AND (t.kind = 'failure' OR (t.kind = 'incident' AND f.source = 'incidents')))
ORDER BY f.started_at DESC, f.id DESC, f.source DESC

-- name: answer_failures_by_ids
-- The failures of these ids, one for each source that uses one.
SELECT f.id, f.source, f.services, f.services_shown, f.teams, f.envs, f.envs_shown, f.name, f.severity, f.version, f.repository,
    f.repository_url, f.commit_sha, f.started_at, f.finished_at, f.state, f.time_to_restore, f.tags, f.received_at
FROM failure f WHERE f.id IN (:keys)

-- name: deployments_around
-- The deployments of these services that finished in a period, both ends included.
SELECT d.id, d.env, d.finished_at FROM deployment d
WHERE d.service IN (:keys) AND d.gone = 0 AND d.finished_at >= :from_at AND d.finished_at <= :to_at

-- name: remediated_by
-- Which deployments these remediated.
SELECT r.deployment_id, r.target FROM remediation r WHERE r.deployment_id IN (:keys) AND r.target <> ''

-- name: later_in_series
-- The deployments of a series that finished at an instant or later, the earliest first.
SELECT d.id FROM deployment d
WHERE d.service = :service AND d.env = :env AND d.gone = 0 AND d.finished_at >= :from_at
ORDER BY d.finished_at, d.started_at, d.id LIMIT :n

-- name: mark_pending
-- Whether something is about to be derived again.
SELECT count(*) FROM mark WHERE stage = :stage AND key = :key

-- name: failures_inferred_from
-- What failures follow from.
SELECT f.source, f.id, f.inferred_from FROM failure f WHERE f.id IN (:keys) AND f.inferred_from <> ''

-- name: issue_states
-- When an issue was what.
SELECT i.state, i.created_at, i.told_at, i.changes FROM forge_issue i WHERE i.repository_id = :repository_id AND i.number = :number
