-- All that a file says of a service, to show it whole ---------------------------------------------------------------------

ALTER TABLE definition_claim ADD COLUMN document TEXT COLLATE "C" NOT NULL DEFAULT '';  -- JSON without credentials; '' = not noted, or sent by API

-- Files that are known already are read again, those in repositories when they are fetched next.
UPDATE catalog SET digest = '' WHERE kind = 'definitions';
UPDATE definition_file SET blob = '\x00' WHERE blob IS NOT NULL;
