"""Rollforward tells a team how it ships, every number down to the commits that made it."""

__version__ = "0.1.0"
