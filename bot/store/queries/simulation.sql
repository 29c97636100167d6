-- name: series_predecessors
-- Which deployment each one of a series was compared with.
SELECT s.deployment_id, s.predecessor FROM change_set s JOIN deployment d ON d.id = s.deployment_id
WHERE d.service = :service AND d.env = :env

-- name: answer_rule_counts
-- How many deployments each rule found to mend an earlier one, or to be rework, of one service or ('') of all, and when the last did.
SELECT r.rule, count(DISTINCT r.deployment_id), max(d.finished_at) FROM remediation r JOIN deployment d ON d.id = r.deployment_id
WHERE d.finished_at >= :from_at AND d.finished_at < :to_at AND (:service = '' OR d.service = :service)
GROUP BY r.rule ORDER BY r.rule

-- name: trial_changes
-- What the deployments of a window carried, of one service or ('') of all.
SELECT d.service, d.env, c.repository_id, c.sha, c.original_of, c.number FROM deployment d JOIN change c ON c.deployment_id = d.id
WHERE d.finished_at >= :from_at AND d.finished_at < :to_at AND (:service = '' OR d.service = :service)

-- name: trial_versions
-- Which versions were deployed in a window.
SELECT DISTINCT service, env, version FROM deployment
WHERE finished_at >= :from_at AND finished_at < :to_at AND (:service = '' OR service = :service) AND version <> ''

-- name: trial_pull_requests
-- What rules may read of pull requests.
SELECT number, title, body, head_ref, labels FROM pull_request WHERE repository_id = :repository_id AND number IN (:keys)

-- name: trial_corrected
-- The series in which people corrected a deployment, or named one as remediation.
SELECT d.service, d.env FROM deployment_override o JOIN deployment d ON d.id = o.deployment_id
UNION SELECT d.service, d.env FROM deployment_override o JOIN deployment d ON d.id = o.remediation_id

-- name: answer_deciding_rules
-- Which rules decided what the deployments of a window are.
SELECT DISTINCT r.deployment_id, r.rule FROM remediation r JOIN deployment d ON d.id = r.deployment_id
WHERE d.finished_at >= :from_at AND d.finished_at < :to_at ORDER BY r.deployment_id, r.rule
