-- Facts: what arrived -------------------------------------------------------------------------------------------------

CREATE TABLE inbox (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,           -- github, gitlab, api, …
    key TEXT NOT NULL,              -- the sender's delivery id (dedupe key)
    event TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    headers TEXT NOT NULL,          -- JSON, allow-listed names only
    body BLOB NOT NULL,             -- as received; compressed when done; empty when its time is over
    encoding TEXT NOT NULL,         -- '' raw, 'zlib' compressed by us
    state TEXT NOT NULL,            -- received, done, ignored, failed, dead
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    run_at INTEGER NOT NULL,        -- when to try next
    UNIQUE (source, key)
) STRICT;
CREATE INDEX inbox_due ON inbox (run_at, id) WHERE state IN ('received', 'failed');
CREATE INDEX inbox_newest ON inbox (received_at, id);

CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,    -- SHA-256 of the key
    scopes TEXT NOT NULL,           -- JSON list
    services TEXT NOT NULL,         -- JSON list, empty = all
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE repository (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,      -- RepositoryId
    forge TEXT NOT NULL,            -- github, gitlab, git
    forge_id TEXT NOT NULL,         -- the forge's numeric id, '' if unknown
    remote TEXT NOT NULL,           -- clone URL without credentials, or an absolute path
    is_local INTEGER NOT NULL,      -- 1: a path, read in place
    default_branch TEXT NOT NULL,
    synced_from INTEGER,            -- the latest begin over all completed syncs
    synced_at INTEGER               -- when that sync completed
) STRICT;

CREATE TABLE fetch (                -- refs wanted from a repository's remote; a completed fetch deletes its rows
    repository_id INTEGER NOT NULL,
    ref TEXT NOT NULL,              -- 'refs/heads/main', 'refs/pull/12/head', '*' for all branches and tags
    wanted_at INTEGER NOT NULL,
    version INTEGER NOT NULL,       -- bumped by each wish
    attempts INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (repository_id, ref)
) STRICT, WITHOUT ROWID;

CREATE TABLE git_ref (
    repository_id INTEGER NOT NULL,
    name TEXT NOT NULL,             -- full: refs/heads/…, refs/tags/…, refs/pull/12/head
    sha BLOB NOT NULL,              -- the commit (tags peeled)
    tagged_at INTEGER,              -- tagger date of an annotated tag
    PRIMARY KEY (repository_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE git_commit (
    repository_id INTEGER NOT NULL,
    n INTEGER NOT NULL,             -- order of arrival in this repository; a commit that became complete got a new one
    sha BLOB NOT NULL,
    completeness INTEGER NOT NULL,  -- 0 provisional (from a push payload: no parents), 1 shallow boundary, 2 complete
    parents BLOB NOT NULL,          -- the parents' shas, concatenated
    authored_at INTEGER,
    committed_at INTEGER,
    author TEXT NOT NULL,           -- Name <email>
    subject TEXT NOT NULL,
    body TEXT NOT NULL,             -- at most 4,000 characters
    paths BLOB,                     -- git_path.id as little-endian uint32, sorted; NULL unknown
    PRIMARY KEY (repository_id, n),
    UNIQUE (repository_id, sha)
) STRICT, WITHOUT ROWID;

CREATE TABLE git_path (
    repository_id INTEGER NOT NULL,
    id INTEGER NOT NULL,            -- numbers the paths of one repository from 1
    path BLOB NOT NULL,
    PRIMARY KEY (repository_id, id),
    UNIQUE (repository_id, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE pull_request (
    repository_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    head_ref TEXT NOT NULL,
    base_ref TEXT NOT NULL,
    labels TEXT NOT NULL,           -- JSON list
    author TEXT NOT NULL,
    state TEXT NOT NULL,            -- open, closed, merged
    created_at INTEGER,
    updated_at INTEGER NOT NULL,
    merged_at INTEGER,
    merge_sha BLOB,
    squash_sha BLOB,
    head_sha BLOB,
    readiness TEXT NOT NULL,        -- JSON [[instant, ready], …]
    reviews TEXT NOT NULL,          -- JSON [{id, reviewer, approved, submitted_at, dismissed_at}, …]
    orders TEXT NOT NULL,           -- JSON: the order key of each group of fields (facts/pull_requests.py)
    PRIMARY KEY (repository_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX pull_request_merge_sha ON pull_request (repository_id, merge_sha) WHERE merge_sha IS NOT NULL;
CREATE INDEX pull_request_squash_sha ON pull_request (repository_id, squash_sha) WHERE squash_sha IS NOT NULL;
CREATE INDEX pull_request_head_sha ON pull_request (repository_id, head_sha) WHERE head_sha IS NOT NULL;

CREATE TABLE deployment (
    id TEXT PRIMARY KEY,
    service TEXT NOT NULL,          -- trimmed, lower case
    env TEXT NOT NULL,              -- the same; '' when none was given
    service_shown TEXT NOT NULL,    -- as written
    env_shown TEXT NOT NULL,
    version TEXT NOT NULL,          -- verbatim; '' when absent
    repository TEXT NOT NULL,       -- RepositoryId; '' without git data
    repository_url TEXT NOT NULL,   -- as sent, without credentials
    commit_sha BLOB,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    team TEXT NOT NULL,             -- the event's own; '' = the definition's
    tags TEXT NOT NULL,             -- JSON list of key:value
    source TEXT NOT NULL,           -- api, tags, …
    received_at INTEGER NOT NULL,
    receipt INTEGER NOT NULL        -- inbox.id; with received_at the order of writes
) STRICT, WITHOUT ROWID;
CREATE INDEX deployment_series ON deployment (service, env, finished_at, started_at);
CREATE INDEX deployment_commit ON deployment (repository, commit_sha);
CREATE INDEX deployment_newest ON deployment (finished_at, id);

CREATE TABLE catalog (              -- one row for the definitions in force, one for the rules
    kind TEXT PRIMARY KEY,          -- definitions, rules
    digest TEXT NOT NULL,           -- of the files in force
    received_at INTEGER NOT NULL,
    body TEXT NOT NULL,             -- rules: JSON; definitions: ''
    problems TEXT NOT NULL          -- JSON [{file, line, column, severity, message}, …] of the newest files, in force or not
) STRICT;

CREATE TABLE definition (
    service TEXT PRIMARY KEY,       -- trimmed, lower case
    shown TEXT NOT NULL,            -- as written
    schema_version TEXT NOT NULL,
    team TEXT NOT NULL,
    tags TEXT NOT NULL,             -- JSON list
    languages TEXT NOT NULL,        -- JSON list
    source_patterns TEXT,           -- JSON list; NULL = not given
    links TEXT NOT NULL,            -- JSON list of [name, url] of the repo links that count
    location TEXT NOT NULL          -- file:line
) STRICT;

-- Work ----------------------------------------------------------------------------------------------------------------

CREATE TABLE mark (                 -- what is dirty
    stage TEXT NOT NULL,            -- repository, changes, classification
    key TEXT NOT NULL,              -- repository: JSON [repository_id, number]; else JSON [service, env]
    from_at INTEGER NOT NULL,       -- derive again from here on
    version INTEGER NOT NULL,       -- bumped by each marking; a derivation deletes the mark only if it is unchanged
    attempts INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (stage, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE sequence (
    name TEXT PRIMARY KEY,
    next INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Derived: written by bot/pipeline/derive.py alone --------------------------------------------------------------------

CREATE TABLE landing (              -- how a merged pull request reached its target branch
    repository_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,             -- merge, squash, rebase, fast_forward; '' not known yet
    flag TEXT NOT NULL,             -- '' or why something is missing
    merged_at INTEGER,
    ready_at INTEGER,               -- the change to ready that the stages count from
    approved_at INTEGER,            -- the last approval before the merge
    PRIMARY KEY (repository_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE introduced (           -- commit → pull request candidates; the least (merged_at, number) counts
    repository_id INTEGER NOT NULL,
    sha BLOB NOT NULL,
    number INTEGER NOT NULL,
    role TEXT NOT NULL,             -- landed (on the target branch), original (a squash replaced it)
    position INTEGER NOT NULL,
    merged_at INTEGER NOT NULL,
    PRIMARY KEY (repository_id, sha, number, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX introduced_by ON introduced (repository_id, number);

CREATE TABLE pull_request_flag (    -- a revert or hotfix, as the pull request alone shows it
    repository_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    rule TEXT NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,            -- what matched
    target INTEGER,                 -- the pull request it points to
    target_sha BLOB,
    PRIMARY KEY (repository_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE change_set (           -- one per deployment
    deployment_id TEXT PRIMARY KEY,
    predecessor TEXT,
    not_computed TEXT,
    flags TEXT NOT NULL,            -- JSON list, sorted
    dropped TEXT NOT NULL,          -- JSON {reason: count}
    kept INTEGER NOT NULL,
    redeployed INTEGER NOT NULL,
    with_lead_time INTEGER NOT NULL,
    mean INTEGER,                   -- ns over the changes that have a lead time
    median INTEGER,
    least INTEGER,
    greatest INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE change (               -- the kept ones
    deployment_id TEXT NOT NULL,
    sha BLOB NOT NULL,
    position INTEGER NOT NULL,      -- newest first
    repository_id INTEGER NOT NULL,
    original_of BLOB,
    number INTEGER,                 -- the pull request that introduced it
    redeployed INTEGER NOT NULL,
    first_delivery INTEGER NOT NULL,
    lead_time INTEGER,              -- ns; NULL: bad_date
    time_to_pr_ready INTEGER,
    review_time INTEGER,
    merge_time INTEGER,
    time_to_deploy INTEGER,
    deploy_time INTEGER,
    absent TEXT NOT NULL,           -- the reasons of the five stages, comma separated, '' where present
    PRIMARY KEY (deployment_id, sha)
) STRICT, WITHOUT ROWID;
CREATE INDEX change_commit ON change (repository_id, sha);

CREATE TABLE classification (       -- one per deployment
    deployment_id TEXT PRIMARY KEY,
    type TEXT NOT NULL,             -- standard, rollback, rollforward
    flags TEXT NOT NULL,            -- JSON list, sorted: reinstated, moved_backwards, …
    reasons TEXT NOT NULL           -- JSON list of [rule, reason, value]: what looked like a remediation and is none
) STRICT, WITHOUT ROWID;

CREATE TABLE remediation (          -- rows of the remediating deployment; "failed" is read by join
    deployment_id TEXT NOT NULL,
    target TEXT NOT NULL,           -- the deployment that failed
    type TEXT NOT NULL,             -- rollback, rollforward
    rule TEXT NOT NULL,             -- 'rollback' or the rule's id
    field TEXT NOT NULL,
    value TEXT NOT NULL,            -- what the rule saw
    original TEXT NOT NULL,         -- what it points to: version, sha, pull request number
    PRIMARY KEY (deployment_id, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX remediation_target ON remediation (target);

-- The planner's statistics (rows; rows per value of each key prefix) -----------------------------------------------------
-- Of a new database it assumes ten rows per repository, and would read a repository's whole history to find a few of its commits.

ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('git_ref', 'git_ref', '100000 1000 1'),
    ('git_commit', 'git_commit', '1000000 20000 1'),
    ('git_commit', 'sqlite_autoindex_git_commit_2', '1000000 20000 1'),
    ('git_path', 'git_path', '1000000 20000 1'),
    ('git_path', 'sqlite_autoindex_git_path_2', '1000000 20000 1'),
    ('pull_request', 'pull_request', '500000 5000 1'),
    ('pull_request', 'pull_request_merge_sha', '400000 4000 1'),
    ('pull_request', 'pull_request_squash_sha', '400000 4000 1'),
    ('pull_request', 'pull_request_head_sha', '500000 5000 1'),
    ('deployment', 'deployment', '500000 1'),
    ('deployment', 'deployment_series', '500000 2000 1000 1 1'),
    ('deployment', 'deployment_commit', '500000 5000 5'),
    ('deployment', 'deployment_newest', '500000 1 1'),
    ('landing', 'landing', '500000 5000 1'),
    ('introduced', 'introduced', '1000000 20000 2 1 1'),
    ('introduced', 'introduced_by', '1000000 20000 4'),
    ('change', 'change', '5000000 20 1'),
    ('change', 'change_commit', '5000000 50000 20');
ANALYZE sqlite_schema;
