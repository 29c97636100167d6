-- Names of repositories ---------------------------------------------------------------------------------------------------

CREATE TABLE namespace_rename (     -- all repositories below `old` were below `new` from an instant on
    old TEXT NOT NULL,              -- the beginning of RepositoryIds: host and path
    new TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (old, at, new)
) STRICT, WITHOUT ROWID;

CREATE TABLE test_merge (           -- what a forge tried out: deployed, it stands for the head of its pull request
    repository_id INTEGER NOT NULL,
    sha BLOB NOT NULL,
    head_sha BLOB NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,            -- the first event that showed it
    PRIMARY KEY (repository_id, sha)
) STRICT, WITHOUT ROWID;
CREATE INDEX test_merge_head ON test_merge (repository_id, head_sha);

CREATE TABLE push_base (            -- where a branch stood before a push, so where a fast-forward begins
    repository_id INTEGER NOT NULL,
    after BLOB NOT NULL,
    ref TEXT NOT NULL,
    before BLOB NOT NULL,
    PRIMARY KEY (repository_id, after, ref, before)
) STRICT, WITHOUT ROWID;

ALTER TABLE forge_repository ADD COLUMN told_at INTEGER NOT NULL DEFAULT 0;  -- when default branch and remote were told
CREATE INDEX repository_forge_id ON repository (forge_id);

-- Repositories of before are known by one name each, since nobody knows when.
INSERT INTO repository_name (name, from_at, repository_id, told) SELECT name, 0, id, 0 FROM repository;
