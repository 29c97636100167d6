-- name: due_deliveries
-- The deliveries to process now, oldest first.
SELECT id, source, event, received_at, headers, body, encoding, attempts FROM inbox
WHERE state IN ('received', 'failed') AND run_at <= :now ORDER BY run_at, id LIMIT :n

-- name: lock_due_deliveries
-- Which of these are still due.
SELECT id FROM inbox WHERE id IN (:keys) AND state IN ('received', 'failed') AND run_at <= :now

-- name: lock_due_deliveries (postgres)
-- Which of these are still due and in nobody else's hands.
SELECT id FROM inbox WHERE id IN (:keys) AND state IN ('received', 'failed') AND run_at <= :now FOR UPDATE SKIP LOCKED

-- name: next_delivery_at
-- When the next postponed delivery is due.
SELECT min(run_at) FROM inbox WHERE state IN ('received', 'failed')

-- name: finish_delivery
-- What became of a delivery; its body is kept, compressed.
UPDATE inbox SET state = :state, reason = :reason, body = :body, encoding = :encoding, attempts = attempts + 1 WHERE id = :id

-- name: fail_delivery
-- A delivery failed: try again later, or never.
UPDATE inbox SET state = :state, reason = :reason, run_at = :run_at, attempts = attempts + 1 WHERE id = :id
AND state IN ('received', 'failed')

-- name: bodies_to_drop
-- Retention: bodies whose time is over, after this place in the order of arrival.
SELECT received_at, id FROM inbox WHERE state IN (:state, :also) AND received_at < :before AND body <> :empty
AND received_at >= :after ORDER BY received_at, id LIMIT :n

-- name: drop_body
-- Forget a body.
UPDATE inbox SET body = :empty, encoding = '' WHERE id = :id

-- name: deliveries_to_drop
-- Retention: keys whose time is over.
SELECT id FROM inbox WHERE state IN ('done', 'ignored', 'dead') AND received_at < :before ORDER BY received_at, id LIMIT :n

-- name: drop_delivery
-- Forget a delivery; the same id would be taken for a new one from now on.
DELETE FROM inbox WHERE id = :id

-- name: replay_delivery
-- Process a delivery again, from its stored body.
UPDATE inbox SET state = 'received', run_at = :now, attempts = 0, reason = '' WHERE id = :id AND body <> :empty

-- name: delivery_attempts
-- How often these were tried, of those that still have to be.
SELECT id, attempts FROM inbox WHERE id IN (:keys) AND state IN ('received', 'failed')

-- name: work_due
-- How much waits to be done now: deliveries, marks, uploads, fetches.
SELECT (SELECT count(*) FROM inbox WHERE state IN ('received', 'failed') AND run_at <= :now)
    + (SELECT count(*) FROM mark WHERE run_at <= :now)
    + (SELECT count(*) FROM upload_pack WHERE state = 'received' AND run_at <= :now)
    + (SELECT count(*) FROM fetch f WHERE f.run_at <= :now AND NOT EXISTS (
        SELECT 1 FROM forge_repository s JOIN repository r ON r.id = s.repository_id
        LEFT JOIN installation i ON i.id = s.installation_id
        WHERE s.repository_id = f.repository_id AND r.is_local = 0
            AND (s.state IN ('deleted', 'removed') OR i.state IN ('suspended', 'deleted'))))
