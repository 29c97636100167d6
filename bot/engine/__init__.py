"""The engine: one child process parses, ingests and derives; its parent feeds it, fetches, and brings it back when it dies.

The child never writes to a SQLite file: what it wants written crosses the pipe as values and is committed by the parent's one
writer thread, paced behind the intake. A thread would hold the interpreter (p99 of intake ×1,000), a second writing process
the file's lock (the same); see docs/architecture.md.
"""
