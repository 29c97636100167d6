"""SQLite connections and what a work may do on one: the Reader, the Writer, and the pool of readers.

Rules:
- Nothing of the driver leaves this file but the connection: its errors are translated here, without any value.
- Transactions are begun by hand (`isolation_level=None`): writers IMMEDIATE, readers deferred.
"""

import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from bot.store import (
    OnConflict,
    Row,
    StoreConflictError,
    StoreError,
    StoreUnavailableError,
    StoreValueError,
    Value,
)
from bot.store.named import Query, chunks
from bot.store.receiving import PATIENCE
from bot.store.tables import insert_text

T = TypeVar("T")

# Values without an adapter are asked one by one how they want to be stored, which is half of what it costs to write a row.
sqlite3.register_adapter(type(None), {None: None}.get)
sqlite3.register_adapter(bytes, bytes)

READERS = 4
"""Reader connections of one process."""
_STREAM_ROWS = 1_000
_CONSTRAINT_DATATYPE = 3091
_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_PERM,
}


def create_database(path: Path) -> None:
    """Make sure of a database file only its owner can read, with a write-ahead log and room to shrink."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, timeout=5)
        try:
            # auto_vacuum can be chosen only while the file is empty, and the journal mode fills it
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
    except OSError as error:
        raise StoreUnavailableError(f"cannot open {path}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise translate(error, f"opening {path}") from error


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open the database; a reading connection can change nothing, a writing one syncs every commit."""
    mode = "ro" if read_only else "rw"
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}",
            uri=True,
            check_same_thread=False,
            isolation_level=None,
            cached_statements=256,
        )
        try:
            connection.execute(f"PRAGMA busy_timeout = {2000 if read_only else 250}")
            connection.execute("PRAGMA cache_size = -8192")
            if read_only:
                connection.execute("PRAGMA query_only = ON")
            else:
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA journal_size_limit = 67108864")
        except sqlite3.Error:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise translate(error, "opening") from error
    return connection


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 if the error has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def translate(error: Exception, doing: str) -> StoreError:
    """The store's error for the driver's."""
    if isinstance(error, sqlite3.Error):
        code = primary_code(error)
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if code in _UNAVAILABLE:
            return StoreUnavailableError(f"{doing}: {name}")
        if isinstance(error, sqlite3.IntegrityError):
            wrong_type = getattr(error, "sqlite_errorcode", 0) == _CONSTRAINT_DATATYPE
            return (StoreValueError if wrong_type else StoreConflictError)(f"{doing}: {error}")
        if code == sqlite3.SQLITE_TOOBIG or isinstance(error, sqlite3.InterfaceError | sqlite3.DataError):
            return StoreValueError(f"{doing}: {name}")
        return StoreError(f"{doing}: {error}")
    return StoreValueError(f"{doing}: {type(error).__name__}")


_DRIVER_ERRORS = (sqlite3.Error, OverflowError, UnicodeEncodeError)


def check_text(values: Iterable[Value], doing: str) -> None:
    """Refuse NUL in text: PostgreSQL cannot keep it, so no engine does."""
    for value in values:
        if type(value) is str and "\0" in value:
            raise StoreValueError(f"{doing}: NUL in text")


class SqliteReader:
    """One snapshot, on a connection with an open transaction."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, Query]) -> None:
        self._connection = connection
        self._queries = queries

    def fetch(self, query: str, into: Callable[..., T], /, **params: Value) -> list[T]:
        """All rows of a named query, each as `into(*columns)`."""
        found = self._query(query)
        found.check(params)
        try:
            rows = self._connection.execute(found.text(), params).fetchall()
        except _DRIVER_ERRORS as error:
            raise translate(error, query) from error
        return [into(*row) for row in rows]

    def fetch_in(self, query: str, into: Callable[..., T], keys: Sequence[Value], /, **params: Value) -> list[T]:
        """The rows of a named query with `IN (:keys)`, in chunks."""
        found = self._query(query)
        found.check(params)
        rows: list[tuple[Value, ...]] = []
        for chunk in chunks(keys):
            try:
                rows += self._connection.execute(found.text_for(len(chunk)), params | chunk)
            except _DRIVER_ERRORS as error:
                raise translate(error, query) from error
        return [into(*row) for row in rows]

    def stream(self, query: str, into: Callable[..., T], /, **params: Value) -> Iterator[T]:
        """Like `fetch`, a thousand rows at a time."""
        found = self._query(query)
        found.check(params)
        try:
            with closing(self._connection.execute(found.text(), params)) as cursor:
                while rows := cursor.fetchmany(_STREAM_ROWS):
                    for row in rows:
                        yield into(*row)
        except _DRIVER_ERRORS as error:
            raise translate(error, query) from error

    def _query(self, name: str) -> Query:
        query = self._queries.get(name)
        if query is None:
            raise StoreError(f"there is no query {name}")
        return query


class SqliteWriter(SqliteReader):
    """One transaction of the only writer."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, Query]) -> None:
        super().__init__(connection, queries)
        self.acts: list[Callable[[], None]] = []

    def execute(self, query: str, /, **params: Value) -> None:
        """Run a named statement."""
        self.count(query, **params)

    def count(self, query: str, /, **params: Value) -> int:
        """Run a named statement; how many rows it changed."""
        found = self._query(query)
        found.check(params)
        check_text(params.values(), query)
        try:
            return self._connection.execute(found.text(), params).rowcount
        except _DRIVER_ERRORS as error:
            raise translate(error, query) from error

    def execute_many(self, query: str, rows: Iterable[Mapping[str, Value]]) -> None:
        """Run a named statement once per row of parameters."""
        found = self._query(query)
        text = found.text()

        def checked() -> Iterator[Mapping[str, Value]]:
            for row in rows:
                found.check(row)
                check_text(row.values(), query)
                yield row

        try:
            self._connection.executemany(text, checked())
        except _DRIVER_ERRORS as error:
            raise translate(error, query) from error

    def write_many(self, table: str, rows: Sequence[Row], *, on_conflict: OnConflict = "fail") -> None:
        """Insert whole rows."""
        text = insert_text(table, on_conflict, "sqlite")
        for row in rows:
            check_text(row, table)
        try:
            self._connection.executemany(text, rows)
        except _DRIVER_ERRORS as error:
            raise translate(error, table) from error

    def allocate(self, sequence: str, n: int) -> int:
        """The first of `n` consecutive numbers."""
        (after,) = self.fetch("take_from_sequence", int, name=sequence, n=n)
        return after - n

    def lock(self, *key: Value) -> None:
        """Nothing to do: there is one writer."""

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do this once the transaction is durable."""
        self.acts.append(act)


class ReaderPool:
    """A few read-only connections, opened when first needed; close() waits for none."""

    def __init__(self, path: Path, queries: Mapping[str, Query]) -> None:
        self._path = path
        self._queries = queries
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._slots = threading.Semaphore(READERS)
        self._closed = False

    def read(self, work: Callable[[SqliteReader], T]) -> T:
        """Run `work` over one snapshot."""
        with self._connection() as connection:
            return work(SqliteReader(connection, self._queries))

    def close(self) -> None:
        """Close what is idle; a connection in use closes when it comes back."""
        self._closed = True
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        if not self._slots.acquire(timeout=PATIENCE):
            raise StoreUnavailableError("all readers are busy")
        try:
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._slots.release()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
            return
        self._idle.put(connection)
        if self._closed:
            self.close()

    def _take(self) -> sqlite3.Connection:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = connect(self._path, read_only=True)
        try:
            connection.execute("BEGIN")
        except sqlite3.Error as error:
            connection.close()
            raise translate(error, "reading") from error
        return connection


def begin_immediate(connection: sqlite3.Connection, until: float) -> bool:
    """Take the write lock; False when a foreign process still holds it at the monotonic instant `until`."""
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if primary_code(error) not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise
            if time.monotonic() >= until:
                return False
        else:
            return True
