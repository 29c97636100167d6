-- Deployments out of what forges and repositories show -----------------------------------------------------------------------

CREATE TABLE inference_rule (       -- what somebody asked to be counted of a repository, from now on too
    repository_id BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,             -- tags, releases, forge_deployments
    pattern TEXT COLLATE "C" NOT NULL,          -- the glob of tags; '*' elsewhere
    service TEXT COLLATE "C" NOT NULL,          -- trimmed, lower case; '' = all whose definition names the repository
    env TEXT COLLATE "C" NOT NULL,              -- the same; '' = none, for forge deployments any
    service_shown TEXT COLLATE "C" NOT NULL,    -- as first written
    env_shown TEXT COLLATE "C" NOT NULL,
    since BIGINT,                   -- nothing before counts; NULL = everything
    prereleases BIGINT NOT NULL,    -- 1: they count too
    PRIMARY KEY (repository_id, kind, pattern, service, env)
);

CREATE TABLE webhook_deployment (   -- a commit that somebody told was deployed; whose deployment it is is inferred
    key TEXT COLLATE "C" PRIMARY KEY,
    service TEXT COLLATE "C" NOT NULL,          -- as written; '' = all whose definition names the repository
    env TEXT COLLATE "C" NOT NULL,              -- as written
    ref TEXT COLLATE "C" NOT NULL,            -- '' = nobody says
    repository TEXT COLLATE "C" NOT NULL,       -- RepositoryId, as it was called then
    repository_url TEXT COLLATE "C" NOT NULL,
    commit_sha BYTEA NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    receipt BIGINT NOT NULL        -- with received_at the order of what was told under one key
);
CREATE INDEX webhook_deployment_repository ON webhook_deployment (repository);

-- Tags that were brought in before sources could be turned on and off counted from the beginning of time, and still do.
INSERT INTO source_switch (kind, name, selected_from, is_on, told_at, receipt)
    SELECT 'deployments', 'tags', 0, 1, 0, 0 WHERE EXISTS (SELECT 1 FROM deployment WHERE source = 'tags');
