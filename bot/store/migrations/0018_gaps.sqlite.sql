-- Gaps in the history ----------------------------------------------------------------------------------------------------

-- What lies across a gap was counted as far as it was known: all series are looked at again.
INSERT INTO mark (stage, key, from_at, version, attempts, run_at, error)
    SELECT DISTINCT 'series', '[]', 0, 1, 0, 0, '' FROM change_set;
