"""The vendors' real clients, unmodified, against a real server over TLS."""
