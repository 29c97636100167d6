-- History that CI uploads (`datadog-ci git-metadata upload`) ------------------------------------------------------------------

CREATE TABLE upload_pack (          -- packs of commits and trees; they exist nowhere else
    repository_id BIGINT NOT NULL,
    pack_id BYTEA NOT NULL,         -- a digest of its contents
    pushed_sha BYTEA NOT NULL,       -- the commit it was sent for
    received_at BIGINT NOT NULL,
    size BIGINT NOT NULL,          -- bytes
    state TEXT COLLATE "C" NOT NULL,            -- received, done, refused
    reason TEXT COLLATE "C" NOT NULL,           -- why it was refused, or has to wait
    objects BIGINT NOT NULL,
    commits BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    run_at BIGINT NOT NULL,        -- when to look at it next
    body BYTEA NOT NULL,             -- empty when it was refused
    PRIMARY KEY (repository_id, pack_id)
);
CREATE INDEX upload_pack_due ON upload_pack (run_at) WHERE state = 'received';
CREATE INDEX upload_pack_push ON upload_pack (repository_id, received_at);

CREATE TABLE upload_commit (        -- commits that uploaded packs hold
    repository_id BIGINT NOT NULL,
    sha BYTEA NOT NULL,
    usable BIGINT NOT NULL,        -- 1: all its trees are here, so a client may leave them out
    whole BIGINT NOT NULL,         -- 1: its parents and changed paths are known
    PRIMARY KEY (repository_id, sha)
);

CREATE TABLE upload_report (        -- the newest list of tracked files
    repository_id BIGINT PRIMARY KEY,
    sha BYTEA NOT NULL,
    files BIGINT NOT NULL,
    received_at BIGINT NOT NULL
);
