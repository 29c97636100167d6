-- Definitions in repositories: everybody's claims are kept, and `definition` holds the one in force of each service ----------

ALTER TABLE definition ADD COLUMN code_locations TEXT COLLATE "C" NOT NULL DEFAULT '[]';   -- JSON list of [url, [pattern, …]]
ALTER TABLE definition ADD COLUMN repository_id BIGINT NOT NULL DEFAULT 0;    -- the repository that holds the file; 0: the folder

CREATE TABLE definition_claim (     -- what one origin says of a service
    service TEXT COLLATE "C" NOT NULL,
    rank BIGINT NOT NULL,                            -- 0 the folder, 2 a file in a repository; the least is in force, then the repository's name
    repository_id BIGINT NOT NULL,                   -- 0 for the folder
    path TEXT COLLATE "C" NOT NULL,                  -- of the file in the repository; '' for the folder
    shown TEXT COLLATE "C" NOT NULL,
    schema_version TEXT COLLATE "C" NOT NULL,
    team TEXT COLLATE "C" NOT NULL,
    tags TEXT COLLATE "C" NOT NULL,
    languages TEXT COLLATE "C" NOT NULL,
    source_patterns TEXT COLLATE "C",
    links TEXT COLLATE "C" NOT NULL,
    code_locations TEXT COLLATE "C" NOT NULL,
    location TEXT COLLATE "C" NOT NULL,              -- file:line
    PRIMARY KEY (service, rank, repository_id, path)
);
INSERT INTO definition_claim
    SELECT service, 0, 0, '', shown, schema_version, team, tags, languages, source_patterns, links, code_locations, location
    FROM definition;

CREATE TABLE definition_file (      -- a definition file at the root of a repository's default branch, as last seen
    repository_id BIGINT NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    blob BYTEA,                                      -- what the newest is, by git; NULL: there is none any more, or it could not be read
    commit_sha BYTEA NOT NULL,                       -- the branch's tip when that was seen
    read_from BIGINT NOT NULL,                       -- when the sync that saw it began: of two the later is the truth
    good_commit BYTEA,                               -- the tip when what is in force was seen; NULL: nothing of it is
    problems TEXT COLLATE "C" NOT NULL,              -- JSON list, as in `catalog`
    PRIMARY KEY (repository_id, path)
);
