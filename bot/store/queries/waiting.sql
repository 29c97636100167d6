-- name: flagged_pull_requests
-- Pull requests that a rule took for a rollforward, open or merged.
SELECT p.repository_id, r.name, p.number, p.title, p.author, p.base_ref, p.labels, p.state, p.created_at, p.merged_at,
    f.rule, f.field, f.value, f.target, f.target_sha
FROM pull_request_flag f CROSS JOIN pull_request p JOIN repository r ON r.id = p.repository_id
WHERE f.rule <> '' AND p.repository_id = f.repository_id AND p.number = f.number
    AND (p.state = 'open' OR p.merged_at IS NOT NULL)
ORDER BY r.name, p.number

-- name: flagged_and_carried
-- Where deployments carried commits of flagged pull requests, and when last. CROSS JOIN: SQLite keeps its order, and few have a flag.
SELECT i.repository_id, i.number, d.env, d.source, max(d.finished_at)
FROM pull_request_flag f CROSS JOIN introduced i CROSS JOIN change c CROSS JOIN deployment d
WHERE f.rule <> '' AND i.repository_id = f.repository_id AND i.number = f.number
    AND c.repository_id = i.repository_id AND c.sha = i.sha AND d.id = c.deployment_id AND d.gone = 0
GROUP BY i.repository_id, i.number, d.env, d.source

-- name: unlisted_deployments
-- Deployments whose commits cannot be listed.
SELECT CASE WHEN s.repository <> '' THEN s.repository ELSE d.repository END, d.env, d.source, d.started_at, d.finished_at
FROM change_set s JOIN deployment d ON d.id = s.deployment_id
WHERE s.not_computed IN ('first_deployment', 'predecessor_too_old') AND d.gone = 0
