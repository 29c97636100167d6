"""The table of change failures (docs/change-failures*.md) as tests: each case is played on a forge, sent, and read back by API."""
