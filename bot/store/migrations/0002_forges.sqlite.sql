-- What forges tell of repositories ---------------------------------------------------------------------------------------

CREATE TABLE repository_name (      -- which repository a name meant from an instant on; an old name can be taken by a new repository
    name TEXT NOT NULL,             -- RepositoryId
    from_at INTEGER NOT NULL,
    repository_id INTEGER NOT NULL,
    told INTEGER NOT NULL,          -- 0: the first sight of the pair; 1: an event said so at that instant; 2: one about a namespace above it
    PRIMARY KEY (name, repository_id, told, from_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX repository_name_of ON repository_name (repository_id);

CREATE TABLE forge_repository (     -- what a forge says of a repository beyond its name
    repository_id INTEGER PRIMARY KEY,
    installation_id TEXT NOT NULL,  -- GitHub: the App's installation that may read it; ''
    state TEXT NOT NULL,            -- active, archived, deleted, removed (taken from the installation)
    state_at INTEGER NOT NULL       -- the newest event's instant
) STRICT;

CREATE TABLE repository_access (    -- how a repository's history is had, as the last sync found
    repository_id INTEGER PRIMARY KEY,
    way TEXT NOT NULL,              -- clone, api, none
    reason TEXT NOT NULL,           -- why not better
    partial TEXT NOT NULL,          -- JSON list of sentences: what is not exact, and why
    checked_at INTEGER NOT NULL
) STRICT;

CREATE TABLE installation (         -- of the GitHub App
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    state TEXT NOT NULL,            -- active, suspended, deleted
    state_at INTEGER NOT NULL,
    permissions TEXT NOT NULL,      -- JSON {name: read|write}
    events TEXT NOT NULL,           -- JSON list
    told_at INTEGER NOT NULL        -- when permissions and events were told
) STRICT;

CREATE TABLE forge_deployment (     -- one deployment at a forge, and the states it went through
    repository_id INTEGER NOT NULL,
    forge_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    sha BLOB,
    ref TEXT NOT NULL,
    created_at INTEGER,
    states TEXT NOT NULL,           -- JSON [[instant, state], …], sorted
    PRIMARY KEY (repository_id, forge_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE forge_release (
    repository_id INTEGER NOT NULL,
    forge_id TEXT NOT NULL,
    tag TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,            -- draft, prerelease, published, deleted
    published_at INTEGER,
    told_at INTEGER NOT NULL,       -- the newest event's instant
    PRIMARY KEY (repository_id, forge_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE forge_issue (          -- issues and incidents
    repository_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,             -- issue, incident
    title TEXT NOT NULL,
    labels TEXT NOT NULL,           -- JSON list
    severity TEXT NOT NULL,
    state TEXT NOT NULL,            -- open, closed
    created_at INTEGER,
    closed_at INTEGER,
    told_at INTEGER NOT NULL,       -- the newest event's instant
    PRIMARY KEY (repository_id, number)
) STRICT, WITHOUT ROWID;

-- Correspondence with forges ---------------------------------------------------------------------------------------------

CREATE TABLE errand (               -- a long, resumable conversation: its cursor moves in the transaction that records what a page brought
    key TEXT PRIMARY KEY,           -- kind and subject; equal keys are one errand
    kind TEXT NOT NULL,             -- repositories, pull_requests, log, …
    forge TEXT NOT NULL,
    owner TEXT NOT NULL,            -- organisation or top-level group, for fairness
    repository_id INTEGER,
    since INTEGER,                  -- nothing older is wanted; NULL: everything
    cursor TEXT NOT NULL,           -- '' at the beginning
    reading INTEGER NOT NULL,       -- the wish that is being carried out: a version
    began_at INTEGER,               -- when that began; NULL: not yet
    done INTEGER NOT NULL,
    total INTEGER,
    urgent INTEGER NOT NULL,        -- 1: live, before any backfill
    version INTEGER NOT NULL,       -- bumped by each wish
    attempts INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    error TEXT NOT NULL
) STRICT;
CREATE INDEX errand_due ON errand (run_at);

CREATE TABLE outbox (               -- what is to be said to a forge; saying it twice changes nothing there
    key TEXT PRIMARY KEY,           -- the idempotency key: kind and subject
    kind TEXT NOT NULL,             -- report, redeliver
    forge TEXT NOT NULL,
    repository_id INTEGER,
    subject TEXT NOT NULL,          -- a pull request's number, a delivery's id
    wanted INTEGER NOT NULL,        -- bumped by each wish
    said INTEGER NOT NULL,          -- the wish that was last carried out; due while it is less than `wanted`
    digest TEXT NOT NULL,           -- of what was last said: the same is not said again
    remote TEXT NOT NULL,           -- JSON: the forge's ids of what was made, to edit it in place
    attempts INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    error TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (run_at) WHERE said < wanted;

CREATE TABLE hook (                 -- where a forge sends webhooks from, and what its log said
    forge TEXT NOT NULL,
    id TEXT NOT NULL,               -- 'app' for the GitHub App; GitLab: 'project/17/3', 'group/5/2', 'system/1'
    subject TEXT NOT NULL,          -- the project, group or App, in words
    state TEXT NOT NULL,            -- active, disabled, failing, forbidden, gone
    reason TEXT NOT NULL,
    read_from INTEGER,              -- the log was read back to here, at the last completed reading
    checked_at INTEGER,             -- when that reading began
    arrived_at INTEGER,             -- the newest delivery of its log that had reached us by itself
    gaps INTEGER NOT NULL,          -- deliveries found that had never been processed
    repaired INTEGER NOT NULL,
    PRIMARY KEY (forge, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX inbox_of_source ON inbox (source, received_at); -- the rhythm of a source

-- Commits ----------------------------------------------------------------------------------------------------------------

-- completeness: 0 provisional, 1 shallow boundary, 2 listed (paths known per folder only), 3 complete
UPDATE git_commit SET completeness = 3 WHERE completeness = 2;
