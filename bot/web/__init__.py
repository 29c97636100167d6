"""HTTP in and out; no rules, no SQL."""
