-- The catalog by API: of each entity the newest writing, or that it was deleted -------------------------------------------

CREATE TABLE catalog_entity (
    ref TEXT PRIMARY KEY,           -- kind:namespace/name in lower case
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,        -- as written, like the name
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    schema_version TEXT NOT NULL,   -- v1, v2, v2.1, v2.2, v3
    document TEXT NOT NULL,         -- JSON object; '' once deleted
    text TEXT NOT NULL,             -- what was sent of it, without credentials
    notices TEXT NOT NULL,          -- JSON list of {where, message}
    received_at INTEGER NOT NULL,
    receipt INTEGER NOT NULL,
    deleted INTEGER NOT NULL        -- 1: deleted by that receipt; an older writing that comes later does not bring it back
) STRICT, WITHOUT ROWID;

CREATE TABLE catalog_kind (         -- kinds of entities that somebody described
    kind TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    receipt INTEGER NOT NULL,
    deleted INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
