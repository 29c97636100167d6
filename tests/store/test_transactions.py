"""Reads and writes: what both engines do alike."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bot.store import Reader, Store, StoreConflictError, StoreError, StoreValueError, Writer

Everything = list[tuple[Any, ...]]


def rows(store: Store, query: str, **params: Any) -> Everything:
    return store.read(lambda reader: reader.fetch(query, lambda *row: row, **params))


def put(store: Store, *pairs: tuple[str, str]) -> None:
    store.write(lambda writer: writer.write_many("meta", pairs))


def test_what_was_written_is_read(store: Store) -> None:
    put(store, ("a", "1"), ("b", "2"))
    assert rows(store, "test_meta") == [("a", "1"), ("b", "2")]


def test_into_makes_the_row(store: Store) -> None:
    put(store, ("a", "1"), ("b", "2"))
    assert store.read(lambda reader: reader.fetch("test_meta", "{}={}".format)) == ["a=1", "b=2"]


def test_a_failed_work_leaves_nothing(store: Store) -> None:
    acts: list[str] = []

    def work(writer: Writer) -> None:
        writer.after_commit(lambda: acts.append("done"))
        writer.write_many("meta", [("a", "1")])
        raise LookupError("of the work itself")

    with pytest.raises(LookupError, match="of the work itself"):
        store.write(work)
    assert rows(store, "test_meta") == []
    assert acts == []
    put(store, ("b", "2"))
    assert rows(store, "test_meta") == [("b", "2")]


def test_acts_follow_the_commit(store: Store) -> None:
    seen: list[Everything] = []

    def work(writer: Writer) -> str:
        writer.after_commit(lambda: seen.append(rows(store, "test_meta")))
        writer.write_many("meta", [("a", "1")])
        assert seen == []
        return "result"

    assert store.write(work) == "result"
    assert seen == [[("a", "1")]]


def test_a_reader_sees_one_snapshot(store: Store) -> None:
    put(store, ("a", "1"))

    def work(reader: Reader) -> list[Everything]:
        before = reader.fetch("test_meta", lambda *row: row)
        thread = threading.Thread(target=put, args=(store, ("b", "2")))
        thread.start()
        thread.join()
        return [before, reader.fetch("test_meta", lambda *row: row)]

    assert store.read(work) == [[("a", "1")], [("a", "1")]]
    assert rows(store, "test_meta") == [("a", "1"), ("b", "2")]


def test_conflicts(store: Store) -> None:
    put(store, ("a", "1"))
    with pytest.raises(StoreConflictError):
        put(store, ("b", "2"), ("a", "2"))
    assert rows(store, "test_meta") == [("a", "1")]
    store.write(lambda writer: writer.write_many("meta", [("a", "2"), ("b", "2")], on_conflict="keep"))
    assert rows(store, "test_meta") == [("a", "1"), ("b", "2")]
    # the same key twice in one call: the later row stays
    store.write(lambda writer: writer.write_many("meta", [("a", "3"), ("c", "3"), ("a", "4")], on_conflict="replace"))
    assert rows(store, "test_meta") == [("a", "4"), ("b", "2"), ("c", "3")]


def commit(n: int, sha: bytes, completeness: int, subject: str) -> tuple[Any, ...]:
    return (1, n, sha, completeness, b"", None, None, "", subject, "", None)


def test_newer_replaces_by_the_order_columns(store: Store) -> None:
    def write(*commits: tuple[Any, ...]) -> None:
        store.write(lambda writer: writer.write_many("git_commit", commits, on_conflict="newer"))

    write(commit(1, b"a", 0, "provisional"), commit(2, b"b", 2, "complete"))
    write(commit(3, b"a", 2, "complete"), commit(4, b"b", 0, "provisional"), commit(5, b"b", 2, "equal"))
    assert rows(store, "test_commits") == [(3, b"a", 2, "complete"), (2, b"b", 2, "complete")]


def test_newer_compares_tuples(store: Store) -> None:
    def write(team: str, received_at: int, receipt: int) -> None:
        row = ("id", "s", "e", "s", "e", "", "", "", None, 1, 2, team, "[]", "api", received_at, receipt, "", 0)
        store.write(lambda writer: writer.write_many("deployment", [row], on_conflict="newer"))

    for team, received_at, receipt in [("first", 5, 5), ("older", 4, 9), ("same", 5, 5), ("tie", 5, 6), ("late", 5, 5)]:
        write(team, received_at, receipt)
    assert rows(store, "deployment_standing", id="id")[0][-2:] == (5, 6)


def test_newer_needs_an_order(store: Store) -> None:
    with pytest.raises(StoreError, match="order columns"):
        store.write(lambda writer: writer.write_many("meta", [("a", "1")], on_conflict="newer"))


def test_values_come_back_as_they_were(store: Store) -> None:
    refs = [
        (-(2**63), "", bytes(range(256)), None),
        (0, "ä€𝄞 %s %% :name '\"\\ \n", b"", 2**63 - 1),
        (2**63 - 1, "last", b"\x00", -1),
    ]
    store.write(lambda writer: writer.write_many("git_ref", refs))
    assert rows(store, "test_refs") == refs
    assert [type(value) for value in rows(store, "test_refs")[0]] == [int, str, bytes, type(None)]


def test_engines_count_alike(store: Store) -> None:
    store.write(lambda writer: writer.write_many("git_ref", [(1, "a", b"", 2**62), (1, "b", b"", 5)]))
    row = rows(store, "test_numbers", nothing=None)[0]
    assert row == (2**62 + 5, 1, 1, "100% :nothing")
    assert [type(value) for value in row] == [int, int, int, str]


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"], ids=["nul", "inner nul", "half a pair"])
def test_text_no_engine_keeps_is_refused(store: Store, text: str) -> None:
    put(store, ("a", "1"))
    with pytest.raises(StoreValueError):
        put(store, ("b", text))
    with pytest.raises(StoreValueError):
        store.write(lambda writer: writer.execute("test_set", name="a", value=text))
    with pytest.raises(StoreValueError):
        store.write(lambda writer: writer.execute_many("test_set", [{"name": "a", "value": text}]))
    assert rows(store, "test_meta") == [("a", "1")]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_numbers_beyond_64_bits_are_refused(store: Store, number: int) -> None:
    with pytest.raises(StoreValueError):
        store.write(lambda writer: writer.write_many("git_ref", [(1, "a", b"", number)]))
    with pytest.raises(StoreValueError):
        store.write(lambda writer: writer.execute("advance_sequence", name="a", next=number))


def test_fetch_in_takes_any_number_of_keys(store: Store) -> None:
    store.write(lambda writer: writer.write_many("meta", [(f"k{n:05}", str(n)) for n in range(3000)]))

    def ask(*numbers: int) -> list[str]:
        keys = [f"k{n:05}" for n in numbers]
        found = store.read(lambda reader: reader.fetch_in("test_values_in", lambda _, value: value, keys, other="7"))
        return sorted(found, key=int)

    assert ask() == []
    assert ask(5) == ["5"]
    assert ask(7) == []
    assert ask(1, 1, 2, 1, 9999) == ["1", "2"]
    assert ask(*range(100, 2600), *range(100, 2600)) == [str(n) for n in range(100, 2600)]


def test_stream_gives_all_rows_in_order(store: Store) -> None:
    store.write(lambda writer: writer.write_many("meta", [(f"k{n:05}", str(n)) for n in range(2500)]))
    expected = [str(n) for n in range(2500)]
    assert store.read(lambda reader: list(reader.stream("test_meta", lambda _, value: value))) == expected

    def two_at_once(reader: Reader) -> list[tuple[str, str]]:
        one, other = (reader.stream("test_meta", lambda _, value: value) for _ in range(2))
        return list(zip(one, other, strict=True))

    assert store.read(two_at_once) == [(value, value) for value in expected]
    assert store.read(lambda reader: next(reader.stream("test_meta", lambda name, _: name))) == "k00000"


def test_execute_many_runs_once_per_row(store: Store) -> None:
    put(store, *[(f"k{n:03}", "") for n in range(450)])
    changes = [{"name": f"k{n:03}", "value": str(n)} for n in range(450)]
    store.write(lambda writer: writer.execute_many("test_set", iter(changes)))
    assert rows(store, "test_meta") == [(f"k{n:03}", str(n)) for n in range(450)]


def test_mistakes_in_the_call_are_told(store: Store) -> None:
    with pytest.raises(TypeError, match="test_value takes"):
        rows(store, "test_value")
    with pytest.raises(TypeError, match="test_value takes"):
        rows(store, "test_value", name="a", more=1)
    with pytest.raises(StoreError, match="no query"):
        rows(store, "test_nothing")
    with pytest.raises(StoreError, match="no table"):
        store.write(lambda writer: writer.write_many("metas", [("a", "1")]))
    with pytest.raises(StoreError, match="fetch_in"):
        rows(store, "test_values_in", other="")


def test_an_error_of_the_statement_keeps_its_values_to_itself(store: Store) -> None:
    put(store, ("secret-name", "secret-value"))
    with pytest.raises(StoreConflictError) as told:
        put(store, ("secret-name", "secret-value"))
    assert "secret" not in str(told.value)


def test_numbers_are_given_once(store: Store) -> None:
    assert store.write(lambda writer: [writer.allocate("a", 3), writer.allocate("a", 1), writer.allocate("b", 2)]) == [1, 4, 1]
    assert store.write(lambda writer: writer.allocate("a", 1)) == 5
    assert store.write(lambda writer: writer.allocate("inbox", 4)) + 4 <= store.write(lambda w: w.allocate("inbox", 1))


def test_works_at_once_do_not_lose_each_other(store: Store) -> None:
    put(store, ("count", "0"))

    def add_one(writer: Writer) -> None:
        writer.lock("count", 1)
        ((value,),) = writer.fetch("test_value", lambda value: (value,), name="count")
        writer.execute("test_set", name="count", value=str(int(value) + 1))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: store.write(add_one), range(40)))
    assert rows(store, "test_value", name="count") == [("40",)]


def test_bulk_is_written_too(store: Store) -> None:
    store.write(lambda writer: writer.write_many("meta", [("a", "1")]), urgent=False)
    assert rows(store, "test_meta") == [("a", "1")]


async def test_the_async_twins_do_the_same(store: Store) -> None:
    result = await store.write_async(lambda writer: [writer.write_many("meta", [("a", "1")]), "result"][1])
    assert result == "result"
    await store.write_async(lambda writer: writer.write_many("meta", [("b", "2")]), urgent=False)
    found = await store.read_async(lambda reader: reader.fetch("test_meta", lambda *row: row))
    assert found == [("a", "1"), ("b", "2")]
    with pytest.raises(StoreConflictError):
        await store.write_async(lambda writer: writer.write_many("meta", [("a", "1")]))
    assert store.healthy()


def test_a_failing_work_does_not_touch_its_neighbours(store: Store) -> None:
    def fail(writer: Writer) -> None:
        writer.write_many("meta", [("bad", "1")])
        raise ZeroDivisionError

    def good(n: int) -> None:
        store.write(lambda writer: writer.write_many("meta", [(str(n), "")]))

    threads = [threading.Thread(target=good, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
        with pytest.raises(ZeroDivisionError):
            store.write(fail)
    for thread in threads:
        thread.join()
    assert {name for name, _ in rows(store, "test_meta")} == {str(n) for n in range(10)}


def test_an_act_that_fails_does_not_undo(store: Store) -> None:
    def work(writer: Writer) -> None:
        writer.after_commit(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
        writer.write_many("meta", [("a", "1")])

    store.write(work)
    assert rows(store, "test_meta") == [("a", "1")]
