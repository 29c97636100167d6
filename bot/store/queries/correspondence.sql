-- name: upsert_errand
-- Wish for an errand. A finished one begins anew; one that is being carried out (its instant is ahead, without an error) goes on and
-- is repeated for the new version; one that was refused waits for its day.
INSERT INTO errand (key, kind, forge, owner, repository_id, since, cursor, reading, began_at, done, total, urgent, version,
    attempts, run_at, error)
VALUES (:key, :kind, :forge, :owner, :repository_id, :since, '', 0, NULL, 0, NULL, :urgent, 1, 0, :now, '')
ON CONFLICT (key) DO UPDATE SET
    owner = excluded.owner,
    since = CASE WHEN errand.run_at = :never THEN excluded.since WHEN errand.since IS NULL OR excluded.since IS NULL THEN NULL
        WHEN excluded.since < errand.since THEN excluded.since ELSE errand.since END,
    urgent = CASE WHEN errand.run_at = :never OR excluded.urgent > errand.urgent THEN excluded.urgent ELSE errand.urgent END,
    done = CASE WHEN errand.run_at = :never THEN 0 ELSE errand.done END,
    total = CASE WHEN errand.run_at = :never THEN NULL ELSE errand.total END,
    version = errand.version + 1,
    run_at = CASE WHEN errand.run_at = :never THEN :now WHEN errand.error = '' AND errand.run_at > :now THEN errand.run_at
        WHEN errand.error >= :refused AND errand.error < :after_refused THEN errand.run_at ELSE :now END

-- name: due_errands
-- What is due, live before backfill, at most so many of each owner.
SELECT key, kind, forge, owner, repository_id, since, cursor, reading, began_at, done, total, urgent, version, attempts, run_at, error
FROM (SELECT e.*, row_number() OVER (PARTITION BY forge, owner ORDER BY urgent DESC, run_at, key) AS place
    FROM errand e WHERE run_at <= :now) due
WHERE place <= :n ORDER BY urgent DESC, place, run_at, key

-- name: errands_by_key
-- These errands.
SELECT key, kind, forge, owner, repository_id, since, cursor, reading, began_at, done, total, urgent, version, attempts, run_at, error
FROM errand WHERE key IN (:keys)

-- name: lock_due_errands
-- Which of these are still due.
SELECT key FROM errand WHERE key IN (:keys) AND run_at <= :now

-- name: lock_due_errands (postgres)
-- Which of these are still due and in nobody else's hands.
SELECT key FROM errand WHERE key IN (:keys) AND run_at <= :now FOR UPDATE SKIP LOCKED

-- name: lease_errand
-- It is being carried out; should that process die, it is due again then.
UPDATE errand SET run_at = :until, error = '' WHERE key = :key

-- name: advance_errand
-- A page was recorded.
UPDATE errand SET cursor = :cursor, reading = :reading, began_at = :began_at, done = done + :done, total = :total, attempts = 0,
    run_at = :now, error = '' WHERE key = :key AND cursor = :old AND run_at < :never

-- name: complete_errand
-- All pages were recorded; the row stays to tell so.
UPDATE errand SET cursor = '', reading = :reading, began_at = :began_at, done = done + :done, total = done + :done, attempts = 0,
    run_at = :never, error = '' WHERE key = :key AND cursor = :old AND version = :reading AND run_at < :never

-- name: delete_errand
-- All pages were recorded, and nobody wished again meanwhile.
DELETE FROM errand WHERE key = :key AND version = :reading

-- name: repeat_errand
-- All pages were recorded, but somebody wished again meanwhile.
UPDATE errand SET cursor = '', began_at = NULL, done = 0, total = NULL, attempts = :attempts, run_at = :run_at, error = ''
WHERE key = :key AND version > :reading

-- name: postpone_errand
-- It could not be carried out: what was wrong, and when to try again.
UPDATE errand SET attempts = :attempts, run_at = :run_at, error = :error WHERE key = :key

-- name: drop_errand
-- What it is about is not there.
DELETE FROM errand WHERE key = :key

-- name: retry_refused_errands
-- What was refused is due at once.
UPDATE errand SET run_at = :now WHERE forge = :forge AND run_at > :now AND error >= :refused AND error < :after_refused

-- name: retry_refused_messages
-- What was refused is due at once.
UPDATE outbox SET run_at = :now
WHERE forge = :forge AND said < wanted AND run_at > :now AND error >= :refused AND error < :after_refused

-- name: upsert_message
-- Wish that something be said; what was refused waits for its day.
INSERT INTO outbox (key, kind, forge, repository_id, subject, wanted, said, digest, remote, attempts, run_at, error)
VALUES (:key, :kind, :forge, :repository_id, :subject, 1, 0, '', '', 0, :now, '')
ON CONFLICT (key) DO UPDATE SET
    subject = excluded.subject, wanted = outbox.wanted + 1,
    run_at = CASE WHEN outbox.error = '' AND outbox.run_at > :now THEN outbox.run_at
        WHEN outbox.error >= :refused AND outbox.error < :after_refused THEN outbox.run_at ELSE :now END

-- name: due_messages
-- What is to be said now, the longest waiting first.
SELECT o.key, o.kind, o.forge, o.repository_id, coalesce(r.name, ''), o.subject, o.wanted, o.said, o.digest, o.remote, o.attempts,
    o.run_at, o.error FROM outbox o LEFT JOIN repository r ON r.id = o.repository_id
WHERE o.said < o.wanted AND o.run_at <= :now ORDER BY o.run_at, o.key LIMIT :n

-- name: messages_by_key
-- These messages.
SELECT o.key, o.kind, o.forge, o.repository_id, coalesce(r.name, ''), o.subject, o.wanted, o.said, o.digest, o.remote, o.attempts,
    o.run_at, o.error FROM outbox o LEFT JOIN repository r ON r.id = o.repository_id
WHERE o.key IN (:keys)

-- name: lock_due_messages
-- Which of these are still due.
SELECT key FROM outbox WHERE key IN (:keys) AND said < wanted AND run_at <= :now

-- name: lock_due_messages (postgres)
-- Which of these are still due and in nobody else's hands.
SELECT key FROM outbox WHERE key IN (:keys) AND said < wanted AND run_at <= :now FOR UPDATE SKIP LOCKED

-- name: lease_message
-- It is being said; should that process die, it is due again then.
UPDATE outbox SET run_at = :until, error = '' WHERE key = :key

-- name: record_said
-- It was said.
UPDATE outbox SET said = :said, digest = :digest, remote = :remote, attempts = 0, run_at = :now, error = ''
WHERE key = :key AND said < :said

-- name: postpone_message
-- It could not be said: what was wrong, and when to try again.
UPDATE outbox SET attempts = :attempts, run_at = :run_at, error = :error WHERE key = :key

-- name: drop_message
-- Nobody is there to say it to.
UPDATE outbox SET said = :said, error = :error, attempts = 0 WHERE key = :key

-- name: forget_message
-- It had its effect.
DELETE FROM outbox WHERE key = :key

-- name: hooks
-- Where webhooks come from.
SELECT forge, id, subject, state, reason, read_from, checked_at, arrived_at, gaps, repaired FROM hook ORDER BY forge, id

-- name: upsert_hook
-- What a forge says of a hook now; that its deliveries fail is known from its log, and stays until that says otherwise.
INSERT INTO hook (forge, id, subject, state, reason, read_from, checked_at, arrived_at, gaps, repaired)
VALUES (:forge, :id, :subject, :state, :reason, NULL, NULL, NULL, 0, 0)
ON CONFLICT (forge, id) DO UPDATE SET subject = excluded.subject,
    state = CASE WHEN hook.state = 'failing' AND excluded.state = 'active' THEN hook.state ELSE excluded.state END,
    reason = CASE WHEN hook.state = 'failing' AND excluded.state = 'active' THEN hook.reason ELSE excluded.reason END

-- name: set_hook_state
-- How a hook is.
UPDATE hook SET state = :state, reason = :reason WHERE forge = :forge AND id = :id

-- name: count_gaps
-- What a page of a hook's log showed.
UPDATE hook SET gaps = gaps + :gaps, repaired = repaired + :repaired,
    arrived_at = CASE WHEN arrived_at IS NULL OR arrived_at < :arrived_at THEN :arrived_at ELSE arrived_at END
WHERE forge = :forge AND id = :id

-- name: finish_reading
-- A hook's log was read to its end.
UPDATE hook SET checked_at = :checked_at, read_from = :read_from WHERE forge = :forge AND id = :id

-- name: receipts_known
-- Which of these deliveries are in the inbox, and since when.
SELECT key, received_at FROM inbox WHERE source = :source AND key IN (:keys)

-- name: repository_to_ask
-- What a forge is asked with about a repository: its name, its number there, the installation that may read it.
SELECT r.name, r.forge_id, coalesce(f.installation_id, '') FROM repository r
LEFT JOIN forge_repository f ON f.repository_id = r.id WHERE r.id = :id

-- name: repositories_to_welcome
-- Repositories that a forge lets us read and whose pull requests (or issues) nobody has asked for yet.
SELECT r.id, r.name FROM repository r JOIN forge_repository f ON f.repository_id = r.id
WHERE r.forge = :forge AND f.state IN ('active', 'archived') AND (f.installation_id <> '' OR r.forge <> 'github') AND NOT EXISTS (
    SELECT 1 FROM errand e WHERE e.key = :kind || '/' || r.forge || '/' || CAST(r.id AS TEXT) || '/')
ORDER BY r.id LIMIT :n

-- name: repositories_readable
-- The repositories that forges let us read.
SELECT r.id, r.name, r.forge FROM repository r JOIN forge_repository f ON f.repository_id = r.id
WHERE f.state IN ('active', 'archived') AND (f.installation_id <> '' OR r.forge <> 'github') ORDER BY r.name

-- name: drop_errands_of_absent
-- Repositories that we may not read any more: should they come back, they are welcomed anew.
DELETE FROM errand WHERE forge = :forge
AND repository_id IN (SELECT repository_id FROM forge_repository WHERE state IN ('deleted', 'removed'))

-- name: repositories_of_forge
-- The repositories that a forge lets us read and that may still change, after this one.
SELECT r.id, r.name, r.forge_id FROM repository r JOIN forge_repository f ON f.repository_id = r.id
WHERE r.forge = :forge AND f.state = 'active' AND (f.installation_id <> '' OR r.forge <> 'github') AND r.id > :after ORDER BY r.id LIMIT :n

-- name: first_receipt_since
-- When the first delivery of a source came since an instant.
SELECT min(received_at) FROM inbox WHERE source = :source AND received_at >= :since

-- name: correspondence_waiting
-- How many errands and messages are due, and since when the oldest.
SELECT count(CASE WHEN what = 'errand' THEN 1 END), count(CASE WHEN what = 'message' THEN 1 END), min(run_at) FROM (
    SELECT 'errand' AS what, run_at FROM errand WHERE run_at <= :now
    UNION ALL SELECT 'message' AS what, run_at FROM outbox WHERE said < wanted AND run_at <= :now) waiting

-- name: correspondence_in_trouble
-- What failed when it was last tried.
SELECT t.key, t.forge, coalesce(r.name, ''), t.attempts, t.run_at, t.error FROM (
    SELECT key, forge, repository_id, attempts, run_at, error FROM errand WHERE error <> ''
    UNION ALL SELECT key, forge, repository_id, attempts, run_at, error FROM outbox WHERE error <> '') t
LEFT JOIN repository r ON r.id = t.repository_id ORDER BY t.run_at DESC, t.key LIMIT :n
