-- name: forge_issues_of
-- The issues of a repository of which somebody said more than that they are there.
SELECT repository_id, number, kind, title, labels, severity, state, created_at, closed_at, told_at, changes, unlabeled
FROM forge_issue WHERE repository_id = :repository_id AND (labels <> '[]' OR kind <> 'issue') ORDER BY number

-- name: repositories_with_issues
-- The repositories of which issues are known.
SELECT DISTINCT repository_id FROM forge_issue ORDER BY repository_id

-- name: repositories_with_issues_among
-- Of which of these repositories issues are known.
SELECT DISTINCT repository_id FROM forge_issue WHERE repository_id IN (:keys)

-- name: repositories_with_issues_at
-- The repositories of a forge of which issues are known.
SELECT DISTINCT i.repository_id FROM forge_issue i JOIN repository r ON r.id = i.repository_id
WHERE r.forge = :forge ORDER BY i.repository_id

-- name: issue_selection
-- Which issues of a forge are failures, if somebody said so.
SELECT labels, types FROM issue_selection WHERE source = :source

-- name: fingerprint_issue_selections
-- Which issues are failures, by forge.
SELECT source, labels, types, told_at FROM issue_selection ORDER BY source
