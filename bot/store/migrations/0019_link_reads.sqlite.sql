-- What reverts are said to point to, by what ----------------------------------------------------------------------------

CREATE TABLE link_read (            -- what a flag or a classification was made from: it is made again when that changes (derived)
    stage TEXT NOT NULL,            -- repository (the flag of a pull request), classification (of a series)
    reader TEXT NOT NULL,           -- the pull request's number, the series as JSON
    repository_id INTEGER NOT NULL,
    about TEXT NOT NULL,            -- see bot/facts/link_reads.py
    PRIMARY KEY (stage, reader, repository_id, about)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_read_by ON link_read (repository_id, about);

-- So far only one of the commits or pull requests that a flag points to was noted: rules are asked again.
INSERT INTO mark (stage, key, from_at, version, attempts, run_at, error)
    SELECT DISTINCT 'rules', '[]', 0, 1, 0, 0, '' FROM classification WHERE true
    ON CONFLICT (stage, key) DO UPDATE SET version = mark.version + 1, run_at = 0;
INSERT INTO mark (stage, key, from_at, version, attempts, run_at, error)
    SELECT DISTINCT 'rules', '[]', 0, 1, 0, 0, '' FROM pull_request_flag WHERE true
    ON CONFLICT (stage, key) DO UPDATE SET version = mark.version + 1, run_at = 0;
