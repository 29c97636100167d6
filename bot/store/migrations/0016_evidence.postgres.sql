-- Evidence of rework, and commits as they were before a rebase ----------------------------------------------------------

-- A rule with `blame: none` left a flag and no evidence: rules are asked again.
INSERT INTO mark (stage, key, from_at, version, attempts, run_at, error)
    SELECT DISTINCT 'rules', '[]', 0, 1, 0, 0, '' FROM classification WHERE flags IN ('["rework"]', '["moved_backwards", "rework"]')
    ON CONFLICT (stage, key) DO UPDATE SET version = mark.version + 1, run_at = 0;
