-- Where deployments come from ----------------------------------------------------------------------------------------------

ALTER TABLE deployment ADD COLUMN inferred_from TEXT NOT NULL DEFAULT '';  -- the key of the inference that made the row (derived); '' = it was reported (a fact)
ALTER TABLE deployment ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;               -- 1: deleted, or not inferred any more: nobody sees it, and what was derived of it goes
CREATE INDEX deployment_inferred ON deployment (inferred_from) WHERE inferred_from <> '';
