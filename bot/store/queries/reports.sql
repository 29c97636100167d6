-- name: flag_told
-- Whether a pull request is a revert or hotfix; rule '' for one that looks like a revert and is none.
SELECT rule, field, value, target, target_sha FROM pull_request_flag WHERE repository_id = :repository_id AND number = :number
