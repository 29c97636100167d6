-- Versions seen in telemetry -------------------------------------------------------------------------------------------------

CREATE TABLE telemetry_version (    -- a version of a service, as telemetry first showed it
    service TEXT NOT NULL,          -- lower case
    env TEXT NOT NULL,              -- lower case, '' = none
    version TEXT NOT NULL,
    service_shown TEXT NOT NULL,    -- as the earliest sighting wrote it
    env_shown TEXT NOT NULL,
    first_at INTEGER NOT NULL,      -- the least instant of any sighting
    commit_sha BLOB,                -- of the earliest sighting that had git data; NULL: none had
    repository TEXT NOT NULL,
    repository_url TEXT NOT NULL,   -- without credentials
    git_at INTEGER,                 -- that sighting's instant
    PRIMARY KEY (service, env, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE telemetry_minutes (    -- in which minutes of a day (UTC) it was seen
    service TEXT NOT NULL,
    env TEXT NOT NULL,
    version TEXT NOT NULL,
    day INTEGER NOT NULL,           -- since 1970
    minutes BLOB NOT NULL,          -- 1,440 bits, the lowest bit of the first byte is 00:00; sightings are merged by OR
    told_on INTEGER NOT NULL,       -- the day on which the row was made: so many a day and no more
    PRIMARY KEY (service, env, version, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX telemetry_minutes_told ON telemetry_minutes (told_on);
