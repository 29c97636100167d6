-- Facts: what arrived -------------------------------------------------------------------------------------------------

CREATE TABLE inbox (
    id BIGINT PRIMARY KEY,
    source TEXT COLLATE "C" NOT NULL,           -- github, gitlab, api, …
    key TEXT COLLATE "C" NOT NULL,              -- the sender's delivery id (dedupe key)
    event TEXT COLLATE "C" NOT NULL,
    received_at BIGINT NOT NULL,
    headers TEXT COLLATE "C" NOT NULL,          -- JSON, allow-listed names only
    body BYTEA NOT NULL,             -- as received; compressed when done; empty when its time is over
    encoding TEXT COLLATE "C" NOT NULL,         -- '' raw, 'zlib' compressed by us
    state TEXT COLLATE "C" NOT NULL,            -- received, done, ignored, failed, dead
    reason TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    run_at BIGINT NOT NULL,        -- when to try next
    UNIQUE (source, key)
);
CREATE INDEX inbox_due ON inbox (run_at, id) WHERE state IN ('received', 'failed');
CREATE INDEX inbox_newest ON inbox (received_at, id);

CREATE TABLE api_key (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL UNIQUE,    -- SHA-256 of the key
    scopes TEXT COLLATE "C" NOT NULL,           -- JSON list
    services TEXT COLLATE "C" NOT NULL,         -- JSON list, empty = all
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE repository (
    id BIGINT PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,      -- RepositoryId
    forge TEXT COLLATE "C" NOT NULL,            -- github, gitlab, git
    forge_id TEXT COLLATE "C" NOT NULL,         -- the forge's numeric id, '' if unknown
    remote TEXT COLLATE "C" NOT NULL,           -- clone URL without credentials, or an absolute path
    is_local BIGINT NOT NULL,      -- 1: a path, read in place
    default_branch TEXT COLLATE "C" NOT NULL,
    synced_from BIGINT,            -- the latest begin over all completed syncs
    synced_at BIGINT               -- when that sync completed
);

CREATE TABLE "fetch" (                -- refs wanted from a repository's remote; a completed fetch deletes its rows
    repository_id BIGINT NOT NULL,
    ref TEXT COLLATE "C" NOT NULL,              -- 'refs/heads/main', 'refs/pull/12/head', '*' for all branches and tags
    wanted_at BIGINT NOT NULL,
    version BIGINT NOT NULL,       -- bumped by each wish
    attempts BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    error TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (repository_id, ref)
);

CREATE TABLE git_ref (
    repository_id BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,             -- full: refs/heads/…, refs/tags/…, refs/pull/12/head
    sha BYTEA NOT NULL,              -- the commit (tags peeled)
    tagged_at BIGINT,              -- tagger date of an annotated tag
    PRIMARY KEY (repository_id, name)
);

CREATE TABLE git_commit (
    repository_id BIGINT NOT NULL,
    n BIGINT NOT NULL,             -- order of arrival in this repository; a commit that became complete got a new one
    sha BYTEA NOT NULL,
    completeness BIGINT NOT NULL,  -- 0 provisional (from a push payload: no parents), 1 shallow boundary, 2 complete
    parents BYTEA NOT NULL,          -- the parents' shas, concatenated
    authored_at BIGINT,
    committed_at BIGINT,
    author TEXT COLLATE "C" NOT NULL,           -- Name <email>
    subject TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,             -- at most 4,000 characters
    paths BYTEA,                     -- git_path.id as little-endian uint32, sorted; NULL unknown
    PRIMARY KEY (repository_id, n),
    UNIQUE (repository_id, sha)
);

CREATE TABLE git_path (
    repository_id BIGINT NOT NULL,
    id BIGINT NOT NULL,            -- numbers the paths of one repository from 1
    path BYTEA NOT NULL,
    PRIMARY KEY (repository_id, id),
    UNIQUE (repository_id, path)
);

CREATE TABLE pull_request (
    repository_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    head_ref TEXT COLLATE "C" NOT NULL,
    base_ref TEXT COLLATE "C" NOT NULL,
    labels TEXT COLLATE "C" NOT NULL,           -- JSON list
    author TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,            -- open, closed, merged
    created_at BIGINT,
    updated_at BIGINT NOT NULL,
    merged_at BIGINT,
    merge_sha BYTEA,
    squash_sha BYTEA,
    head_sha BYTEA,
    readiness TEXT COLLATE "C" NOT NULL,        -- JSON [[instant, ready], …]
    reviews TEXT COLLATE "C" NOT NULL,          -- JSON [{id, reviewer, approved, submitted_at, dismissed_at}, …]
    orders TEXT COLLATE "C" NOT NULL,           -- JSON: the order key of each group of fields (facts/pull_requests.py)
    PRIMARY KEY (repository_id, number)
);
CREATE INDEX pull_request_merge_sha ON pull_request (repository_id, merge_sha) WHERE merge_sha IS NOT NULL;
CREATE INDEX pull_request_squash_sha ON pull_request (repository_id, squash_sha) WHERE squash_sha IS NOT NULL;
CREATE INDEX pull_request_head_sha ON pull_request (repository_id, head_sha) WHERE head_sha IS NOT NULL;

CREATE TABLE deployment (
    id TEXT COLLATE "C" PRIMARY KEY,
    service TEXT COLLATE "C" NOT NULL,          -- trimmed, lower case
    env TEXT COLLATE "C" NOT NULL,              -- the same; '' when none was given
    service_shown TEXT COLLATE "C" NOT NULL,    -- as written
    env_shown TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,          -- verbatim; '' when absent
    repository TEXT COLLATE "C" NOT NULL,       -- RepositoryId; '' without git data
    repository_url TEXT COLLATE "C" NOT NULL,   -- as sent, without credentials
    commit_sha BYTEA,
    started_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    team TEXT COLLATE "C" NOT NULL,             -- the event's own; '' = the definition's
    tags TEXT COLLATE "C" NOT NULL,             -- JSON list of key:value
    source TEXT COLLATE "C" NOT NULL,           -- api, tags, …
    received_at BIGINT NOT NULL,
    receipt BIGINT NOT NULL        -- inbox.id; with received_at the order of writes
);
CREATE INDEX deployment_series ON deployment (service, env, finished_at, started_at);
CREATE INDEX deployment_commit ON deployment (repository, commit_sha);
CREATE INDEX deployment_newest ON deployment (finished_at, id);

CREATE TABLE catalog (              -- one row for the definitions in force, one for the rules
    kind TEXT COLLATE "C" PRIMARY KEY,          -- definitions, rules
    digest TEXT COLLATE "C" NOT NULL,           -- of the files in force
    received_at BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL,             -- rules: JSON; definitions: ''
    problems TEXT COLLATE "C" NOT NULL          -- JSON [{file, line, column, severity, message}, …] of the newest files, in force or not
);

CREATE TABLE definition (
    service TEXT COLLATE "C" PRIMARY KEY,       -- trimmed, lower case
    shown TEXT COLLATE "C" NOT NULL,            -- as written
    schema_version TEXT COLLATE "C" NOT NULL,
    team TEXT COLLATE "C" NOT NULL,
    tags TEXT COLLATE "C" NOT NULL,             -- JSON list
    languages TEXT COLLATE "C" NOT NULL,        -- JSON list
    source_patterns TEXT COLLATE "C",           -- JSON list; NULL = not given
    links TEXT COLLATE "C" NOT NULL,            -- JSON list of [name, url] of the repo links that count
    location TEXT COLLATE "C" NOT NULL          -- file:line
);

-- Work ----------------------------------------------------------------------------------------------------------------

CREATE TABLE mark (                 -- what is dirty
    stage TEXT COLLATE "C" NOT NULL,            -- repository, changes, classification
    key TEXT COLLATE "C" NOT NULL,              -- repository: JSON [repository_id, number]; else JSON [service, env]
    from_at BIGINT NOT NULL,       -- derive again from here on
    version BIGINT NOT NULL,       -- bumped by each marking; a derivation deletes the mark only if it is unchanged
    attempts BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    error TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (stage, key)
);

CREATE TABLE sequence (
    name TEXT COLLATE "C" PRIMARY KEY,
    next BIGINT NOT NULL
);

CREATE TABLE meta (
    name TEXT COLLATE "C" PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

-- Derived: written by bot/pipeline/derive.py alone --------------------------------------------------------------------

CREATE TABLE landing (              -- how a merged pull request reached its target branch
    repository_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,             -- merge, squash, rebase, fast_forward; '' not known yet
    flag TEXT COLLATE "C" NOT NULL,             -- '' or why something is missing
    merged_at BIGINT,
    ready_at BIGINT,               -- the change to ready that the stages count from
    approved_at BIGINT,            -- the last approval before the merge
    PRIMARY KEY (repository_id, number)
);

CREATE TABLE introduced (           -- commit → pull request candidates; the least (merged_at, number) counts
    repository_id BIGINT NOT NULL,
    sha BYTEA NOT NULL,
    number BIGINT NOT NULL,
    role TEXT COLLATE "C" NOT NULL,             -- landed (on the target branch), original (a squash replaced it)
    position BIGINT NOT NULL,
    merged_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, sha, number, role)
);
CREATE INDEX introduced_by ON introduced (repository_id, number);

CREATE TABLE pull_request_flag (    -- a revert or hotfix, as the pull request alone shows it
    repository_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    rule TEXT COLLATE "C" NOT NULL,
    field TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,            -- what matched
    target BIGINT,                 -- the pull request it points to
    target_sha BYTEA,
    PRIMARY KEY (repository_id, number)
);

CREATE TABLE change_set (           -- one per deployment
    deployment_id TEXT COLLATE "C" PRIMARY KEY,
    predecessor TEXT COLLATE "C",
    not_computed TEXT COLLATE "C",
    flags TEXT COLLATE "C" NOT NULL,            -- JSON list, sorted
    dropped TEXT COLLATE "C" NOT NULL,          -- JSON {reason: count}
    kept BIGINT NOT NULL,
    redeployed BIGINT NOT NULL,
    with_lead_time BIGINT NOT NULL,
    mean BIGINT,                   -- ns over the changes that have a lead time
    median BIGINT,
    least BIGINT,
    greatest BIGINT
);

CREATE TABLE change (               -- the kept ones
    deployment_id TEXT COLLATE "C" NOT NULL,
    sha BYTEA NOT NULL,
    position BIGINT NOT NULL,      -- newest first
    repository_id BIGINT NOT NULL,
    original_of BYTEA,
    number BIGINT,                 -- the pull request that introduced it
    redeployed BIGINT NOT NULL,
    first_delivery BIGINT NOT NULL,
    lead_time BIGINT,              -- ns; NULL: bad_date
    time_to_pr_ready BIGINT,
    review_time BIGINT,
    merge_time BIGINT,
    time_to_deploy BIGINT,
    deploy_time BIGINT,
    absent TEXT COLLATE "C" NOT NULL,           -- the reasons of the five stages, comma separated, '' where present
    PRIMARY KEY (deployment_id, sha)
);
CREATE INDEX change_commit ON change (repository_id, sha);

CREATE TABLE classification (       -- one per deployment
    deployment_id TEXT COLLATE "C" PRIMARY KEY,
    type TEXT COLLATE "C" NOT NULL,             -- standard, rollback, rollforward
    flags TEXT COLLATE "C" NOT NULL,            -- JSON list, sorted: reinstated, moved_backwards, …
    reasons TEXT COLLATE "C" NOT NULL           -- JSON list of [rule, reason, value]: what looked like a remediation and is none
);

CREATE TABLE remediation (          -- rows of the remediating deployment; "failed" is read by join
    deployment_id TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,           -- the deployment that failed
    type TEXT COLLATE "C" NOT NULL,             -- rollback, rollforward
    rule TEXT COLLATE "C" NOT NULL,             -- 'rollback' or the rule's id
    field TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,            -- what the rule saw
    original TEXT COLLATE "C" NOT NULL,         -- what it points to: version, sha, pull request number
    PRIMARY KEY (deployment_id, target)
);
CREATE INDEX remediation_target ON remediation (target);
