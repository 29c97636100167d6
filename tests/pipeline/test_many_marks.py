"""Edited rules and a rebuild over many pull requests: few marks, small transactions, and what a fresh derivation gives."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from benchmarks.many_changes import Size, derive_all, fill
from bot.dora.changes import Limits
from bot.facts.marks import mark_pull_request
from bot.pipeline.catalog import read_catalog, record_catalog
from bot.pipeline.derive import deriver
from bot.pipeline.history import HistoryCache
from bot.store import Store, Writer
from tests.pipeline.test_rebuild import DERIVED
from tests.support.server import rows

T = TypeVar("T")

SIZE = Size(repositories=1, pull_requests=60)
URGENT = "version: 1\nlinked: []\nstatic:\n  - {id: add, field: commit_message, pattern: '^Add'}\n"
SERIES = [(f'["{service}-1", "{env}"]', 0) for service in ("api", "web") for env in ("prod", "staging")]


def edit_rules(store: Store, folder: Path, text: str) -> None:
    (folder / "rules.yaml").write_text(text)
    catalog = read_catalog(folder)
    assert not catalog.problems
    store.write(lambda writer: record_catalog(writer, catalog, received_at=1))


def marks(store: Store, stage: str) -> list[tuple[str, int]]:
    def due(name: str, key: str, from_at: int, *_: object) -> tuple[str, str, int]:
        return name, key, from_at

    found = store.read(lambda reader: reader.fetch("due_marks", due, now=10**18, n=99))
    return [(key, from_at) for name, key, from_at in found if name == stage]


def derived(url: str) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sorted(rows(url, f"SELECT * FROM {table}"), key=repr) for table in DERIVED}


def clear(url: str) -> None:
    """Nothing derived is left."""
    for table in DERIVED:
        if url.startswith("postgres"):
            with psycopg.connect(url, autocommit=True) as server:
                server.execute(f"DELETE FROM {table}".encode())
        else:
            with sqlite3.connect(url.removeprefix("sqlite:///"), timeout=5) as file:
                file.execute(f"DELETE FROM {table}")
            file.close()


class Watched:
    """A store that notes how many rows each transaction writes."""

    def __init__(self, store: Store, slice_rows: int) -> None:
        self.store, self.slice_rows, self.written = store, slice_rows, [0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def write(self, work: Callable[[Writer], T], *, urgent: bool = True) -> T:
        self.written.append(0)
        return self.store.write(lambda writer: work(_WatchedWriter(writer, self.written)), urgent=urgent)  # type: ignore[arg-type]


class _WatchedWriter:
    def __init__(self, writer: Writer, written: list[int]) -> None:
        self.writer, self.written = writer, written

    def __getattr__(self, name: str) -> Any:
        return getattr(self.writer, name)

    def execute(self, query: str, /, **params: Any) -> None:
        self.written[-1] += 1
        self.writer.execute(query, **params)

    def execute_many(self, query: str, given: Any) -> None:
        self.written[-1] += len(given)
        self.writer.execute_many(query, given)

    def write_many(self, table: str, given: Any, **more: Any) -> None:
        self.written[-1] += len(given)
        self.writer.write_many(table, given, **more)


def test_edited_rules_are_derived_in_small_parts_and_once_more_when_they_change_meanwhile(
    store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, SIZE)
    assert {row[0] for row in rows(store_url, "SELECT DISTINCT rule FROM remediation")} == {"revert-sha", "hotfix-label"}
    monkeypatch.setattr(deriver, "AT_ONCE", 25)
    edit_rules(store, tmp_path, "version: 1\nstatic: []\n")
    assert rows(store_url, "SELECT stage, key FROM mark") == [("rules", "[]")]
    derive_all(store, at_most=1)
    assert (marks(store, "rules"), marks(store, "repositories"), marks(store, "classification")) == ([], [("[1]", 0)], SERIES)
    derive_all(store, at_most=1)
    assert marks(store, "repositories") == [("[1]", 26)]
    edit_rules(store, tmp_path, URGENT)
    derive_all(store, at_most=1)
    assert marks(store, "repositories") == [("[1]", 0)]
    derive_all(store)
    grown = derived(store_url)
    assert {row[3] for row in grown["remediation"]} == {"add"}
    assert {row[2] for row in grown["pull_request_flag"]} == {"add"}
    clear(store_url)
    for _ in deriver.rebuild(store, progress=lambda _: None):
        pass
    derive_all(store)
    assert derived(store_url) == grown


def test_pull_requests_are_derived_together_in_few_transactions(store: Store, store_url: str) -> None:
    fill(store, SIZE)
    grown = derived(store_url)
    clear(store_url)
    numbers = range(1, SIZE.pull_requests + 1)
    store.write(lambda writer: [mark_pull_request(writer, repository_id=1, number=number) for number in numbers])
    watched = Watched(store, slice_rows=100)
    while marks(store, "repository"):
        derive_all(watched, at_most=1)  # type: ignore[arg-type]
    assert len(watched.written) < 15
    derive_all(store)
    again = derived(store_url)
    assert again["pull_request_flag"] == grown["pull_request_flag"]
    assert again["introduced"] == grown["introduced"]


def test_a_pull_request_that_cannot_be_derived_holds_up_no_other(
    store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, SIZE)
    derive = deriver.derive_pull_request

    def refuse(reader: Any, sources: Any, repository_id: int, number: int) -> Any:
        if number == 30:
            raise ValueError("not this one")
        return derive(reader, sources, repository_id, number)

    monkeypatch.setattr(deriver, "derive_pull_request", refuse)
    edit_rules(store, tmp_path, URGENT)
    derive_all(store)
    assert rows(store_url, "SELECT key, error FROM mark") == [("[1, 30]", "ValueError: not this one")]
    assert {row[0] for row in rows(store_url, "SELECT rule FROM pull_request_flag WHERE number <> 30")} == {"add"}


def test_pull_requests_that_go_on_coming_hold_up_nothing_else(store: Store, store_url: str, tmp_path: Path) -> None:
    fill(store, SIZE)
    edit_rules(store, tmp_path, URGENT)
    one = deriver.Deriver(store, HistoryCache(), limits=Limits(), clock=time.time_ns)
    rounds = 0
    while rows(store_url, "SELECT stage FROM mark") != []:
        rounds += 1
        store.write(lambda writer: mark_pull_request(writer, repository_id=1, number=999))
        one.derive_next()
        assert rounds < 2_000


def test_a_rebuild_marks_in_small_transactions(store: Store, store_url: str) -> None:
    fill(store, SIZE)
    grown = derived(store_url)
    watched = Watched(store, slice_rows=3)
    for _ in deriver.rebuild(watched, progress=lambda _: None):  # type: ignore[arg-type]
        pass
    assert max(watched.written) <= 3
    assert marks(store, "changes") == SERIES
    derive_all(store)
    assert derived(store_url) == grown
