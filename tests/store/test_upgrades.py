"""What migrations make of the facts of earlier versions."""

import shutil
import sqlite3
from pathlib import Path

import psycopg
import pytest

from bot.facts.sources import load_selection
from bot.store.migrating import migrate_sqlite
from bot.store.migrating_postgres import migrate_postgres
from bot.store.named import FOLDER
from bot.store.opening import open_store

MIGRATIONS = FOLDER.parent / "migrations"
ROW = (
    "INSERT INTO deployment (id, service, env, service_shown, env_shown, version, repository, repository_url, started_at,"
    " finished_at, team, tags, source, received_at, receipt)"
    " VALUES ('tag-1', 'shop', '', 'shop', '', 'v1', 'github.com/acme/shop', '', 1, 1, '', '[]', '{source}', 1, 0)"
)


def _before(folder: Path, number: int) -> Path:
    """The migrations before one."""
    folder.mkdir()
    for path in MIGRATIONS.glob("*.sql"):
        if int(path.name[:4]) < number:
            shutil.copy(path, folder)
    return folder


@pytest.mark.parametrize(("source", "on"), [("tags", True), ("api", False)])
def test_tags_of_before_there_were_switches_still_count(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest, source: str, on: bool
) -> None:
    old = _before(tmp_path / "old", 6)
    url = f"sqlite:///{tmp_path / 'old.db'}"
    if engine == "sqlite":
        database = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
        migrate_sqlite(database, tmp_path / "old.db", until=0, folder=old)
        database.execute(ROW.format(source=source))
        database.close()
    else:
        cluster = request.getfixturevalue("cluster")
        url = cluster.url(cluster.create("template0"))
        with psycopg.connect(url, autocommit=True) as connection:
            migrate_postgres(connection, old)  # type: ignore[arg-type]
            connection.execute(ROW.format(source=source).encode())
    store = open_store(url)
    try:
        store.migrate()
        switch = store.read(lambda reader: load_selection(reader, "deployments")).switch("tags")
        assert (switch.on, switch.selected_from) == ((True, 0) if on else (False, None))
    finally:
        store.close()
