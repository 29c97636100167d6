"""One folder per forge: sans-I/O webhook verification, payloads to values."""
