-- name: series_predecessors
-- Which deployment each one of a series was compared with.
SELECT s.deployment_id, s.predecessor FROM change_set s JOIN deployment d ON d.id = s.deployment_id
WHERE d.service = :service AND d.env = :env

-- name: answer_rule_counts
-- How many deployments each rule found to mend an earlier one, of one service or ('') of all, and when the last did.
SELECT r.rule, count(DISTINCT r.deployment_id), max(d.finished_at) FROM remediation r JOIN deployment d ON d.id = r.deployment_id
WHERE d.finished_at >= :from_at AND d.finished_at < :to_at AND (:service = '' OR d.service = :service)
GROUP BY r.rule ORDER BY r.rule

-- name: answer_rework
-- The flags of rollforwards that mend nothing.
SELECT c.flags, d.finished_at FROM classification c JOIN deployment d ON d.id = c.deployment_id
WHERE d.finished_at >= :from_at AND d.finished_at < :to_at AND (:service = '' OR d.service = :service)
    AND c.type = 'rollforward' AND NOT EXISTS (SELECT 1 FROM remediation r WHERE r.deployment_id = c.deployment_id)
ORDER BY d.finished_at
