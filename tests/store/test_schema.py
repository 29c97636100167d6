"""The schema, its migrations, and what of the code must agree with it."""

import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from bot.store import Store, StoreError
from bot.store.migrating import migrate_sqlite, migration_texts
from bot.store.named import FOLDER, Query, load_queries, statements
from bot.store.opening import open_store, sqlite_path
from bot.store.sqlite_connection import connect
from bot.store.tables import TABLES

_RECORDS = {"_sqlite_migrations", "schema_migration", "sqlite_stat1"}
"""What the engines keep for themselves."""


def columns_of(url: str) -> dict[str, tuple[str, ...]]:
    """Tables and columns as the engine has them."""
    path = sqlite_path(url)
    if path is not None:
        with connect(path, read_only=True) as database:
            names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            found = {name: tuple(row[1] for row in database.execute(f"PRAGMA table_info('{name}')")) for name in names}
        database.close()
        return found
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY ordinal_position"
        ).fetchall()
    return {table: tuple(column for name, column in rows if name == table) for table, _ in rows}


def unique_keys_of(url: str) -> set[tuple[str, frozenset[str]]]:
    """What the engine lets a conflict be decided by."""
    path = sqlite_path(url)
    found: set[tuple[str, frozenset[str]]] = set()
    if path is not None:
        database = connect(path, read_only=True)
        for table in TABLES:
            info = database.execute(f"PRAGMA table_info('{table}')").fetchall()
            found.add((table, frozenset(row[1] for row in info if row[5])))
            for index in database.execute(f"PRAGMA index_list('{table}')").fetchall():
                if index[2]:
                    parts = database.execute(f"PRAGMA index_info('{index[1]}')").fetchall()
                    found.add((table, frozenset(part[2] for part in parts)))
        database.close()
        return found
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT c.relname, array_agg(a.attname::text) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) WHERE i.indisunique"
            " AND c.relnamespace = 'public'::regnamespace GROUP BY i.indexrelid, c.relname"
        ).fetchall()
    return {(table, frozenset(columns)) for table, columns in rows}


def test_tables_are_the_schema(store: Store, store_url: str) -> None:
    real = {name: columns for name, columns in columns_of(store_url).items() if name not in _RECORDS}
    assert {table.name: table.columns for table in TABLES.values()} == real


def test_conflicts_are_decided_by_unique_keys(store: Store, store_url: str) -> None:
    unique = unique_keys_of(store_url)
    assert [table.name for table in TABLES.values() if (table.name, frozenset(table.key)) not in unique] == []
    assert [table.name for table in TABLES.values() if not set(table.order) <= set(table.columns)] == []


def problems(url: str, queries: dict[str, Query]) -> Iterator[str]:
    """Ask the engine to plan every query, with nothing for every parameter."""
    path = sqlite_path(url)
    if path is not None:
        database = connect(path, read_only=True)
        for query in queries.values():
            text = query.head if query.tail is None else query.text_for(2)
            nothing = dict.fromkeys([*query.parameters, "keys_0", "keys_1"])
            try:
                database.execute(f"EXPLAIN {text}", nothing).fetchall()
            except sqlite3.Error as error:
                yield f"{query.name}: {error}"
        database.close()
        return
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        for query in queries.values():
            text = query.head if query.tail is None else query.text_for(2)
            nothing = dict.fromkeys([*query.parameters, "keys_0", "keys_1"])
            try:
                connection.execute(f"EXPLAIN {text}".encode(), nothing).fetchall()
            except psycopg.Error as error:
                yield f"{query.name}: {error}"


def test_every_query_is_understood(store: Store, store_url: str) -> None:
    queries = dict(load_queries(store.dialect))
    assert len(queries) > 10
    assert list(problems(store_url, queries)) == []


def test_the_same_names_on_both_engines() -> None:
    # what has a text for PostgreSQL alone is used by that engine's own code
    only = set(load_queries("postgres")) - set(load_queries("sqlite"))
    assert set(load_queries("sqlite")) <= set(load_queries("postgres"))
    used = " ".join(path.read_text() for path in FOLDER.parent.glob("postgres*.py"))
    assert [name for name in only if f'"{name}"' not in used] == []


def test_migrating_twice_does_nothing(store: Store, engine: str) -> None:
    assert store.migrate() == []
    assert migration_texts("sqlite") and len(migration_texts("sqlite")) == len(migration_texts("postgres"))


def test_processes_may_start_together(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    if engine == "postgres":
        cluster = request.getfixturevalue("cluster")
        url = cluster.url(cluster.create("template0"))
    stores = [open_store(url) for _ in range(4)]
    try:
        with ThreadPoolExecutor(4) as threads:
            applied = list(threads.map(lambda store: store.migrate(), stores))
    finally:
        for store in stores:
            store.close()
    names = [name for name, _ in migration_texts("sqlite")]
    assert sorted(name for one in applied for name in one) == names
    assert set(TABLES) <= set(columns_of(url))
    if engine == "postgres":
        cluster.drop(url.split("/")[3].split("?")[0])


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_failed_migration_leaves_nothing(engine: str, tmp_path: Path) -> None:
    (tmp_path / "0001_good.sqlite.sql").write_text("CREATE TABLE good (a INTEGER) STRICT;")
    (tmp_path / "0002_bad.sqlite.sql").write_text("CREATE TABLE half (a INTEGER) STRICT; CREATE TABLE good (a INTEGER);")
    database = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    for _ in range(2):
        with pytest.raises(StoreError, match="good already exists"):
            migrate_sqlite(database, tmp_path / "a.db", until=0, folder=tmp_path)
    names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert names & {"good", "half"} == {"good"}
    (tmp_path / "0002_bad.sqlite.sql").write_text("CREATE TABLE half (a INTEGER) STRICT")
    assert migrate_sqlite(database, tmp_path / "a.db", until=0, folder=tmp_path) == ["0002_bad"]
    database.close()


@pytest.mark.parametrize("engine", ["sqlite"])
def test_the_file_is_private_and_durable(engine: str, store: Store, store_url: str) -> None:
    path = sqlite_path(store_url)
    assert path is not None
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    writer = connect(path, read_only=False)
    pragmas = {name: writer.execute(f"PRAGMA {name}").fetchone()[0] for name in ("auto_vacuum", "journal_mode", "synchronous")}
    writer.close()
    assert pragmas == {"auto_vacuum": 2, "journal_mode": "wal", "synchronous": 2}


def test_statements_end_at_semicolons_of_their_own() -> None:
    text = "CREATE TABLE a (b TEXT DEFAULT ';'); -- one; two\nCREATE TABLE \"c;d\" (e TEXT); /* f; */\n;"
    assert statements(text) == ["CREATE TABLE a (b TEXT DEFAULT ';')", 'CREATE TABLE "c;d" (e TEXT)']
