-- name: test_meta
-- All of meta.
SELECT name, value FROM meta ORDER BY name

-- name: test_value
-- One value of meta.
SELECT value FROM meta WHERE name = :name

-- name: test_values_in
-- Some of meta.
SELECT name, value FROM meta WHERE name IN (:keys) AND value <> :other

-- name: test_set
-- Change a value of meta.
UPDATE meta SET value = :value WHERE name = :name

-- name: test_refs
-- All refs, as they are.
SELECT repository_id, name, sha, tagged_at FROM git_ref ORDER BY repository_id, name

-- name: test_commits
-- All commits, in part.
SELECT n, sha, completeness, subject FROM git_commit ORDER BY repository_id, sha

-- name: test_numbers
-- What the engines could answer differently: a sum, a truth, a parameter without a type, a percent sign.
SELECT sum(tagged_at), count(*) > 1, :nothing IS NULL, '100% :nothing' FROM git_ref

-- name: test_state
-- What lies in the inbox.
SELECT id, key, state, reason, attempts, run_at, received_at, body, encoding FROM inbox ORDER BY id

-- name: test_end
-- As a worker that gave up leaves a delivery.
UPDATE inbox SET state = :state, reason = 'because', attempts = 9, run_at = 0, body = :body, encoding = :encoding WHERE key = :key

-- name: test_move_sequence
-- A statement that fails for a missing name.
UPDATE sequence SET next = :next WHERE name = :name
