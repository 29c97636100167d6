-- name: installations
-- All installations of the GitHub App.
SELECT id, account, state, state_at, permissions, events, told_at FROM installation ORDER BY id

-- name: forge_deployments
-- What a forge told of these deployments.
SELECT repository_id, forge_id, environment, sha, ref, created_at, states FROM forge_deployment
WHERE repository_id = :repository_id AND forge_id IN (:keys)

-- name: forge_releases
-- What a forge told of these releases.
SELECT repository_id, forge_id, tag, name, state, published_at, told_at FROM forge_release
WHERE repository_id = :repository_id AND forge_id IN (:keys)

-- name: forge_issues
-- What a forge told of these issues.
SELECT repository_id, number, kind, title, labels, severity, state, created_at, closed_at, told_at, changes, unlabeled
FROM forge_issue WHERE repository_id = :repository_id AND number IN (:keys)

-- name: test_merges
-- Which of these commits a forge made to try a pull request out, and the heads that they stand for.
SELECT sha, head_sha, number, at FROM test_merge WHERE repository_id = :repository_id AND sha IN (:keys)

-- name: test_merges_with_heads
-- The test merges that stand for these commits.
SELECT sha FROM test_merge WHERE repository_id = :repository_id AND head_sha IN (:keys)

-- name: test_merge_deployed
-- The pull requests whose test merge this is, in the repositories that a name ever meant, if the head is not there yet.
SELECT t.repository_id, t.number, r.forge FROM test_merge t
JOIN repository_name n ON n.repository_id = t.repository_id AND n.name = :name
JOIN repository r ON r.id = t.repository_id
WHERE t.sha = :sha AND NOT EXISTS (
    SELECT 1 FROM git_commit c WHERE c.repository_id = t.repository_id AND c.sha = t.head_sha AND c.completeness > 0)
ORDER BY t.repository_id

-- name: deployments_of_test_merges
-- Who deployed these commits from the repository, under any of its names, and which forge it lies on.
SELECT d.service, d.env, d.finished_at, d.commit_sha, r.forge FROM deployment d
JOIN repository r ON r.id = :repository_id
WHERE d.repository IN (SELECT n.name FROM repository_name n WHERE n.repository_id = :repository_id)
    AND d.commit_sha IN (:keys)

-- name: push_bases
-- Where a branch stood before it was pushed to this commit.
SELECT before FROM push_base WHERE repository_id = :repository_id AND after = :after AND ref = :ref ORDER BY before

-- name: fingerprint_names
-- Which repository every name meant, and why.
SELECT n.name, n.from_at, n.told, r.name, r.forge, r.forge_id, r.default_branch
FROM repository_name n JOIN repository r ON r.id = n.repository_id ORDER BY n.name, n.from_at, n.told, r.name

-- name: fingerprint_namespaces
-- Every renamed namespace.
SELECT old, new, at FROM namespace_rename ORDER BY old, at, new

-- name: fingerprint_states
-- What forges say of every repository beyond its name.
SELECT r.name, f.installation_id, f.state, f.state_at, f.told_at
FROM forge_repository f JOIN repository r ON r.id = f.repository_id ORDER BY r.name

-- name: fingerprint_installations
-- Every installation.
SELECT id, account, state, state_at, permissions, events, told_at FROM installation ORDER BY id

-- name: fingerprint_forge_deployments
-- Every deployment that a forge told of.
SELECT r.name, d.forge_id, d.environment, d.sha, d.ref, d.created_at, d.states
FROM forge_deployment d JOIN repository r ON r.id = d.repository_id ORDER BY r.name, d.forge_id

-- name: fingerprint_releases
-- Every release.
SELECT r.name, e.forge_id, e.tag, e.name, e.state, e.published_at, e.told_at
FROM forge_release e JOIN repository r ON r.id = e.repository_id ORDER BY r.name, e.forge_id

-- name: fingerprint_issues
-- Every issue and incident.
SELECT r.name, i.number, i.kind, i.title, i.labels, i.severity, i.state, i.created_at, i.closed_at, i.told_at, i.changes, i.unlabeled
FROM forge_issue i JOIN repository r ON r.id = i.repository_id ORDER BY r.name, i.number

-- name: fingerprint_push_bases
-- Where branches stood before pushes.
SELECT r.name, b.after, b.ref, b.before
FROM push_base b JOIN repository r ON r.id = b.repository_id ORDER BY r.name, b.after, b.ref, b.before

-- name: fingerprint_test_merges
-- Every test merge.
SELECT r.name, t.sha, t.head_sha, t.number, t.at
FROM test_merge t JOIN repository r ON r.id = t.repository_id ORDER BY r.name, t.sha
