"""What migrations make of the facts of earlier versions."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import psycopg
import pytest

from bot.answers.explain import explain, in_words
from bot.dora.changes import Limits
from bot.dora.rules import Rule, RuleSet
from bot.facts.catalog import load_definition_files, load_service_rules
from bot.facts.sources import load_selection
from bot.pipeline.catalog import read_catalog, record_catalog
from bot.pipeline.derive import Deriver
from bot.pipeline.explain import StoredExplainSource
from bot.pipeline.history import HistoryCache
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


@pytest.fixture
def old_store(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., str]:
    """The URL of a store of before a migration, in which these statements were executed."""

    def make(number: int, *statements: str) -> str:
        old = _before(tmp_path / "old", number)
        if engine == "sqlite":
            database = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
            migrate_sqlite(database, tmp_path / "old.db", until=0, folder=old)
            for one in statements:
                database.execute(one)
            database.close()
            return f"sqlite:///{tmp_path / 'old.db'}"
        cluster = request.getfixturevalue("cluster")
        url: str = cluster.url(cluster.create("template0"))
        with psycopg.connect(url, autocommit=True) as connection:
            migrate_postgres(connection, old)  # type: ignore[arg-type]
            for one in statements:
                connection.execute(one.encode())
        return url

    return make


@pytest.mark.parametrize(("source", "on"), [("tags", True), ("api", False)])
def test_tags_of_before_there_were_switches_still_count(old_store: Callable[..., str], source: str, on: bool) -> None:
    store = open_store(old_store(6, ROW.format(source=source)))
    try:
        store.migrate()
        switch = store.read(lambda reader: load_selection(reader, "deployments")).switch("tags")
        assert (switch.on, switch.selected_from) == ((True, 0) if on else (False, None))
    finally:
        store.close()


def test_rules_in_definitions_of_before_they_were_read_are_read(
    engine: str, old_store: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "shop.yaml").write_text(
        "schema-version: v2.2\ndd-service: shop\nextensions: {datadoghq.com/dora-metrics: {rollforward_rules: "
        "{static: [{id: hotfix-title, enabled: false}]}}}\n"
    )
    catalog = read_catalog(tmp_path)
    binary = "x'12'" if engine == "sqlite" else "'\\x12'"
    row = "('shop', 'shop', 'v2.2', '', '[]', '[]', NULL, '[]', 'shop.yaml:2')"
    store = open_store(
        old_store(
            13,
            f"INSERT INTO catalog VALUES ('definitions', '{catalog.definitions_digest}', 1, '', '[]')",
            f"INSERT INTO definition VALUES {row[:-1]}, '[]', 0)",
            "INSERT INTO repository (id, name, forge, forge_id, remote, is_local, default_branch) VALUES (1, 'r', '', '', '', 0, '')",
            *(
                f"INSERT INTO definition_file VALUES (1, '{path}', {blob}, {binary}, 1, NULL, '[]')"
                for path, blob in (("gone", "NULL"), ("there", binary))
            ),
        )
    )
    try:
        store.migrate()
        store.write(lambda writer: record_catalog(writer, catalog, received_at=2))
        found = store.read(lambda reader: load_service_rules(reader, "shop"))
        assert [(one.id, one.enabled) for one in found.static] == [("hotfix-title", False)]
        files = {one.path: one.blob for one in store.read(load_definition_files)}
        assert files["gone"] is None and files["there"] not in (None, b"\x12"), "another one than the next fetch sees"
    finally:
        store.close()


def test_rework_of_before_evidence_was_kept_is_told_with_its_evidence(old_store: Callable[..., str]) -> None:
    rules = RuleSet(linked=(), static=(Rule(id="night", field="version", pattern="^v1$", blame="none"),))
    store = open_store(
        old_store(
            16,
            ROW.format(source="api"),
            f"INSERT INTO catalog VALUES ('rules', 'x', 1, '{msgspec.json.encode(rules).decode()}', '[]')",
            "INSERT INTO classification (deployment_id, type, flags, reasons) VALUES ('tag-1', 'rollforward', '[\"rework\"]', '[]')",
        )
    )
    try:
        store.migrate()
        deriver = Deriver(store, HistoryCache(), limits=Limits(), clock=lambda: 10)
        while deriver.derive_next():
            pass
        found = store.read(lambda reader: explain(reader, StoredExplainSource(limits=Limits()), "tag-1"))
        assert found is not None
        assert [in_words(one) for one in found.evidence] == ['rework by rule night: version "v1"']
        assert (found.flags, found.deployment.type, found.deployment.change_failure) == ((), "rollforward", False)
    finally:
        store.close()


@pytest.mark.parametrize("kind", ["rebase", "squash"])
def test_what_was_rebased_before_is_looked_at_again(old_store: Callable[..., str], kind: str) -> None:
    store = open_store(
        old_store(
            16,
            f"INSERT INTO landing VALUES (7, 1, '{kind}', '', 1, NULL, NULL)",
            "INSERT INTO mark (stage, key, from_at, version, attempts, run_at, error) VALUES ('repositories', '[7]', 5, 2, 1, 9, 'x')",
        )
    )
    try:
        store.migrate()
        marks = store.read(lambda reader: reader.fetch("due_marks", lambda *row: row, now=5, n=9))
        assert marks == ([("repositories", "[7]", 0, 3, 1)] if kind == "rebase" else [])
    finally:
        store.close()


@pytest.mark.parametrize("there", [True, False])
def test_what_was_counted_across_a_gap_is_counted_again(old_store: Callable[..., str], there: bool) -> None:
    row = "INSERT INTO change_set (deployment_id, predecessor, not_computed, flags, dropped, kept, redeployed, with_lead_time)"
    derived = (ROW.format(source="api"), f"{row} VALUES ('tag-1', 'tag-0', NULL, '[]', '{{}}', 2, 0, 0)") if there else ()
    store = open_store(old_store(18, *derived))
    try:
        store.migrate()
        deriver = Deriver(store, HistoryCache(), limits=Limits(), clock=lambda: 10)
        assert deriver.derive_next() is there
        while deriver.derive_next():
            pass
        found = store.read(lambda reader: explain(reader, StoredExplainSource(limits=Limits()), "tag-1"))
        assert (found and found.deployment.not_computed) == ("no_git" if there else None)
    finally:
        store.close()
