"""Migrations on PostgreSQL: one transaction each, with its record, under one lock for all processes."""

import time
from pathlib import Path

from bot.store.migrating import FOLDER, migration_texts
from bot.store.postgres_connection import Connection

_LOCK = 0x726F6C6C
_RECORD = b"""
CREATE TABLE IF NOT EXISTS schema_migration (name TEXT COLLATE "C" PRIMARY KEY, applied_at BIGINT NOT NULL);
CREATE SEQUENCE IF NOT EXISTS inbox_id;
"""


def migrate_postgres(connection: Connection, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing; the names applied."""
    done: list[str] = []
    for name, text in migration_texts("postgres", folder):
        connection.execute(b"BEGIN")
        connection.execute(b"SET LOCAL lock_timeout = '30s'")
        connection.execute(b"SELECT pg_advisory_xact_lock(%d)" % _LOCK)
        connection.execute(_RECORD)
        if connection.execute(b"SELECT 1 FROM schema_migration WHERE name = %s", (name,)).fetchone() is None:
            connection.execute(text.encode())
            connection.execute(b"INSERT INTO schema_migration VALUES (%s, %s)", (name, time.time_ns()))
            done.append(name)
        connection.execute(b"COMMIT")
    return done
