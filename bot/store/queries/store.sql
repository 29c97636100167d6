-- name: append_receipt
-- A receipt into the inbox, unless its sender's key is there.
INSERT INTO inbox (id, source, key, event, received_at, headers, body, encoding, state, reason, attempts, run_at)
VALUES (:id, :source, :key, :event, :received_at, :headers, :body, '', 'received', '', 0, :received_at)
ON CONFLICT (source, key) DO NOTHING

-- name: find_receipt
-- Where a sender's key lies, and in what state.
SELECT id, state FROM inbox WHERE source = :source AND key = :key

-- name: revive_receipt
-- A failed or dead delivery came again: it is due at once; its instant and order stay, a body dropped for its age is filled again.
UPDATE inbox
SET state = 'received', reason = '', attempts = 0, run_at = :now,
    encoding = CASE WHEN length(body) = 0 THEN '' ELSE encoding END,
    body = CASE WHEN length(body) = 0 THEN :body ELSE body END
WHERE id = :id AND state IN ('failed', 'dead')

-- name: next_in_sequence
-- The number a sequence gives next.
SELECT next FROM sequence WHERE name = :name

-- name: advance_sequence
-- Numbers up to here are given; a sequence never goes back.
INSERT INTO sequence (name, next) VALUES (:name, :next)
ON CONFLICT (name) DO UPDATE SET next = excluded.next WHERE excluded.next > sequence.next

-- name: take_from_sequence
-- Take n numbers; what is returned is the number after them.
INSERT INTO sequence (name, next) VALUES (:name, 1 + :n)
ON CONFLICT (name) DO UPDATE SET next = sequence.next + :n RETURNING next

-- name: lock_key (postgres)
-- Hold a key until the transaction ends.
SELECT 1 FROM (SELECT pg_advisory_xact_lock(:key::bigint)) held

-- name: draw_inbox_ids (postgres)
-- Numbers for the inbox.
SELECT min(id), max(id) FROM (SELECT nextval('inbox_id') AS id FROM generate_series(1, :n::bigint)) drawn

-- name: transaction_id (postgres)
-- What the server calls this transaction, if it has written anything.
SELECT pg_current_xact_id_if_assigned()::text

-- name: transaction_state (postgres)
-- What became of a transaction.
SELECT pg_xact_status(:id::xid8)

-- name: insert_receipts (postgres)
-- A group of receipts into the inbox; those whose sender's key is there are not returned.
WITH added AS (
    INSERT INTO inbox (id, source, key, event, received_at, headers, body, encoding, state, reason, attempts, run_at)
    SELECT nextval('inbox_id'), source, key, event, received_at, headers, body, '', 'received', '', 0, received_at
    FROM unnest(:sources::text[], :keys_::text[], :events::text[], :instants::bigint[], :headers::text[], :bodies::bytea[])
        WITH ORDINALITY AS given (source, key, event, received_at, headers, body, n)
    ORDER BY n
    ON CONFLICT (source, key) DO NOTHING
    RETURNING id, source, key)
SELECT id, source, key, pg_notify('inbox', '') FROM added ORDER BY id
