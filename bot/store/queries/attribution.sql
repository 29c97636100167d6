-- name: attribution_carried
-- The deployments of these services that carried a commit or a version, also where another source's word of the release said so.
SELECT d.id FROM deployment d LEFT JOIN change_set s ON s.deployment_id = d.id
WHERE d.service IN (:keys) AND d.gone = 0
    AND (d.commit_sha = :sha OR s.commit_sha = :sha OR (:version <> '' AND (d.version = :version OR s.version = :version)))

-- name: attribution_finished
-- The deployments of these services that finished in a period, both ends included.
SELECT d.id FROM deployment d
WHERE d.service IN (:keys) AND d.gone = 0 AND d.finished_at >= :from_at AND d.finished_at <= :to_at

-- name: attribution_remediated
-- The deployments that one of these services' deployments remediated in a period, both ends included.
SELECT r.target FROM deployment d JOIN remediation r ON r.deployment_id = d.id
WHERE d.service IN (:keys) AND d.gone = 0 AND d.finished_at >= :from_at AND d.finished_at <= :to_at

-- name: attribution_teams
-- Which services teams have: by definition, and by what their deployments say.
SELECT f.service, f.team FROM definition f WHERE f.team <> ''
UNION
SELECT d.service, d.team FROM deployment d WHERE d.gone = 0 AND d.team <> ''
