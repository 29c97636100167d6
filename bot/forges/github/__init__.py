"""GitHub, and nothing of the others."""
