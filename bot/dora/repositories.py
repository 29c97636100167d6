"""Repository ids: one text for all spellings of one remote."""
