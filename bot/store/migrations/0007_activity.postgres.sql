-- What people did with AI tools, and the original's lists --------------------------------------------------------------------

CREATE TABLE ai_activity (          -- one user's use of one tool on one day, as reported last
    user_email TEXT COLLATE "C" NOT NULL,       -- lower case
    day TEXT COLLATE "C" NOT NULL,              -- YYYY-MM-DD, as reported
    tool TEXT COLLATE "C" NOT NULL,             -- claude_code, cursor, copilot, …; '' when none was named
    is_active BIGINT NOT NULL,
    models TEXT COLLATE "C" NOT NULL,           -- JSON list, sorted
    received_at BIGINT NOT NULL,
    receipt BIGINT NOT NULL,
    PRIMARY KEY (user_email, day, tool)
);

CREATE INDEX deployment_started ON deployment (started_at, id);
