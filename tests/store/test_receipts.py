"""Receipts: kept once, committed in groups, refused rather than lost."""

import asyncio
import time
from typing import Any

import pytest

from bot.store import Receipt, Store, StoreUnavailableError, StoreValueError, postgres_threads, sqlite_writing
from tests.store.conftest import foreign_lock, open_for_test, until


def receipt(key: str, at: int = 1, body: bytes = b"{}") -> Receipt:
    return Receipt(source="github", key=key, event="push", received_at=at, headers={"X-GitHub-Event": "push"}, body=body)


def inbox(store: Store) -> list[tuple[Any, ...]]:
    return store.read(lambda reader: reader.fetch("test_state", lambda *row: row))


async def test_a_receipt_is_kept_once(store: Store) -> None:
    first = await store.append(receipt("a", body=b"\x00\xff"))
    again = await store.append(receipt("a", at=2, body=b"other"))
    other = await store.append(receipt("b"))
    assert (first.known, again.known, other.known) == (False, True, False)
    assert first.id == again.id < other.id
    assert inbox(store) == [
        (first.id, "a", "received", "", 0, 1, 1, b"\x00\xff", ""),
        (other.id, "b", "received", "", 0, 1, 1, b"{}", ""),
    ]


@pytest.mark.parametrize(("state", "revived"), [("failed", True), ("dead", True), ("done", False), ("ignored", False)])
async def test_a_failed_delivery_that_comes_again_is_due(store: Store, state: str, revived: bool) -> None:
    first = await store.append(receipt("a", at=5))
    end = {"key": "a", "state": state, "body": b"zipped", "encoding": "zlib"}
    await store.write_async(lambda writer: writer.execute("test_end", **end))
    again = await store.append(receipt("a", at=77))
    assert (again.id, again.known) == (first.id, True)
    expected = ("received", "", 0, 77) if revived else (state, "because", 9, 0)
    assert inbox(store) == [(first.id, "a", *expected, 5, b"zipped", "zlib")]


async def test_a_dropped_body_is_filled_again(store: Store) -> None:
    first = await store.append(receipt("a", at=5))
    await store.write_async(lambda writer: writer.execute("test_end", key="a", state="dead", body=b"", encoding="zlib"))
    await store.append(receipt("a", at=77, body=b"again"))
    assert inbox(store) == [(first.id, "a", "received", "", 0, 77, 5, b"again", "")]


async def test_many_at_once_share_a_commit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []
    for module, name in ((sqlite_writing, "append_receipts"), (postgres_threads, "insert_receipts")):
        original = getattr(module, name)

        def counted(*arguments: Any, original: Any = original) -> Any:
            groups.append(len(arguments[-1]))
            return original(*arguments)

        monkeypatch.setattr(module, name, counted)
    keys = [str(n % 250) for n in range(500)]
    appended = await asyncio.gather(*(store.append(receipt(key)) for key in keys))
    assert sum(groups) == 500
    assert len(groups) <= 12, groups
    assert sum(not answer.known for answer in appended) == 250
    assert len({answer.id for answer in appended}) == 250
    by_key = {key: answer.id for key, answer in zip(keys, appended, strict=True)}
    assert [answer.id for answer in appended] == [by_key[key] for key in keys]
    assert sorted(row[0] for row in inbox(store)) == sorted(by_key.values())


async def test_one_that_cannot_be_kept_spares_the_others(store: Store) -> None:
    keys = ["a", "b\0", "c", "\ud800", "d"]
    answers = await asyncio.gather(*(store.append(receipt(key)) for key in keys), return_exceptions=True)
    assert [isinstance(answer, StoreValueError) for answer in answers] == [False, True, False, True, False]
    late = await asyncio.gather(store.append(receipt("e", at=2**63)), store.append(receipt("f")), return_exceptions=True)
    assert isinstance(late[0], StoreValueError)
    assert [row[1] for row in inbox(store)] == ["a", "c", "d", "f"]
    assert store.healthy()


async def test_ids_follow_allocated_ones(store: Store) -> None:
    first = await store.append(receipt("a"))
    taken = await store.write_async(lambda writer: writer.allocate("inbox", 10))
    second = await store.append(receipt("b"))
    assert first.id < taken
    assert second.id >= taken + 10


async def test_a_receipt_rings(store: Store) -> None:
    heard = asyncio.create_task(asyncio.to_thread(store.wait, "inbox", 5.0))
    await asyncio.sleep(0.05)
    begun = time.monotonic()
    await store.append(receipt("a"))
    assert await heard
    assert time.monotonic() - begun < 2
    assert not await asyncio.to_thread(store.wait, "marks", 0.01)


def test_a_ring_nobody_heard_is_kept(store: Store) -> None:
    store.wait("marks", 0.0)
    store.notify("marks")
    assert store.wait("marks", 5.0)
    # on PostgreSQL the same ring comes back once more from the server
    assert until(lambda: not store.wait("marks", 0.3))


async def test_a_short_foreign_lock_only_delays(store: Store, store_url: str) -> None:
    with foreign_lock(store_url):
        tasks = [asyncio.create_task(store.append(receipt(str(n)))) for n in range(20)]
        tasks.append(asyncio.create_task(store.write_async(lambda writer: writer.write_many("meta", [("a", "1")]))))
        await asyncio.sleep(1.0)
        assert not any(task.done() for task in tasks)
    await asyncio.gather(*tasks)
    assert len(inbox(store)) == 20
    assert store.healthy()


async def test_a_long_foreign_lock_is_told_in_time_and_survived(store: Store, store_url: str) -> None:
    async def timed(act: Any) -> float:
        begun = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            await act
        return time.monotonic() - begun

    with foreign_lock(store_url):
        acts: list[Any] = [store.append(receipt(str(n))) for n in range(5)]
        acts += [store.write_async(lambda writer, n=n: writer.write_many("meta", [(str(n), "")])) for n in range(5)]
        took = await asyncio.gather(*(timed(act) for act in acts))
        assert not store.healthy()
    assert max(took) <= 3.5, took
    appended = await store.append(receipt("after"))
    assert not appended.known
    assert until(store.healthy)


async def test_a_closed_store_keeps_what_it_had_and_takes_no_more(store_url: str) -> None:
    store = open_for_test(store_url)
    await asyncio.to_thread(store.migrate)
    tasks = [asyncio.create_task(store.append(receipt(str(n)))) for n in range(300)]
    await asyncio.sleep(0)
    await asyncio.to_thread(store.close)
    await asyncio.sleep(0)
    assert all(task.done() for task in tasks)
    done = await asyncio.gather(*tasks, return_exceptions=True)
    with pytest.raises(StoreUnavailableError):
        await store.append(receipt("late"))
    with pytest.raises(StoreUnavailableError):
        store.write(lambda writer: writer.write_many("meta", [("a", "1")]))
    with pytest.raises(StoreUnavailableError):
        store.read(lambda reader: reader.fetch("test_meta", str))
    again = open_for_test(store_url)
    try:
        assert [answer for answer in done if isinstance(answer, Exception)] == []
        assert len(inbox(again)) == 300
    finally:
        again.close()
