-- name: source_switches
-- What somebody turned on or off.
SELECT name, selected_from, is_on, told_at, receipt FROM source_switch WHERE kind = :kind ORDER BY name

-- name: series_with_source
-- The series that a source deployed to.
SELECT DISTINCT service, env FROM deployment WHERE source = :source ORDER BY service, env

-- name: tombstone
-- When something was deleted.
SELECT received_at, receipt FROM tombstone WHERE kind = :kind AND id = :id

-- name: tombstones
-- Which of these were deleted.
SELECT id FROM tombstone WHERE kind = :kind AND id IN (:keys)

-- name: deployment_standing
-- Where a deployment stands, gone or not, and which receipt said so.
SELECT service, env, started_at, finished_at, gone, inferred_from, received_at, receipt FROM deployment WHERE id = :id

-- name: bury_deployment
-- A deployment was deleted.
UPDATE deployment SET gone = 1 WHERE id = :id

-- name: overrides_of
-- What people said of these deployments.
SELECT deployment_id, received_at, receipt, told_by, reason, change_failure, remediation_type, remediation_id
FROM deployment_override WHERE deployment_id IN (:keys)

-- name: series_overrides
-- What people said of the deployments of a series, and of those, of any series, that one of these is said to have mended.
SELECT o.deployment_id, o.received_at, o.receipt, o.told_by, o.reason, o.change_failure, o.remediation_type, o.remediation_id
FROM deployment_override o
WHERE o.deployment_id IN (
    SELECT p.deployment_id FROM deployment_override p JOIN deployment d ON d.id = p.deployment_id
    WHERE d.service = :service AND d.env = :env
    UNION ALL
    SELECT p.deployment_id FROM deployment_override p JOIN deployment d ON d.id = p.remediation_id
    WHERE p.remediation_id <> '' AND d.service = :service AND d.env = :env)

-- name: deployments_placed
-- The series of these deployments.
SELECT id, service, env FROM deployment WHERE id IN (:keys)

-- name: latest_of_version
-- The deployments of a version, the most recently finished first.
SELECT id FROM deployment WHERE service = :service AND env = :env AND version = :version AND gone = 0
ORDER BY finished_at DESC, started_at DESC, id DESC LIMIT 1

-- name: answer_merged
-- The deployments that another one stands for.
SELECT deployment_id FROM change_set WHERE merged_into = :id ORDER BY deployment_id

-- name: answer_kept_deployments
-- Of the deployments of a source that are there: how many, how many another one stands for, and how many of the others finished in time.
SELECT count(*), count(s.merged_into), coalesce(sum(CASE WHEN s.merged_into IS NULL AND d.finished_at >= :from_at THEN 1 ELSE 0 END), 0)
FROM deployment d LEFT JOIN change_set s ON s.deployment_id = d.id
WHERE d.gone = 0 AND d.source = :source

-- name: answer_kept_failures
-- Of the failures of a source that nobody deleted: how many, none of which another one stands for, and how many started in time.
SELECT count(*), 0, coalesce(sum(CASE WHEN f.started_at >= :from_at THEN 1 ELSE 0 END), 0) FROM failure f
WHERE f.source = :source AND NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.id = f.id
    AND (t.kind = 'failure' OR (t.kind = 'incident' AND f.source = 'incidents')))
