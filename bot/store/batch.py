"""Writes as values: recorded in one process, done as one transaction in another."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.store import OnConflict, Reader, Row, StoreError, Value, Writer
from bot.store.inbox import SEQUENCE
from bot.store.named import Query
from bot.store.tables import insert_text

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Execute:
    """One run of a named statement."""

    query: str
    params: dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteMany:
    """A named statement, once per row."""

    query: str
    rows: list[dict[str, Value]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteMany:
    """Whole rows into a table."""

    table: str
    rows: list[Row]
    on_conflict: OnConflict


Operation = Execute | ExecuteMany | WriteMany


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The writes of one work, in order."""

    operations: tuple[Operation, ...]

    def play(self, writer: Writer) -> None:
        """Do them."""
        for operation in self.operations:
            match operation:
                case Execute():
                    writer.execute(operation.query, **operation.params)
                case ExecuteMany():
                    writer.execute_many(operation.query, operation.rows)
                case WriteMany():
                    writer.write_many(operation.table, operation.rows, on_conflict=operation.on_conflict)


class Sequences:
    """The next number of each sequence this process alone uses; read from the store when first needed."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def take(self, reader: Reader, name: str, n: int) -> int:
        """The first of `n` numbers. What a failed work took is not given again."""
        if name == SEQUENCE:
            raise StoreError("numbers of the inbox are given by the process that owns the store")
        first = self._next.get(name)
        if first is None:
            first = next(iter(reader.fetch("next_in_sequence", int, name=name)), 1)
        self._next[name] = first + n
        return first


class RecordingWriter:
    """A Writer whose reads see the snapshot it began with, and whose writes become a batch."""

    def __init__(self, reader: Reader, queries: Mapping[str, Query], sequences: Sequences) -> None:
        self._reader = reader
        self._queries = queries
        self._sequences = sequences
        self._operations: list[Operation] = []
        self._advanced: dict[str, int] = {}
        self.acts: list[Callable[[], None]] = []

    def fetch(self, query: str, into: Callable[..., T], /, **params: Value) -> list[T]:
        """All rows of a named query."""
        return self._reader.fetch(query, into, **params)

    def fetch_in(self, query: str, into: Callable[..., T], keys: Sequence[Value], /, **params: Value) -> list[T]:
        """The rows of a named query with `IN (:keys)`."""
        return self._reader.fetch_in(query, into, keys, **params)

    def stream(self, query: str, into: Callable[..., T], /, **params: Value) -> Iterator[T]:
        """Like `fetch`, some rows at a time."""
        return self._reader.stream(query, into, **params)

    def execute(self, query: str, /, **params: Value) -> None:
        """Record a named statement."""
        self._check(query, params)
        self._operations.append(Execute(query=query, params=params))

    def execute_many(self, query: str, rows: Iterable[Mapping[str, Value]]) -> None:
        """Record a named statement with many rows."""
        recorded = [dict(row) for row in rows]
        for row in recorded:
            self._check(query, row)
        if recorded:
            self._operations.append(ExecuteMany(query=query, rows=recorded))

    def write_many(self, table: str, rows: Sequence[Row], *, on_conflict: OnConflict = "fail") -> None:
        """Record whole rows."""
        insert_text(table, on_conflict, "sqlite")
        if rows:
            self._operations.append(WriteMany(table=table, rows=[tuple(row) for row in rows], on_conflict=on_conflict))

    def allocate(self, sequence: str, n: int) -> int:
        """The first of `n` consecutive numbers."""
        first = self._sequences.take(self._reader, sequence, n)
        self._advanced[sequence] = first + n
        return first

    def lock(self, *key: Value) -> None:
        """Nothing to do: there is one writer."""

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do this once the transaction is durable."""
        self.acts.append(act)

    def batch(self) -> Batch:
        """What was recorded."""
        advanced = [
            Execute(query="advance_sequence", params={"name": name, "next": number})
            for name, number in sorted(self._advanced.items())
        ]
        return Batch(operations=(*self._operations, *advanced))

    def _check(self, query: str, params: Mapping[str, Value]) -> None:
        found = self._queries.get(query)
        if found is None:
            raise StoreError(f"there is no query {query}")
        found.check(params)
