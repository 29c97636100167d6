-- Versions seen in telemetry -------------------------------------------------------------------------------------------------

CREATE TABLE telemetry_version (    -- a version of a service, as telemetry first showed it
    service TEXT COLLATE "C" NOT NULL,          -- lower case
    env TEXT COLLATE "C" NOT NULL,              -- lower case, '' = none
    version TEXT COLLATE "C" NOT NULL,
    service_shown TEXT COLLATE "C" NOT NULL,    -- as the earliest sighting wrote it
    env_shown TEXT COLLATE "C" NOT NULL,
    first_at BIGINT NOT NULL,      -- the least instant of any sighting
    commit_sha BYTEA,                -- of the earliest sighting that had git data; NULL: none had
    repository TEXT COLLATE "C" NOT NULL,
    repository_url TEXT COLLATE "C" NOT NULL,   -- without credentials
    git_at BIGINT,                 -- that sighting's instant
    PRIMARY KEY (service, env, version)
);

CREATE TABLE telemetry_minutes (    -- in which minutes of a day (UTC) it was seen
    service TEXT COLLATE "C" NOT NULL,
    env TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    day BIGINT NOT NULL,           -- since 1970
    minutes BYTEA NOT NULL,          -- 1,440 bits, the lowest bit of the first byte is 00:00; sightings are merged by OR
    told_on BIGINT NOT NULL,       -- the day on which the row was made: so many a day and no more
    PRIMARY KEY (service, env, version, day)
);
CREATE INDEX telemetry_minutes_told ON telemetry_minutes (told_on);
