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
-- Every deployment that is there: its source, when it finished, and which one stands for it.
SELECT d.source, d.finished_at, s.merged_into FROM deployment d LEFT JOIN change_set s ON s.deployment_id = d.id
WHERE d.gone = 0

-- name: answer_kept_failures
-- Every failure that nobody deleted: its source, and when it started.
SELECT f.source, f.started_at, NULL FROM failure f
WHERE NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.id = f.id
    AND (t.kind = 'failure' OR (t.kind = 'incident' AND f.source = 'incidents')))
