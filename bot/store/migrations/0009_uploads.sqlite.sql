-- History that CI uploads (`datadog-ci git-metadata upload`) ------------------------------------------------------------------

CREATE TABLE upload_pack (          -- packs of commits and trees; they exist nowhere else
    repository_id INTEGER NOT NULL,
    pack_id BLOB NOT NULL,         -- a digest of its contents
    pushed_sha BLOB NOT NULL,       -- the commit it was sent for
    received_at INTEGER NOT NULL,
    size INTEGER NOT NULL,          -- bytes
    state TEXT NOT NULL,            -- received, done, refused
    reason TEXT NOT NULL,           -- why it was refused, or has to wait
    objects INTEGER NOT NULL,
    commits INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    run_at INTEGER NOT NULL,        -- when to look at it next
    body BLOB NOT NULL,             -- empty when it was refused
    PRIMARY KEY (repository_id, pack_id)
) STRICT;
CREATE INDEX upload_pack_due ON upload_pack (run_at) WHERE state = 'received';
CREATE INDEX upload_pack_push ON upload_pack (repository_id, received_at);

CREATE TABLE upload_commit (        -- commits that uploaded packs hold
    repository_id INTEGER NOT NULL,
    sha BLOB NOT NULL,
    usable INTEGER NOT NULL,        -- 1: all its trees are here, so a client may leave them out
    whole INTEGER NOT NULL,         -- 1: its parents and changed paths are known
    PRIMARY KEY (repository_id, sha)
) STRICT, WITHOUT ROWID;

CREATE TABLE upload_report (        -- the newest list of tracked files
    repository_id INTEGER PRIMARY KEY,
    sha BLOB NOT NULL,
    files INTEGER NOT NULL,
    received_at INTEGER NOT NULL
) STRICT;
