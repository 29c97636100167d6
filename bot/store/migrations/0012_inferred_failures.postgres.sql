-- Failures that follow from other facts --------------------------------------------------------------------------------

ALTER TABLE failure ADD COLUMN inferred_from TEXT COLLATE "C" NOT NULL DEFAULT '';  -- the key of the inference that made the row (derived); '' = it was reported (a fact)
CREATE INDEX failure_inferred ON failure (inferred_from) WHERE inferred_from <> '';
