-- The catalog by API: of each entity the newest writing, or that it was deleted -------------------------------------------

CREATE TABLE catalog_entity (
    ref TEXT COLLATE "C" PRIMARY KEY,           -- kind:namespace/name in lower case
    kind TEXT COLLATE "C" NOT NULL,
    namespace TEXT COLLATE "C" NOT NULL,        -- as written, like the name
    name TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    schema_version TEXT COLLATE "C" NOT NULL,   -- v1, v2, v2.1, v2.2, v3
    document TEXT COLLATE "C" NOT NULL,         -- JSON object; '' once deleted
    text TEXT COLLATE "C" NOT NULL,             -- what was sent of it, without credentials
    notices TEXT COLLATE "C" NOT NULL,          -- JSON list of {where, message}
    received_at BIGINT NOT NULL,
    receipt BIGINT NOT NULL,
    deleted BIGINT NOT NULL        -- 1: deleted by that receipt; an older writing that comes later does not bring it back
);

CREATE TABLE catalog_kind (         -- kinds of entities that somebody described
    kind TEXT COLLATE "C" PRIMARY KEY,
    display_name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    received_at BIGINT NOT NULL,
    receipt BIGINT NOT NULL,
    deleted BIGINT NOT NULL
);
