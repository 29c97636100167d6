-- Definitions in repositories: everybody's claims are kept, and `definition` holds the one in force of each service ----------

ALTER TABLE definition ADD COLUMN code_locations TEXT NOT NULL DEFAULT '[]';   -- JSON list of [url, [pattern, …]]
ALTER TABLE definition ADD COLUMN repository_id INTEGER NOT NULL DEFAULT 0;    -- the repository that holds the file; 0: the folder

CREATE TABLE definition_claim (     -- what one origin says of a service
    service TEXT NOT NULL,
    rank INTEGER NOT NULL,          -- 0 the folder, 2 a file in a repository; the least is in force, then the repository's name
    repository_id INTEGER NOT NULL, -- 0 for the folder
    path TEXT NOT NULL,             -- of the file in the repository; '' for the folder
    shown TEXT NOT NULL,
    schema_version TEXT NOT NULL,
    team TEXT NOT NULL,
    tags TEXT NOT NULL,
    languages TEXT NOT NULL,
    source_patterns TEXT,
    links TEXT NOT NULL,
    code_locations TEXT NOT NULL,
    location TEXT NOT NULL,         -- file:line
    PRIMARY KEY (service, rank, repository_id, path)
) STRICT, WITHOUT ROWID;
INSERT INTO definition_claim
    SELECT service, 0, 0, '', shown, schema_version, team, tags, languages, source_patterns, links, code_locations, location
    FROM definition;

CREATE TABLE definition_file (      -- a definition file at the root of a repository's default branch, as last seen
    repository_id INTEGER NOT NULL,
    path TEXT NOT NULL,
    blob BLOB,                      -- what the newest is, by git; NULL: there is none any more, or it could not be read
    commit_sha BLOB NOT NULL,       -- the branch's tip when that was seen
    read_from INTEGER NOT NULL,     -- when the sync that saw it began: of two the later is the truth
    good_commit BLOB,               -- the tip when what is in force was seen; NULL: nothing of it is
    problems TEXT NOT NULL,         -- JSON list, as in `catalog`
    PRIMARY KEY (repository_id, path)
) STRICT, WITHOUT ROWID;
