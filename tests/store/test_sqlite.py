"""What only the SQLite engine has: a disk of its own, one writer, an owner, a child that writes through it."""

import asyncio
import os
import pickle
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.store import (
    Receipt,
    Store,
    StoreConflictError,
    StoreError,
    StoreInUseError,
    StoreUnavailableError,
    Writer,
    sqlite_writing,
)
from bot.store.batch import Batch
from bot.store.named import load_queries
from bot.store.opening import OwnerLock, StoreUrlError, open_for_reading, open_store, sqlite_path
from bot.store.remote import RemoteStore
from bot.store.sqlite import SqliteStore
from bot.store.sqlite_connection import connect
from tests.store.conftest import QUERIES, open_for_test

sqlite_only = pytest.mark.parametrize("engine", ["sqlite"])


def receipt(key: str, body: bytes = b"{}") -> Receipt:
    return Receipt(source="github", key=key, event="push", received_at=1, headers={}, body=body)


def rows(store: Store, query: str) -> list[tuple[Any, ...]]:
    return store.read(lambda reader: reader.fetch(query, lambda *row: row))


@contextmanager
def no_room(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: a full disk, as SQLite sees it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@sqlite_only
async def test_a_full_disk_is_told_and_survived(store: Store, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    def connect_anew(path: Path, *, read_only: bool) -> sqlite3.Connection:
        opened.append(path)
        return connect(path, read_only=read_only)

    monkeypatch.setattr(sqlite_writing, "connect", connect_anew)
    kept = [(await store.append(receipt(f"before {n}"))).id for n in range(3)]
    with no_room(300_000):
        tasks = [asyncio.create_task(store.append(receipt(f"full {n}", os.urandom(50_000)))) for n in range(20)]
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert any(isinstance(answer, StoreUnavailableError) for answer in answers)
        assert not store.healthy()
        with pytest.raises(StoreUnavailableError):
            await store.write_async(lambda writer: writer.write_many("meta", [("big", "x" * 400_000)]))
    before = len(opened)
    after = await store.append(receipt("after"))
    assert store.healthy()
    assert len(opened) == before + 1, "what follows an error of the disk goes through a new connection"
    kept += [answer.id for answer in answers if not isinstance(answer, BaseException)]
    assert {row[0] for row in rows(store, "test_state")} == {*kept, after.id}


@sqlite_only
def test_a_work_that_writes_through_its_own_store_is_refused(store: Store, engine: str) -> None:
    with pytest.raises(StoreError, match="may not write through the store"):
        store.write(lambda _: store.write(lambda writer: writer.write_many("meta", [("a", "1")])))


@sqlite_only
@pytest.mark.parametrize("serving", [True, False])
async def test_bulk_gives_way_while_serving(store_url: str, serving: bool, engine: str) -> None:
    store = open_for_test(store_url, serving=serving)
    await asyncio.to_thread(store.migrate)
    stop = threading.Event()
    busy = 0.0

    def slice_(writer: Writer) -> None:
        nonlocal busy
        begun = time.monotonic()
        time.sleep(0.01)
        busy += time.monotonic() - begun

    def bulk() -> None:
        while not stop.is_set():
            store.write(slice_, urgent=False)

    thread = threading.Thread(target=bulk)
    thread.start()
    begun, n = time.monotonic(), 0
    while time.monotonic() - begun < 0.6:
        await store.append(receipt(str(n)))
        n += 1
        await asyncio.sleep(0.001)
    share = busy / (time.monotonic() - begun)
    stop.set()
    await asyncio.to_thread(thread.join)
    await asyncio.to_thread(store.close)
    assert share < 0.3 if serving else share > 0.35, share


@sqlite_only
def test_bulk_does_not_rest_when_nobody_else_writes(store_url: str, engine: str) -> None:
    store = open_for_test(store_url, serving=True)
    store.migrate()
    time.sleep(1.05)
    begun = time.monotonic()
    for _ in range(10):
        store.write(lambda _: time.sleep(0.02), urgent=False)
    took = time.monotonic() - begun
    store.close()
    assert took < 0.5, took


def remote_store(url: str, owner: Store, **more: Any) -> RemoteStore:
    assert isinstance(owner, SqliteStore)

    def submit(batch: Batch, urgent: bool) -> None:
        owner.apply(pickle.loads(pickle.dumps(batch)), urgent=urgent)  # noqa: S301 - our own bytes

    return RemoteStore(url, submit=submit, queries={**load_queries("sqlite"), **load_queries("sqlite", QUERIES)})


@sqlite_only
def test_a_child_writes_through_the_owner(store: Store, store_url: str, engine: str) -> None:
    remote = remote_store(store_url, store)
    acts: list[object] = []
    store.write(lambda writer: [writer.write_many("meta", [("old", "0")]), writer.allocate("a", 4)])

    def work(writer: Writer) -> list[int]:
        writer.after_commit(lambda: acts.append(rows(store, "test_meta")))
        numbers = [writer.allocate("a", 2), writer.allocate("a", 1), writer.allocate("b", 1)]
        writer.write_many("meta", [("old", "1"), ("new", "1")], on_conflict="replace")
        writer.execute("test_set", name="new", value="2")
        writer.execute_many("test_set", ({"name": name, "value": "3"} for name in ["old"]))
        assert writer.fetch("test_meta", lambda *row: row) == [("old", "0")]
        assert writer.fetch_in("test_values_in", lambda *row: row, ["old"], other="") == [("old", "0")]
        return numbers

    assert remote.write(work) == [5, 7, 1]
    assert acts == [[("new", "2"), ("old", "3")]]
    assert remote.write(lambda writer: writer.allocate("a", 1), urgent=False) == 8
    assert store.write(lambda writer: [writer.allocate("a", 1), writer.allocate("b", 1)]) == [9, 2]
    assert remote.healthy()
    remote.close()


@sqlite_only
def test_a_child_hears_of_failures(store: Store, store_url: str, engine: str) -> None:
    remote = remote_store(store_url, store)
    acts: list[object] = []
    store.write(lambda writer: writer.write_many("meta", [("a", "0")]))

    def clash(writer: Writer) -> None:
        writer.after_commit(lambda: acts.append(1))
        writer.write_many("meta", [("b", "1"), ("a", "1")])

    with pytest.raises(StoreConflictError):
        remote.write(clash)
    assert not remote.healthy()
    with pytest.raises(LookupError):
        remote.write(lambda writer: [writer.write_many("meta", [("c", "1")]), {}["missing"]])
    for mistake in (
        lambda writer: writer.execute("test_nothing"),
        lambda writer: writer.write_many("metas", [("a", "1")]),
        lambda writer: writer.allocate("inbox", 1),
    ):
        with pytest.raises(StoreError):
            remote.write(mistake)
    with pytest.raises(TypeError):
        remote.write(lambda writer: writer.execute_many("test_set", [{"name": "a"}]))
    assert rows(store, "test_meta") == [("a", "0")]
    assert acts == []
    remote.write(lambda writer: writer.write_many("meta", [("d", "1")]))
    assert remote.healthy()
    remote.close()


@sqlite_only
def test_a_reader_beside_the_owner_cannot_write(store: Store, store_url: str, engine: str) -> None:
    store.write(lambda writer: writer.write_many("meta", [("a", "0")]))
    reader = open_for_reading(store_url)
    assert reader.read(lambda snapshot: snapshot.fetch("count_marks", int)) == [0]
    with pytest.raises(StoreError, match="opened to be read"):
        reader.write(lambda writer: writer.write_many("meta", [("b", "0")]))
    reader.close()
    missing = open_for_reading(f"{store_url}.missing")
    with pytest.raises(StoreUnavailableError):
        missing.read(lambda snapshot: snapshot.fetch("count_marks", int))
    missing.close()


OWNER = """
import os, sys
from pathlib import Path
from bot.store.opening import OwnerLock
lock = OwnerLock(Path(sys.argv[1]))
lock.acquire(Path("/run/some where/ä.sock"))
print("ready", flush=True)
sys.stdin.read()
os._exit(9)
"""


def test_the_owner_is_one_and_known(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    assert OwnerLock(path).held_by() is None
    command = [sys.executable, "-c", OWNER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        lock = OwnerLock(path)
        assert lock.held_by() == Path("/run/some where/ä.sock")
        with pytest.raises(StoreInUseError):
            lock.acquire()
        # an owner that dies leaves no lock behind
        process.stdin.close()
        assert process.wait(10) == 9
    assert lock.held_by() is None
    with lock:
        assert lock.held_by() is None
        with pytest.raises(StoreInUseError):
            OwnerLock(path).acquire()
        assert OwnerLock(path).held_by() is None
    OwnerLock(path).acquire()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///data/a.db", "data/a.db"),
        ("sqlite:////srv/a%20b.db", "/srv/a b.db"),
        ("postgresql://user:secret@host/name", None),
    ],
)
def test_urls(url: str, path: str | None) -> None:
    assert sqlite_path(url) == (None if path is None else Path(path))


@pytest.mark.parametrize("url", ["", "sqlite:", "sqlite://a.db", "sqlite:///", "sqlite:///:memory:", "mysql://me:secret@h/d"])
def test_wrong_urls_are_told_without_their_secrets(url: str) -> None:
    with pytest.raises(StoreUrlError) as told:
        open_store(url)
    assert "secret" not in str(told.value)


@sqlite_only
def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path, engine: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailableError, match="cannot open"):
        open_store(f"sqlite:///{tmp_path}/file/a.db")
    (tmp_path / "b.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreUnavailableError, match="NOTADB"):
        open_store(f"sqlite:///{tmp_path}/b.db")
