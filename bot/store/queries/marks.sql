-- name: upsert_mark
-- Mark a key dirty; the earliest instant wins, the version tells a running derivation that it is late.
INSERT INTO mark (stage, key, from_at, version, attempts, run_at, error)
VALUES (:stage, :key, :from_at, 1, 0, 0, '')
ON CONFLICT (stage, key) DO UPDATE
SET from_at = CASE WHEN excluded.from_at < mark.from_at THEN excluded.from_at ELSE mark.from_at END,
    version = mark.version + 1, attempts = 0, run_at = 0, error = ''

-- name: mark_link_readers
-- Mark dirty what was made from a fact, or from a range of them: flags of pull requests, and of series what a rule saw something in.
INSERT INTO mark (stage, key, from_at, version, attempts, run_at, error)
SELECT DISTINCT stage, CASE stage WHEN 'repository' THEN '[' || repository_id || ', ' || reader || ']' ELSE reader END,
    CASE stage WHEN 'repository' THEN 0 ELSE :latest END, 1, 0, 0, ''
FROM link_read WHERE repository_id = :repository_id AND about >= :first AND about <= :last
ON CONFLICT (stage, key) DO UPDATE
SET from_at = CASE WHEN excluded.from_at < mark.from_at THEN excluded.from_at ELSE mark.from_at END,
    version = mark.version + 1, attempts = 0, run_at = 0, error = ''

-- name: due_marks
-- What to derive next: rules, inferences, single pull requests, those of whole repositories, changes, classification; oldest instant first.
SELECT stage, key, from_at, version, attempts FROM mark WHERE run_at <= :now
ORDER BY CASE stage WHEN 'rules' THEN 0 WHEN 'series' THEN 0 WHEN 'inference' THEN 1 WHEN 'repository' THEN 2 WHEN 'repositories' THEN 3
    WHEN 'changes' THEN 4 ELSE 5 END, from_at, key LIMIT :n

-- name: due_others
-- The next of what is no single pull request.
SELECT stage, key, from_at, version, attempts FROM mark WHERE run_at <= :now AND stage <> 'repository'
ORDER BY CASE stage WHEN 'rules' THEN 0 WHEN 'series' THEN 0 WHEN 'inference' THEN 1 WHEN 'repositories' THEN 3 WHEN 'changes' THEN 4 ELSE 5 END,
    from_at, key LIMIT 1

-- name: next_mark_at
-- When the next postponed mark is due.
SELECT min(run_at) FROM mark

-- name: count_marks
-- How much is still to derive.
SELECT count(*) FROM mark

-- name: delete_mark
-- A derivation is done: gone only if nothing marked it again meanwhile.
DELETE FROM mark WHERE stage = :stage AND key = :key AND version = :version

-- name: advance_mark
-- A part of it is derived: the rest begins there.
UPDATE mark SET from_at = :from_at, version = version + 1, attempts = 0, error = ''
WHERE stage = :stage AND key = :key AND version = :version

-- name: postpone_mark
-- A derivation failed: try again later.
UPDATE mark SET attempts = attempts + 1, run_at = :run_at, error = :error WHERE stage = :stage AND key = :key

-- name: mark_now
-- A mark as it is now.
SELECT stage, key, from_at, version, attempts FROM mark WHERE stage = :stage AND key = :key

-- name: outdate_marks
-- Tell running derivations that what they read is old.
UPDATE mark SET version = version + 1
