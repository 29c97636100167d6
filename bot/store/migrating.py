"""Migrations: `migrations/NNNN_name.{sqlite,postgres}.sql`, each applied once, in one transaction with its record."""

import os
import sqlite3
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from bot.store import StoreError, StoreUnavailableError
from bot.store.named import Dialect, statements
from bot.store.sqlite_connection import begin_immediate, translate

FOLDER = Path(__file__).parent / "migrations"


def migration_texts(dialect: Dialect, folder: Path = FOLDER) -> list[tuple[str, str]]:
    """Name and text of every migration, in order."""
    suffix = f".{dialect}.sql"
    return [
        (path.name.removesuffix(suffix), path.read_text(encoding="utf-8")) for path in sorted(folder.glob(f"*{suffix}"))
    ]


def migrate_sqlite(connection: sqlite3.Connection, path: Path, *, until: float, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing, then make the file itself durable; the names applied.

    Each migration looks for the pending ones under the write lock, so two processes may start together."""
    migrations = Migrations("rollforward")
    for name, text in migration_texts("sqlite", folder):
        _register(migrations, name, text)
    database = Database(connection, execute_plugins=False)
    done: list[str] = []
    try:
        while migrations.pending(database):
            if not begin_immediate(connection, until):
                raise StoreUnavailableError("another process holds the write lock")
            try:
                done += _apply_next(migrations, database)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        if done:
            # a table that exists only in an unsynced log would be gone with the power
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        raise translate(error, "migrating") from error
    if done:
        _sync_folder(path.parent)
    return done


def _apply_next(migrations: Migrations, database: Database) -> list[str]:
    pending = [migration.name for migration in migrations.pending(database)]
    if not pending:
        return []
    migrations.apply(database, stop_before=pending[1:])
    return pending[:1]


def _register(migrations: Migrations, name: str, text: str) -> None:
    @migrations(name=name)
    def run(database: Database) -> None:
        # executescript would commit
        for statement in statements(text):
            database.conn.execute(statement)


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(f"cannot sync {folder}: {error.strerror}") from error
