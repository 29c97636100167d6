-- Issues that are failures ---------------------------------------------------------------------------------------------

ALTER TABLE forge_issue ADD COLUMN changes TEXT NOT NULL DEFAULT '[]';    -- JSON list of [instant, open | closed]: each opening, closing and reopening that was told
ALTER TABLE forge_issue ADD COLUMN unlabeled TEXT NOT NULL DEFAULT '[]';  -- JSON list: labels that were taken off at told_at

CREATE TABLE issue_selection (      -- which issues of a forge are failures; a forge without a row: as installed
    source TEXT PRIMARY KEY,        -- github, gitlab
    labels TEXT NOT NULL,           -- JSON list, lower case
    types TEXT NOT NULL,            -- JSON list, lower case
    told_at INTEGER NOT NULL,
    receipt INTEGER NOT NULL        -- with told_at the order of several words
) STRICT, WITHOUT ROWID;

-- What was told before has never been asked whether it is a failure.
INSERT INTO mark (stage, key, from_at, version, attempts, run_at, error)
    SELECT DISTINCT 'inference', '["issues", ' || repository_id || ']', 0, 1, 0, 0, '' FROM forge_issue;
