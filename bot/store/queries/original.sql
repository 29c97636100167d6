-- name: original_deployments
-- Deployments by when they began, the latest first, from a key on; the window holds both its ends.
SELECT d.id, d.started_at FROM deployment d
WHERE d.started_at >= :from_at AND d.started_at <= :to_at AND d.gone = 0
    AND (d.started_at < :before_at OR (d.started_at = :before_at AND d.id < :before_id))
ORDER BY d.started_at DESC, d.id DESC LIMIT :n

-- name: original_deployments_of_service
-- All of one service, in the same order; the sum keeps engines from walking through everybody's in search of a few.
SELECT d.id FROM deployment d
WHERE d.service = :service AND d.started_at + 0 >= :from_at AND d.started_at + 0 <= :to_at AND d.gone = 0
ORDER BY d.started_at + 0 DESC, d.id DESC

-- name: original_averages
-- What the stages of these deployments' changes took on average.
SELECT c.deployment_id, CAST(avg(c.time_to_pr_ready) AS DOUBLE PRECISION), CAST(avg(c.review_time) AS DOUBLE PRECISION),
    CAST(avg(c.merge_time) AS DOUBLE PRECISION), CAST(avg(c.time_to_deploy) AS DOUBLE PRECISION),
    CAST(avg(c.deploy_time) AS DOUBLE PRECISION)
FROM change c WHERE c.deployment_id IN (:keys) GROUP BY c.deployment_id

-- name: original_pull_requests
-- Which pull requests the changes of these deployments came from.
SELECT DISTINCT c.deployment_id, c.repository_id, c.number FROM change c
WHERE c.number IS NOT NULL AND c.deployment_id IN (:keys)

-- name: ai_activity_of_users
-- On which days these users were active, and with which tools.
SELECT user_email, day, tool FROM ai_activity WHERE is_active = 1 AND user_email IN (:keys)

-- name: ai_activity_known
-- Whether anything was ever reported.
SELECT 1 FROM ai_activity ORDER BY user_email LIMIT 1

-- name: original_change_authors
-- Who wrote the changes of a service's deployments of a window, and when.
SELECT g.author, g.authored_second * 1000000000, count(*) FROM deployment d
JOIN change c ON c.deployment_id = d.id
JOIN git_commit g ON g.repository_id = c.repository_id AND g.sha = c.sha
WHERE d.service = :service AND d.finished_at >= :from_at AND d.finished_at < :to_at AND d.gone = 0
GROUP BY g.author, g.authored_second ORDER BY g.author, g.authored_second

-- name: fingerprint_ai_activity
-- What users did with AI tools.
SELECT user_email, day, tool, is_active, models FROM ai_activity ORDER BY user_email, day, tool
