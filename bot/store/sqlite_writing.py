"""The one writer of a SQLite store: a thread that commits receipts in groups, then urgent writes, then bulk slices.

Rules:
- A receipt is answered after the COMMIT that holds it, never before.
- Each urgent or bulk work is a transaction of its own; its failure touches no other.
- While serving, bulk gets about a quarter of the time as long as anybody else wants to write.
- After an error of the disk nothing is acknowledged before the database was opened anew.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import structlog

from bot.store import StoreError, StoreUnavailableError
from bot.store.bell import run_acts
from bot.store.inbox import append_receipts
from bot.store.named import Query
from bot.store.receiving import PATIENCE, Waiting, next_group
from bot.store.sqlite_connection import SqliteWriter, begin_immediate, connect, primary_code, translate

T = TypeVar("T")

BULK_PATIENCE = 30.0
"""Seconds a bulk slice waits for a foreign lock."""
_URGENT_AT_ONCE = 4
_BULK_REST = 3.0
"""Rest after a slice, in multiples of the time it took."""
_QUIET = 1.0
"""Seconds without urgent work after which bulk need not rest."""
_SLOW = 5.0
"""Seconds after which an unfinished transaction counts as a fault."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Job:
    """A work in the queue. `alone`: it handles its own transactions (migrations)."""

    work: Callable[[Any], Any]
    due: float
    future: Future[Any] = field(default_factory=Future)
    alone: bool = False


class WriterThread:
    """Owns the writing connection; everybody else hands work over."""

    def __init__(self, path: Path, queries: Mapping[str, Query], *, serving: bool) -> None:
        self._path = path
        self._queries = queries
        self._serving = serving
        self._condition = threading.Condition()
        self._receipts: deque[Waiting] = deque()
        self._urgent: deque[Job] = deque()
        self._bulk: deque[Job] = deque()
        self._closing = False
        self._bulk_from = 0.0
        self._urgent_at = 0.0
        self._begun: float | None = None
        self._failed = False
        self._connection: sqlite3.Connection | None = connect(path, read_only=False)
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[SqliteWriter], T], *, urgent: bool) -> "Future[T]":
        """Queue a work; the future ends with its result or error."""
        job = Job(work, time.monotonic() + (PATIENCE if urgent else BULK_PATIENCE))
        self._enqueue(self._urgent if urgent else self._bulk, job)
        return job.future

    def submit_alone(self, work: Callable[[sqlite3.Connection], T]) -> "Future[T]":
        """Queue something that needs the bare connection."""
        job = Job(work, time.monotonic() + BULK_PATIENCE, alone=True)
        self._enqueue(self._urgent, job)
        return job.future

    def append(self, waiting: Waiting) -> None:
        """Queue a receipt."""
        self._enqueue(self._receipts, waiting)

    def healthy(self) -> bool:
        """Alive, its last transaction did not fail, and none takes too long."""
        begun = self._begun
        slow = begun is not None and time.monotonic() - begun > _SLOW
        return self._thread.is_alive() and not self._failed and not slow

    def close(self, timeout: float) -> None:
        """Finish what is queued, then close the database; refuses new work at once."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join(timeout)

    def _enqueue(self, queue: "deque[Any]", item: Waiting | Job) -> None:
        if threading.current_thread() is self._thread:
            raise StoreError("a work may not write through the store it runs in")
        with self._condition:
            if self._closing:
                raise StoreUnavailableError("the store is closed")
            queue.append(item)
            self._condition.notify_all()

    # Everything below runs in the writer's thread -----------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        finally:
            self._drop_connection()

    def _turn(self) -> bool:
        """One round: a group of receipts, a few urgent works, at most one slice. False when closed and done."""
        with self._condition:
            while not (self._receipts or self._urgent or self._bulk_is_due()):
                if self._closing and not self._bulk:
                    return False
                self._condition.wait(max(self._bulk_from - time.monotonic(), 0.001) if self._bulk else None)
            receipts = next_group(self._receipts)
            jobs = [self._urgent.popleft() for _ in range(min(_URGENT_AT_ONCE, len(self._urgent)))]
            slice_ = self._bulk.popleft() if self._bulk_is_due() else None
        if receipts or jobs:
            self._urgent_at = time.monotonic()
        if receipts:
            self._append(receipts)
        for job in jobs:
            self._do(job)
        if slice_ is not None:
            begun = time.monotonic()
            self._do(slice_)
            ended = time.monotonic()
            self._bulk_from = ended + (ended - begun) * _BULK_REST
        return True

    def _bulk_is_due(self) -> bool:
        if not self._bulk:
            return False
        now = time.monotonic()
        return not self._serving or self._closing or now >= self._bulk_from or now - self._urgent_at > _QUIET

    def _append(self, group: Sequence[Waiting]) -> None:
        group = [waiting for waiting in group if not waiting.given_up]
        try:
            while group:
                now = time.monotonic()
                self._refuse([waiting for waiting in group if waiting.due <= now])
                group = [waiting for waiting in group if waiting.due > now]
                if group and self._begin(min(waiting.due for waiting in group)):
                    break
            if not group:
                return
            writer = SqliteWriter(self._open(), self._queries)
            results = append_receipts(writer, [waiting.receipt for waiting in group])
            self._commit()
        except (sqlite3.Error, StoreError) as error:
            failure = self._fail(error)
            for waiting in group:
                waiting.end(failure)
            return
        for waiting, result in zip(group, results, strict=True):
            waiting.end(result)

    def _refuse(self, late: Sequence[Waiting]) -> None:
        for waiting in late:
            waiting.end(StoreUnavailableError("the write lock was not to be had"))

    def _do(self, job: Job) -> None:
        if not job.future.set_running_or_notify_cancel():
            return
        acts: list[Callable[[], None]] = []
        try:
            if job.alone:
                result = job.work(self._open())
            else:
                if time.monotonic() >= job.due or not self._begin(job.due):
                    raise StoreUnavailableError("the write lock was not to be had")
                writer = SqliteWriter(self._open(), self._queries)
                result = job.work(writer)
                self._commit()
                acts = writer.acts
        except (sqlite3.Error, StoreError) as error:
            job.future.set_exception(self._fail(error))
            return
        except BaseException as error:  # noqa: BLE001 - it belongs to who asked, and reaches them
            self._roll_back()
            job.future.set_exception(error)
            return
        run_acts(acts)
        job.future.set_result(result)

    def _begin(self, until: float) -> bool:
        self._begun = time.monotonic()
        if begin_immediate(self._open(), until):
            return True
        self._begun = None
        self._failed = True
        return False

    def _commit(self) -> None:
        self._open().execute("COMMIT")
        self._begun = None
        self._failed = False

    def _fail(self, error: Exception) -> StoreError:
        """Undo, and leave the connection if it cannot be trusted; the store's error."""
        failure = error if isinstance(error, StoreError) else translate(error, "writing")
        self._roll_back()
        if isinstance(failure, StoreUnavailableError):
            self._failed = True
            _log.warning("store_write_failed", error=str(failure))
            busy = isinstance(error, sqlite3.Error) and primary_code(error) == sqlite3.SQLITE_BUSY
            if not busy:
                self._drop_connection()
        return failure

    def _roll_back(self) -> None:
        self._begun = None
        if self._connection is None or not self._connection.in_transaction:
            return
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop_connection()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect(self._path, read_only=False)
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is None:
            return
        try:
            self._connection.close()
        except sqlite3.Error as error:
            _log.warning("store_close_failed", error=type(error).__name__)
        self._connection = None
