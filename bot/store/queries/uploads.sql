-- name: due_uploads
-- What was pushed and has packs to look at now, the longest waiting first.
SELECT repository_id, pushed_sha FROM upload_pack WHERE state = 'received' AND run_at <= :now
GROUP BY repository_id, pushed_sha ORDER BY min(run_at), repository_id, pushed_sha

-- name: packs_of_push
-- The packs of one push that were not refused.
SELECT pack_id, received_at, state, attempts FROM upload_pack
WHERE repository_id = :repository_id AND pushed_sha = :pushed_sha AND state <> 'refused' ORDER BY received_at, pack_id

-- name: packs_kept
-- The packs of a repository that were taken in, the oldest first.
SELECT pack_id, size, pushed_sha, received_at FROM upload_pack WHERE repository_id = :repository_id AND state = 'done' AND length(pushed_sha) = :sha_size ORDER BY received_at, pack_id

-- name: pack_body
-- A pack as received.
SELECT body FROM upload_pack WHERE repository_id = :repository_id AND pack_id = :pack_id

-- name: begin_pack
-- A pack is looked at once more.
UPDATE upload_pack SET attempts = attempts + 1, run_at = :run_at
WHERE repository_id = :repository_id AND pack_id = :pack_id AND state = 'received'

-- name: postpone_push
-- What waits of a push has to wait longer, and why.
UPDATE upload_pack SET reason = :reason, run_at = :run_at, attempts = 0
WHERE repository_id = :repository_id AND pushed_sha = :pushed_sha AND state = 'received'

-- name: finish_pack
-- A pack was taken in; not if it was sent again meanwhile.
UPDATE upload_pack SET state = 'done', reason = '', objects = :objects, commits = :commits
WHERE repository_id = :repository_id AND pack_id = :pack_id AND received_at = :received_at AND state = 'received'

-- name: refuse_pack
-- A pack was refused, and why; its contents go.
UPDATE upload_pack SET state = 'refused', reason = :reason, body = :empty
WHERE repository_id = :repository_id AND pack_id = :pack_id AND received_at = :received_at AND state = 'received'

-- name: forget_pack
-- A pack whose contents are in another one now.
DELETE FROM upload_pack WHERE repository_id = :repository_id AND pack_id = :pack_id AND state = 'done'

-- name: upload_commits_known
-- What is known of these uploaded commits.
SELECT sha, usable, whole FROM upload_commit WHERE repository_id = :repository_id AND sha IN (:keys)

-- name: upload_commits_open
-- Uploaded commits whose parents or changed paths are not known yet.
SELECT sha FROM upload_commit WHERE repository_id = :repository_id AND whole = 0 ORDER BY sha

-- name: answer_uploads
-- The newest pack of each push that was the last of its repository; a repository without packs has none.
SELECT p.repository_id, p.pushed_sha, p.received_at, p.state, p.reason, p.commits FROM upload_pack p
WHERE p.pushed_sha IN (
    SELECT q.pushed_sha FROM upload_pack q WHERE q.repository_id = p.repository_id
        AND q.received_at = (SELECT max(r.received_at) FROM upload_pack r WHERE r.repository_id = p.repository_id))
ORDER BY p.repository_id, p.received_at, p.pack_id

-- name: answer_upload_reports
-- The newest list of tracked files of each repository.
SELECT repository_id, sha, files, received_at FROM upload_report ORDER BY repository_id

-- name: answer_uploaded_commits
-- Which of these commits were uploaded, and whether all their trees are here.
SELECT repository_id, sha, usable FROM upload_commit WHERE sha IN (:keys)
