-- Where deployments come from ----------------------------------------------------------------------------------------------

ALTER TABLE deployment ADD COLUMN inferred_from TEXT NOT NULL DEFAULT '';  -- the key of the inference that made the row (derived); '' = it was reported (a fact)
ALTER TABLE deployment ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;               -- 1: deleted, or not inferred any more: nobody sees it, and what was derived of it goes
CREATE INDEX deployment_inferred ON deployment (inferred_from) WHERE inferred_from <> '';

-- Which deployments and failures count, and what people correct -------------------------------------------------------------

CREATE TABLE source_switch (        -- a data source that somebody turned on or off
    kind TEXT NOT NULL,             -- deployments, failures
    name TEXT NOT NULL,             -- api, apm, github, …
    selected_from INTEGER,          -- what finished (failures: started) before it does not count; 0: everything does; NULL: never turned on
    is_on INTEGER NOT NULL,
    told_at INTEGER NOT NULL,       -- when somebody last said so
    receipt INTEGER NOT NULL,       -- with told_at the order of such words
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE tombstone (            -- what was deleted by API: whatever is sent under this id is taken and forgotten
    kind TEXT NOT NULL,             -- deployment, failure, incident
    id TEXT NOT NULL,
    received_at INTEGER NOT NULL,   -- of the first deletion
    receipt INTEGER NOT NULL,
    deleted_by TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE deployment_override (  -- what people said of deployments, never changed: the audit trail
    deployment_id TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    receipt INTEGER NOT NULL,       -- with received_at the order in which they count
    told_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    change_failure TEXT,            -- true, false, removed; NULL: nothing was said of it
    remediation_type TEXT,          -- rollback, rollforward, removed; NULL: nothing was said of it
    remediation_id TEXT NOT NULL,   -- '' unless a type is given
    PRIMARY KEY (deployment_id, received_at, receipt)
) STRICT, WITHOUT ROWID;
CREATE INDEX override_remediation ON deployment_override (remediation_id) WHERE remediation_id <> '';

ALTER TABLE change_set ADD COLUMN merged_into TEXT;                       -- the deployment that counts for this one: the same release, seen by another source
ALTER TABLE change_set ADD COLUMN version TEXT NOT NULL DEFAULT '';       -- what a merged deployment knew and this one did not
ALTER TABLE change_set ADD COLUMN repository TEXT NOT NULL DEFAULT '';
ALTER TABLE change_set ADD COLUMN commit_sha BLOB;
CREATE INDEX change_set_merged ON change_set (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX change_set_uncounted ON change_set (deployment_id) WHERE merged_into IS NOT NULL OR not_computed = 'source_off';
CREATE INDEX change_set_repository ON change_set (repository) WHERE repository <> '';
ALTER TABLE classification ADD COLUMN failed INTEGER;                     -- what a person said: 1 it failed, 0 it did not; NULL: nobody did
