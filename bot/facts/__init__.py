"""Record a fact and what it makes dirty, inside the caller's transaction."""
