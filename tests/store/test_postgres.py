"""What only the PostgreSQL engine has: a server that may go away, and other processes."""

import asyncio
import sys
import time
from typing import Any

import psycopg
import pytest

from bot.store import Receipt, Store, StoreError, StoreUnavailableError, Writer
from bot.store.opening import open_store
from tests.engines import Cluster
from tests.store.conftest import open_for_test, until

postgres_only = pytest.mark.parametrize("engine", ["postgres"])


def receipt(key: str) -> Receipt:
    return Receipt(source="github", key=key, event="push", received_at=1, headers={}, body=b"{}")


def rows(store: Store, query: str) -> list[tuple[Any, ...]]:
    return store.read(lambda reader: reader.fetch(query, lambda *row: row))


def put(store: Store, name: str) -> None:
    store.write(lambda writer: writer.write_many("meta", [(name, "")]))


def end_connections(url: str) -> None:
    """As an administrator does."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'rollforward'"
        )


@postgres_only
async def test_lost_connections_lose_nothing(store: Store, store_url: str, engine: str) -> None:
    acknowledged: list[str] = []

    async def send(sender: int) -> None:
        for n in range(30):
            await store.append(receipt(f"{sender}-{n}"))
            acknowledged.append(f"{sender}-{n}")
            await store.write_async(lambda writer, n=n: writer.write_many("meta", [(f"{sender}-{n}", "")]))

    senders = [asyncio.create_task(send(sender)) for sender in range(4)]
    for _ in range(5):
        await asyncio.sleep(0.05)
        await asyncio.to_thread(end_connections, store_url)
    await asyncio.gather(*senders)
    assert len(acknowledged) == 120
    assert sorted(row[1] for row in rows(store, "test_state")) == sorted(acknowledged)
    assert sorted(name for name, _ in rows(store, "test_meta")) == sorted(acknowledged)
    assert until(store.healthy)


@postgres_only
async def test_a_server_that_goes_and_comes(own_cluster: Cluster, engine: str) -> None:
    def put_in_thread(name: str) -> Any:
        return asyncio.to_thread(put, store, name)

    store = open_for_test(own_cluster.url(own_cluster.create()))
    try:
        await put_in_thread("before")
        own_cluster.stop_server()
        begun = time.monotonic()
        answers = await asyncio.gather(put_in_thread("away"), store.append(receipt("away")), return_exceptions=True)
        assert [type(answer) for answer in answers] == [StoreUnavailableError] * 2
        assert time.monotonic() - begun <= 3.5
        assert not store.healthy()
        own_cluster.start_server()
        begun = time.monotonic()
        await put_in_thread("after")
        assert not (await store.append(receipt("after"))).known
        assert time.monotonic() - begun < 5
        assert until(store.healthy)
        assert [name for name, _ in rows(store, "test_meta")] == ["after", "before"]
    finally:
        await asyncio.to_thread(store.close)


@postgres_only
@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_without_an_answer_is_asked_for(
    store: Store, engine: str, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = psycopg.Connection.execute
    lost: list[bytes] = []

    def execute(self: Any, query: Any, *arguments: Any, **more: Any) -> Any:
        if query == b"COMMIT" and not lost:
            lost.append(query)
            if committed:
                original(self, query)
            self.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return original(self, query, *arguments, **more)

    monkeypatch.setattr(psycopg.Connection, "execute", execute)
    runs: list[int] = []

    def work(writer: Writer) -> int:
        runs.append(1)
        writer.execute("upsert_mark", stage="changes", key="k", from_at=1)
        return len(runs)

    assert store.write(work) == (1 if committed else 2)
    versions = store.read(lambda reader: reader.fetch("due_marks", lambda *row: row[3], now=1, n=1))
    assert lost and versions == [1]


@postgres_only
def test_a_work_that_hides_an_error_is_refused(store: Store, engine: str) -> None:
    put(store, "a")

    def hide(writer: Writer) -> None:
        writer.write_many("meta", [("b", "")])
        try:
            writer.execute("test_move_sequence", name="a", next="no number")
        except Exception:
            return

    with pytest.raises(StoreError, match="went on after an error"):
        store.write(hide)
    assert [name for name, _ in rows(store, "test_meta")] == ["a"]


@postgres_only
def test_a_notification_reaches_other_processes(store: Store, store_url: str, engine: str) -> None:
    other = open_for_test(store_url)
    try:
        assert not other.wait("fetch", 0.0)
        store.notify("fetch")
        assert other.wait("fetch", 5.0)
        end_connections(store_url)
        # who was cut off may have missed something: all channels ring
        assert other.wait("inbox", 5.0)
    finally:
        other.close()


def test_no_server_is_told_without_the_password() -> None:
    store = open_store("postgresql://me:hidden-word@127.0.0.1:1/none")
    try:
        with pytest.raises(StoreUnavailableError) as told:
            store.migrate()
        assert str(told.value) == "connecting: Connection refused"
    finally:
        store.close()


def test_a_missing_driver_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("bot.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install rollforward\[postgres\]"):
        open_store("postgresql:///none")
