-- Dates of commits as git keeps them: in seconds ------------------------------------------------------------------------

ALTER TABLE git_commit RENAME COLUMN authored_at TO authored_second;
ALTER TABLE git_commit RENAME COLUMN committed_at TO committed_second;
UPDATE git_commit SET authored_second = authored_second / 1000000000, committed_second = committed_second / 1000000000;
