-- Deployments out of what forges and repositories show -----------------------------------------------------------------------

CREATE TABLE inference_rule (       -- what somebody asked to be counted of a repository, from now on too
    repository_id INTEGER NOT NULL,
    kind TEXT NOT NULL,             -- tags, releases, forge_deployments
    pattern TEXT NOT NULL,          -- the glob of tags; '*' elsewhere
    service TEXT NOT NULL,          -- trimmed, lower case; '' = all whose definition names the repository
    env TEXT NOT NULL,              -- the same; '' = none, for forge deployments any
    service_shown TEXT NOT NULL,    -- as first written
    env_shown TEXT NOT NULL,
    since INTEGER,                  -- nothing before counts; NULL = everything
    prereleases INTEGER NOT NULL,   -- 1: they count too
    PRIMARY KEY (repository_id, kind, pattern, service, env)
) STRICT, WITHOUT ROWID;

CREATE TABLE webhook_deployment (   -- a commit that somebody told was deployed; whose deployment it is is inferred
    key TEXT PRIMARY KEY,
    service TEXT NOT NULL,          -- as written; '' = all whose definition names the repository
    env TEXT NOT NULL,              -- as written
    ref TEXT NOT NULL,               -- '' = nobody says
    repository TEXT NOT NULL,       -- RepositoryId, as it was called then
    repository_url TEXT NOT NULL,
    commit_sha BLOB NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    receipt INTEGER NOT NULL        -- with received_at the order of what was told under one key
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_deployment_repository ON webhook_deployment (repository);

-- Tags that were brought in before sources could be turned on and off counted from the beginning of time, and still do.
INSERT INTO source_switch (kind, name, selected_from, is_on, told_at, receipt)
    SELECT 'deployments', 'tags', 0, 1, 0, 0 WHERE EXISTS (SELECT 1 FROM deployment WHERE source = 'tags');
