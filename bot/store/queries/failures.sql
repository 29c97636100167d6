-- name: answer_failures
-- Failures of a window that nobody deleted, newest first, from a key on; an empty text asks for all sources.
SELECT f.id, f.source, f.services, f.services_shown, f.teams, f.envs, f.envs_shown, f.name, f.severity, f.version, f.repository,
    f.repository_url, f.commit_sha, f.started_at, f.finished_at, f.state, f.time_to_restore, f.tags, f.received_at
FROM failure f
WHERE f.started_at >= :from_at AND f.started_at < :to_at
    AND (f.started_at < :before_at OR (f.started_at = :before_at AND f.id < :before_id)
        OR (f.started_at = :before_at AND f.id = :before_id AND f.source < :before_source))
    AND (:source = '' OR f.source = :source)
    AND NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.id = f.id
        AND (t.kind = 'failure' OR (t.kind = 'incident' AND f.source = 'incidents')))
ORDER BY f.started_at DESC, f.id DESC, f.source DESC LIMIT :n

-- name: answer_failures_by_id
-- The failures of an id that nobody deleted, one for each source that uses it.
SELECT f.id, f.source, f.services, f.services_shown, f.teams, f.envs, f.envs_shown, f.name, f.severity, f.version, f.repository,
    f.repository_url, f.commit_sha, f.started_at, f.finished_at, f.state, f.time_to_restore, f.tags, f.received_at
FROM failure f
WHERE f.id = :id AND NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.id = f.id
    AND (t.kind = 'failure' OR (t.kind = 'incident' AND f.source = 'incidents')))
ORDER BY f.source

-- name: answer_failures_naming
-- The failures that name this commit or this version and that nobody deleted, newest first.
SELECT f.id, f.source, f.services, f.services_shown, f.teams, f.envs, f.envs_shown, f.name, f.severity, f.version, f.repository,
    f.repository_url, f.commit_sha, f.started_at, f.finished_at, f.state, f.time_to_restore, f.tags, f.received_at
FROM failure f
WHERE (f.commit_sha = :sha OR (:version <> '' AND f.version = :version))
    AND NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.id = f.id
        AND (t.kind = 'failure' OR (t.kind = 'incident' AND f.source = 'incidents')))
ORDER BY f.started_at DESC, f.id DESC, f.source DESC

-- name: answer_first_failure
-- When the first failure of a source began that nobody deleted, from an instant on.
SELECT f.started_at FROM failure f
WHERE f.source = :source AND f.started_at >= :from_at AND NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.id = f.id
    AND (t.kind = 'failure' OR (t.kind = 'incident' AND f.source = 'incidents')))
ORDER BY f.started_at LIMIT 1

-- name: services_of_failures
-- The services that failures of this id name, deleted or not.
SELECT f.services FROM failure f WHERE f.id = :id ORDER BY f.source

-- name: inferred_failures
-- The failures that follow from a subject, as they are stored.
SELECT id, source, services, services_shown, teams, envs, envs_shown, name, severity, version, repository, repository_url, commit_sha,
    started_at, finished_at, state, time_to_restore, tags, received_at, receipt, inferred_from
FROM failure WHERE inferred_from = :inferred_from AND inferred_from <> '' ORDER BY source, id

-- name: delete_inferred_failure
-- It does not follow any more.
DELETE FROM failure WHERE id = :id AND source = :source AND inferred_from <> ''

-- name: definitions_of_services
-- What the definitions of these services give to their events.
SELECT f.service, f.team, f.tags, f.languages FROM definition f WHERE f.service IN (:keys)

-- name: incident_known
-- One incident that nobody deleted: its id, its number, and when it was made.
SELECT i.id, i.public_id, i.created_at FROM incident i
WHERE i.id = :id AND NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.kind = 'incident' AND t.id = i.id)

-- name: answer_incidents
-- All incidents that nobody deleted, the newest first.
SELECT i.id, i.public_id, i.created_at FROM incident i
WHERE NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.kind = 'incident' AND t.id = i.id)
ORDER BY i.created_at DESC, i.public_id DESC

-- name: incident_events
-- What was said of these incidents.
SELECT e.incident_id, e.received_at, e.receipt, e.body FROM incident_event e WHERE e.incident_id IN (:keys)

-- name: fingerprint_failures
-- Every failure as recorded.
SELECT id, source, services, services_shown, teams, envs, envs_shown, name, severity, version, repository, repository_url, commit_sha,
    started_at, finished_at, state, time_to_restore, tags, received_at
FROM failure ORDER BY source, id

-- name: fingerprint_incidents
-- Everything that was said of incidents.
SELECT i.id, i.created_at, e.received_at, e.body FROM incident i JOIN incident_event e ON e.incident_id = i.id
ORDER BY i.id, e.received_at, e.receipt
