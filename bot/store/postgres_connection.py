"""PostgreSQL connections and what a work may do on one: the Reader and the Writer.

Rules:
- Nothing of the driver leaves this file but the connection: its errors are translated here, without any value.
- Values cross as in SQLite: an int is a BIGINT (true and false are 1 and 0), sums of BIGINTs come back as int, bytes as bytes.
- Named queries are bound by the client, because a lone `:x IS NULL` has no type the server could find out; rows in bulk are bound
  by the server.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.adapt import AdaptersMap, Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8Dumper

from bot.store import OnConflict, Row, StoreConflictError, StoreError, StoreUnavailableError, StoreValueError, Value
from bot.store.inbox import SEQUENCE
from bot.store.named import Query, chunks
from bot.store.sqlite_connection import check_text
from bot.store.tables import insert_text

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

_STREAM_ROWS = 1_000
_TOGETHER = 200
"""Statements sent in one message."""

RETRIABLE = (errors.SerializationFailure, errors.DeadlockDetected)
_UNAVAILABLE = (psycopg.OperationalError, psycopg.InterfaceError, errors.AdminShutdown, errors.InternalError_)

_LIVELY = {"keepalives_idle": "15", "keepalives_interval": "3", "keepalives_count": "3", "tcp_user_timeout": "10000"}
"""A connection whose other end is gone ends within seconds, and one at rest is forgotten by no firewall."""


class _BigintDumper(Int8Dumper):
    def dump(self, obj: int) -> bytes:
        return b"%d" % obj

    def quote(self, obj: int) -> bytes:
        return b"(%d)::bigint" % obj


class _NumberLoader(Loader):
    """Sums of BIGINTs are NUMERIC."""

    def load(self, data: Any) -> int | float:
        text = bytes(data).decode()
        return float(text) if "." in text or not text.lstrip("-").isdigit() else int(text)


class _TruthLoader(Loader):
    def load(self, data: Any) -> int:
        return int(bytes(data) == b"t")


def adapters() -> AdaptersMap:
    """How values cross."""
    found = AdaptersMap(psycopg.adapters)
    found.register_dumper(int, _BigintDumper)
    found.register_dumper(bool, _BigintDumper)
    found.register_loader("numeric", _NumberLoader)
    found.register_loader("bool", _TruthLoader)
    return found


def lively(url: str) -> str:
    """How to connect so that a dead network is noticed; what the URL says of that itself stays."""
    try:
        return make_conninfo("", **{**_LIVELY, **conninfo_to_dict(url)})
    except psycopg.ProgrammingError:
        return url  # who connects is told what is wrong with it


def translate(error: Exception, doing: str) -> StoreError:
    """The store's error for the driver's; only what the server says first, which names tables but no values."""
    if isinstance(error, psycopg.Error):
        # libpq names the host before "failed:" and the reason after it
        said = error.diag.message_primary or str(error).rpartition("failed: ")[2].splitlines()[0]
        if isinstance(error, psycopg.IntegrityError):
            return StoreConflictError(f"{doing}: {said}")
        if isinstance(error, psycopg.DataError):
            return StoreValueError(f"{doing}: {type(error).__name__}")
        if isinstance(error, _UNAVAILABLE):
            return StoreUnavailableError(f"{doing}: {said}")
        return StoreError(f"{doing}: {said}")
    return StoreValueError(f"{doing}: {type(error).__name__}")


class DriverError(Exception):
    """Carries the driver's error out of a work, to whoever decides about trying again."""

    def __init__(self, doing: str, cause: Exception) -> None:
        super().__init__(doing)
        self.doing = doing
        self.cause = cause


_DRIVER_ERRORS = (psycopg.Error, OverflowError, UnicodeEncodeError)


class PostgresReader:
    """One snapshot, on a connection with an open transaction."""

    def __init__(self, connection: Connection, queries: Mapping[str, Query]) -> None:
        self._connection = connection
        self._queries = queries
        self._streams = 0

    def fetch(self, query: str, into: Callable[..., T], /, **params: Value) -> list[T]:
        """All rows of a named query, each as `into(*columns)`."""
        found = self._query(query)
        found.check(params)
        return [into(*row) for row in self._rows(query, found.text(), params)]

    def fetch_in(self, query: str, into: Callable[..., T], keys: Sequence[Value], /, **params: Value) -> list[T]:
        """The rows of a named query with `IN (:keys)`, in chunks."""
        found = self._query(query)
        found.check(params)
        rows: list[tuple[Any, ...]] = []
        for chunk in chunks(keys):
            rows += self._rows(query, found.text_for(len(chunk)), params | chunk)
        return [into(*row) for row in rows]

    def stream(self, query: str, into: Callable[..., T], /, **params: Value) -> Iterator[T]:
        """Like `fetch`, a thousand rows at a time."""
        found = self._query(query)
        found.check(params)
        self._streams += 1
        name = f"stream_{self._streams}"
        text = self._mogrify(query, found.text(), params)
        self._rows(query, f"DECLARE {name} NO SCROLL CURSOR FOR {text}", None)
        while rows := self._rows(query, f"FETCH {_STREAM_ROWS} FROM {name}", None):
            for row in rows:
                yield into(*row)
        self._rows(query, f"CLOSE {name}", None)

    def _query(self, name: str) -> Query:
        query = self._queries.get(name)
        if query is None:
            raise StoreError(f"there is no query {name}")
        return query

    def _rows(self, doing: str, text: str, params: Mapping[str, Value] | None) -> list[tuple[Any, ...]]:
        try:
            with psycopg.ClientCursor(self._connection) as cursor:
                cursor.execute(text.encode(), params)
                return cursor.fetchall() if cursor.description else []
        except _DRIVER_ERRORS as error:
            raise DriverError(doing, error) from error

    def _mogrify(self, doing: str, text: str, params: Mapping[str, Value]) -> str:
        try:
            with psycopg.ClientCursor(self._connection) as cursor:
                return cursor.mogrify(text.encode(), params)
        except _DRIVER_ERRORS as error:
            raise DriverError(doing, error) from error


class PostgresWriter(PostgresReader):
    """One transaction."""

    def __init__(self, connection: Connection, queries: Mapping[str, Query]) -> None:
        super().__init__(connection, queries)
        self.acts: list[Callable[[], None]] = []

    def execute(self, query: str, /, **params: Value) -> None:
        """Run a named statement."""
        found = self._query(query)
        found.check(params)
        check_text(params.values(), query)
        self._rows(query, found.text(), params)

    def execute_many(self, query: str, rows: Iterable[Mapping[str, Value]]) -> None:
        """Run a named statement once per row of parameters."""
        found = self._query(query)
        text = found.text()
        left = iter(rows)
        while some := list(islice(left, _TOGETHER)):
            for row in some:
                found.check(row)
                check_text(row.values(), query)
            self._rows(query, ";\n".join(self._mogrify(query, text, row) for row in some), None)

    def write_many(self, table: str, rows: Sequence[Row], *, on_conflict: OnConflict = "fail") -> None:
        """Insert whole rows."""
        text = insert_text(table, on_conflict, "postgres")
        for row in rows:
            check_text(row, table)
        if not rows:
            return
        try:
            with psycopg.Cursor(self._connection) as cursor:
                cursor.executemany(text.encode(), rows)
        except _DRIVER_ERRORS as error:
            raise DriverError(table, error) from error

    def allocate(self, sequence: str, n: int) -> int:
        """The first of `n` consecutive numbers; other transactions that want the same sequence wait (but for the inbox's)."""
        if sequence == SEQUENCE:
            return self._allocate_inbox(n)
        return self._number("take_from_sequence", name=sequence, n=n) - n

    def lock(self, *key: Value) -> None:
        """Hold `key` against every other transaction until this one ends."""
        digest = hashlib.blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self._number("lock_key", key=int.from_bytes(digest, "big", signed=True))

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do this once the transaction is durable."""
        self.acts.append(act)

    def _allocate_inbox(self, n: int) -> int:
        # the native sequence never makes a receipt wait for a transaction; others may draw in between
        while True:
            ((least, greatest),) = self.fetch("draw_inbox_ids", _pair, n=n)
            if greatest - least == n - 1:
                return least

    def _number(self, query: str, **params: Value) -> int:
        ((number,),) = self.fetch(query, _one, **params)
        return int(number or 0)


def _pair(least: int, greatest: int) -> tuple[int, int]:
    return least, greatest


def _one(value: Any) -> tuple[Any]:
    return (value,)
