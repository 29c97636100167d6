-- What people did with AI tools, and the original's lists --------------------------------------------------------------------

CREATE TABLE ai_activity (          -- one user's use of one tool on one day, as reported last
    user_email TEXT NOT NULL,       -- lower case
    day TEXT NOT NULL,              -- YYYY-MM-DD, as reported
    tool TEXT NOT NULL,             -- claude_code, cursor, copilot, …; '' when none was named
    is_active INTEGER NOT NULL,
    models TEXT NOT NULL,           -- JSON list, sorted
    received_at INTEGER NOT NULL,
    receipt INTEGER NOT NULL,
    PRIMARY KEY (user_email, day, tool)
) STRICT, WITHOUT ROWID;

CREATE INDEX deployment_started ON deployment (started_at, id);

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('deployment', 'deployment_started', '500000 1 1');
ANALYZE sqlite_schema;
