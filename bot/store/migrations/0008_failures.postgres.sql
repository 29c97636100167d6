-- Failures, and the incidents that some of them are ---------------------------------------------------------------------

CREATE TABLE failure (              -- what a source says of a failure; the newest event, by its receipt, replaces the row
    id TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,           -- api, incidents, …: a failure of one source never replaces another's
    services TEXT COLLATE "C" NOT NULL,         -- JSON list, canonical, sorted
    services_shown TEXT COLLATE "C" NOT NULL,   -- JSON list, as written, in the same order
    teams TEXT COLLATE "C" NOT NULL,            -- JSON list, as written
    envs TEXT COLLATE "C" NOT NULL,             -- JSON list, canonical, in the order given
    envs_shown TEXT COLLATE "C" NOT NULL,       -- JSON list, as written, in the same order
    name TEXT COLLATE "C" NOT NULL,
    severity TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    repository TEXT COLLATE "C" NOT NULL,       -- RepositoryId, '' without git data
    repository_url TEXT COLLATE "C" NOT NULL,
    commit_sha BYTEA,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,            -- when the resolve in force happened
    state TEXT COLLATE "C" NOT NULL,            -- active, stable, resolved
    time_to_restore BIGINT,        -- nanoseconds; NULL while nobody can know it
    tags TEXT COLLATE "C" NOT NULL,             -- JSON list of key:value
    received_at BIGINT NOT NULL,
    receipt BIGINT NOT NULL,
    PRIMARY KEY (source, id)
);
CREATE INDEX failure_newest ON failure (started_at, id, source);
CREATE INDEX failure_id ON failure (id);

CREATE TABLE incident (             -- an incident that was declared here; what it is follows from its events
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    public_id BIGINT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);
CREATE INDEX incident_newest ON incident (created_at, id);

CREATE TABLE incident_event (       -- what one request said of an incident
    incident_id TEXT COLLATE "C" NOT NULL,
    received_at BIGINT NOT NULL,
    receipt BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL,             -- JSON
    PRIMARY KEY (incident_id, received_at, receipt)
);
