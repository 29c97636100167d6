-- What forges tell of repositories ---------------------------------------------------------------------------------------

CREATE TABLE repository_name (      -- which repository a name meant from an instant on; an old name can be taken by a new repository
    name TEXT COLLATE "C" NOT NULL,             -- RepositoryId
    from_at BIGINT NOT NULL,
    repository_id BIGINT NOT NULL,
    told BIGINT NOT NULL,          -- 0: the first sight of the pair; 1: an event said so at that instant; 2: one about a namespace above it
    PRIMARY KEY (name, repository_id, told, from_at)
);
CREATE INDEX repository_name_of ON repository_name (repository_id);

CREATE TABLE forge_repository (     -- what a forge says of a repository beyond its name
    repository_id BIGINT PRIMARY KEY,
    installation_id TEXT COLLATE "C" NOT NULL,  -- GitHub: the App's installation that may read it; ''
    state TEXT COLLATE "C" NOT NULL,            -- active, archived, deleted, removed (taken from the installation)
    state_at BIGINT NOT NULL       -- the newest event's instant
);

CREATE TABLE repository_access (    -- how a repository's history is had, as the last sync found
    repository_id BIGINT PRIMARY KEY,
    way TEXT COLLATE "C" NOT NULL,              -- clone, api, none
    reason TEXT COLLATE "C" NOT NULL,           -- why not better
    partial TEXT COLLATE "C" NOT NULL,          -- JSON list of sentences: what is not exact, and why
    checked_at BIGINT NOT NULL
);

CREATE TABLE installation (         -- of the GitHub App
    id TEXT COLLATE "C" PRIMARY KEY,
    account TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,            -- active, suspended, deleted
    state_at BIGINT NOT NULL,
    permissions TEXT COLLATE "C" NOT NULL,      -- JSON {name: read|write}
    events TEXT COLLATE "C" NOT NULL,           -- JSON list
    told_at BIGINT NOT NULL        -- when permissions and events were told
);

CREATE TABLE forge_deployment (     -- one deployment at a forge, and the states it went through
    repository_id BIGINT NOT NULL,
    forge_id TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    sha BYTEA,
    ref TEXT COLLATE "C" NOT NULL,
    created_at BIGINT,
    states TEXT COLLATE "C" NOT NULL,           -- JSON [[instant, state], …], sorted
    PRIMARY KEY (repository_id, forge_id)
);

CREATE TABLE forge_release (
    repository_id BIGINT NOT NULL,
    forge_id TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,            -- draft, prerelease, published, deleted
    published_at BIGINT,
    told_at BIGINT NOT NULL,       -- the newest event's instant
    PRIMARY KEY (repository_id, forge_id)
);

CREATE TABLE forge_issue (          -- issues and incidents
    repository_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,             -- issue, incident
    title TEXT COLLATE "C" NOT NULL,
    labels TEXT COLLATE "C" NOT NULL,           -- JSON list
    severity TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,            -- open, closed
    created_at BIGINT,
    closed_at BIGINT,
    told_at BIGINT NOT NULL,       -- the newest event's instant
    PRIMARY KEY (repository_id, number)
);

-- Correspondence with forges ---------------------------------------------------------------------------------------------

CREATE TABLE errand (               -- a long, resumable conversation: its cursor moves in the transaction that records what a page brought
    key TEXT COLLATE "C" PRIMARY KEY,           -- kind and subject; equal keys are one errand
    kind TEXT COLLATE "C" NOT NULL,             -- repositories, pull_requests, log, …
    forge TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,            -- organisation or top-level group, for fairness
    repository_id BIGINT,
    since BIGINT,                  -- nothing older is wanted; NULL: everything
    cursor TEXT COLLATE "C" NOT NULL,           -- '' at the beginning
    reading BIGINT NOT NULL,       -- the wish that is being carried out: a version
    began_at BIGINT,               -- when that began; NULL: not yet
    done BIGINT NOT NULL,
    total BIGINT,
    urgent BIGINT NOT NULL,        -- 1: live, before any backfill
    version BIGINT NOT NULL,       -- bumped by each wish
    attempts BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    error TEXT COLLATE "C" NOT NULL
);
CREATE INDEX errand_due ON errand (run_at);

CREATE TABLE outbox (               -- what is to be said to a forge; saying it twice changes nothing there
    key TEXT COLLATE "C" PRIMARY KEY,           -- the idempotency key: kind and subject
    kind TEXT COLLATE "C" NOT NULL,             -- report, redeliver
    forge TEXT COLLATE "C" NOT NULL,
    repository_id BIGINT,
    subject TEXT COLLATE "C" NOT NULL,          -- a pull request's number, a delivery's id
    wanted BIGINT NOT NULL,        -- bumped by each wish
    said BIGINT NOT NULL,          -- the wish that was last carried out; due while it is less than `wanted`
    digest TEXT COLLATE "C" NOT NULL,           -- of what was last said: the same is not said again
    remote TEXT COLLATE "C" NOT NULL,           -- JSON: the forge's ids of what was made, to edit it in place
    attempts BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    error TEXT COLLATE "C" NOT NULL
);
CREATE INDEX outbox_due ON outbox (run_at) WHERE said < wanted;

CREATE TABLE hook (                 -- where a forge sends webhooks from, and what its log said
    forge TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,               -- 'app' for the GitHub App; GitLab: 'project/17/3', 'group/5/2', 'system/1'
    subject TEXT COLLATE "C" NOT NULL,          -- the project, group or App, in words
    state TEXT COLLATE "C" NOT NULL,            -- active, disabled, failing, forbidden, gone
    reason TEXT COLLATE "C" NOT NULL,
    read_from BIGINT,              -- the log was read back to here, at the last completed reading
    checked_at BIGINT,             -- when that reading began
    arrived_at BIGINT,             -- the newest delivery of its log that had reached us by itself
    gaps BIGINT NOT NULL,          -- deliveries found that had never been processed
    repaired BIGINT NOT NULL,
    PRIMARY KEY (forge, id)
);

CREATE INDEX inbox_of_source ON inbox (source, received_at); -- the rhythm of a source

-- Commits ----------------------------------------------------------------------------------------------------------------

-- completeness: 0 provisional, 1 shallow boundary, 2 listed (paths known per folder only), 3 complete
UPDATE git_commit SET completeness = 3 WHERE completeness = 2;
