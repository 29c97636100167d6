-- Evidence of rework, and commits as they were before a rebase ----------------------------------------------------------

CREATE TABLE rebased (              -- commits of a pull request's head, and what its rebase merge made of them (derived)
    repository_id BIGINT NOT NULL,
    sha BYTEA NOT NULL,
    number BIGINT NOT NULL,
    landed BYTEA NOT NULL,
    merged_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, sha, number)
);
CREATE INDEX rebased_by ON rebased (repository_id, number);

-- A rule with `blame: none` left a flag and no evidence: rules are asked again.
INSERT INTO mark (stage, key, from_at, version, attempts, run_at, error)
    SELECT DISTINCT 'rules', '[]', 0, 1, 0, 0, '' FROM classification WHERE flags IN ('["rework"]', '["moved_backwards", "rework"]')
    ON CONFLICT (stage, key) DO UPDATE SET version = mark.version + 1, run_at = 0;

-- What was rebased before has to be looked at again.
INSERT INTO mark (stage, key, from_at, version, attempts, run_at, error)
    SELECT DISTINCT 'repositories', '[' || repository_id || ']', 0, 1, 0, 0, '' FROM landing WHERE kind = 'rebase'
    ON CONFLICT (stage, key) DO UPDATE SET from_at = 0, version = mark.version + 1, run_at = 0;
