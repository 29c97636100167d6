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
