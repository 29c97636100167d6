"""Stores that know a few queries more."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bot.store import Store
from bot.store.named import load_queries
from bot.store.opening import sqlite_path
from bot.store.postgres import PostgresStore
from bot.store.sqlite import SqliteStore
from tests.engines import Cluster

QUERIES = Path(__file__).parent / "queries"


def open_for_test(url: str, *, serving: bool = False) -> Store:
    """Open a store with the queries of these tests."""
    path = sqlite_path(url)
    if path is None:
        return PostgresStore(url, queries={**load_queries("postgres"), **load_queries("postgres", QUERIES)})
    queries = {**load_queries("sqlite"), **load_queries("sqlite", QUERIES)}
    return SqliteStore(path, serving=serving, queries=queries)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An open, migrated, empty store."""
    opened = open_for_test(store_url)
    try:
        opened.migrate()
        yield opened
    finally:
        opened.close()


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A server that may be stopped without disturbing other tests."""
    found = Cluster()
    try:
        found.start()
        yield found
    finally:
        found.stop()


@contextmanager
def foreign_lock(url: str) -> Iterator[None]:
    """Somebody else keeps everybody from writing."""
    path = sqlite_path(url)
    if path is None:
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("BEGIN; LOCK TABLE inbox, meta IN EXCLUSIVE MODE")
            yield
            other.execute("ROLLBACK")
        return
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def until(condition: Callable[[], bool], timeout: float = 5.0) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
