-- Failures, and the incidents that some of them are ---------------------------------------------------------------------

CREATE TABLE failure (              -- what a source says of a failure; the newest event, by its receipt, replaces the row
    id TEXT NOT NULL,
    source TEXT NOT NULL,           -- api, incidents, …: a failure of one source never replaces another's
    services TEXT NOT NULL,         -- JSON list, canonical, sorted
    services_shown TEXT NOT NULL,   -- JSON list, as written, in the same order
    teams TEXT NOT NULL,            -- JSON list, as written
    envs TEXT NOT NULL,             -- JSON list, canonical, in the order given
    envs_shown TEXT NOT NULL,       -- JSON list, as written, in the same order
    name TEXT NOT NULL,
    severity TEXT NOT NULL,
    version TEXT NOT NULL,
    repository TEXT NOT NULL,       -- RepositoryId, '' without git data
    repository_url TEXT NOT NULL,
    commit_sha BLOB,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,            -- when the resolve in force happened
    state TEXT NOT NULL,            -- active, stable, resolved
    time_to_restore INTEGER,        -- nanoseconds; NULL while nobody can know it
    tags TEXT NOT NULL,             -- JSON list of key:value
    received_at INTEGER NOT NULL,
    receipt INTEGER NOT NULL,
    PRIMARY KEY (source, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX failure_newest ON failure (started_at, id, source);
CREATE INDEX failure_id ON failure (id);

CREATE TABLE incident (             -- an incident that was declared here; what it is follows from its events
    id TEXT NOT NULL PRIMARY KEY,
    public_id INTEGER NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX incident_newest ON incident (created_at, id);

CREATE TABLE incident_event (       -- what one request said of an incident
    incident_id TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    receipt INTEGER NOT NULL,
    body TEXT NOT NULL,             -- JSON
    PRIMARY KEY (incident_id, received_at, receipt)
) STRICT, WITHOUT ROWID;
