-- Rules of a service: what its definition says of them -------------------------------------------------------------------

ALTER TABLE definition ADD COLUMN rules TEXT COLLATE "C" NOT NULL DEFAULT '';        -- JSON {linked: [entry, …], static: […]}; '' = nothing is said
ALTER TABLE definition_claim ADD COLUMN rules TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Files that are known already say it too: they are read again, those in repositories when they are fetched next.
UPDATE catalog SET digest = '' WHERE kind = 'definitions';
UPDATE definition_file SET blob = '\x00' WHERE blob IS NOT NULL;

CREATE INDEX change_set_unlisted ON change_set (not_computed) WHERE not_computed IN ('first_deployment', 'predecessor_too_old');
