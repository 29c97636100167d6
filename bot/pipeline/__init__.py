"""Use cases: intake, mirror, derivation, catalog, backfill."""
