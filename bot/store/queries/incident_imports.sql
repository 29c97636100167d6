-- name: delete_failure
-- What was one is none: the incident is a test.
DELETE FROM failure WHERE id = :id AND source = :source
