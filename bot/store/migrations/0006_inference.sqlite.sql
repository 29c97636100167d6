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
