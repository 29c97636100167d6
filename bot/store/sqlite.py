"""The SQLite engine: one file, one writer thread, a few readers."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import structlog

from bot.store import Appended, Reader, Receipt, StoreUnavailableError, Writer
from bot.store.batch import Batch
from bot.store.bell import Bell
from bot.store.named import Query, load_queries
from bot.store.receiving import ANSWER, SLICE_ALONE, SLICE_SERVING, append_in_loop
from bot.store.sqlite_connection import READERS, ReaderPool, create_database
from bot.store.sqlite_writing import WriterThread

T = TypeVar("T")

CLOSING = 10.0
"""Seconds to finish what is queued when the store closes."""
_FIXED = (3, 51, 3)
_log = structlog.get_logger(__name__)


class SqliteStore:
    """A SQLite file of which this process is the only writer.

    `serving`: bulk writes are paced behind receipts and urgent writes. Acts given to `after_commit` run in the writer's
    thread and must not write."""

    dialect: Literal["sqlite", "postgres"] = "sqlite"

    def __init__(self, path: Path, *, serving: bool = False, queries: Mapping[str, Query] | None = None) -> None:
        create_database(path)
        self.path = path
        known = queries if queries is not None else load_queries("sqlite")
        self._bell = Bell()
        self._readers = ReaderPool(path, known)
        self._writer = WriterThread(path, known, serving=serving)
        self.slice_rows = SLICE_SERVING if serving else SLICE_ALONE
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        if serving and sqlite3.sqlite_version_info < _FIXED:
            # two connections that write and checkpoint at once can lose a log there; this store has one that does both
            _log.warning("sqlite_version", version=sqlite3.sqlite_version, advice="3.51.3 or newer")

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` over one snapshot."""
        return self._readers.read(work)

    def write(self, work: Callable[[Writer], T], *, urgent: bool = True) -> T:
        """Run `work` in one durable transaction. An urgent one that did not begin in time never will; a begun one is awaited."""
        future = self._writer.submit(work, urgent=urgent)
        return _result(future, ANSWER if urgent else None)

    def apply(self, batch: Batch, *, urgent: bool) -> None:
        """Do what another process recorded, as one durable transaction."""
        self.write(batch.play, urgent=urgent)

    async def read_async(self, work: Callable[[Reader], T]) -> T:
        """`read` in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.read, work)

    async def write_async(self, work: Callable[[Writer], T], *, urgent: bool = True) -> T:
        """`write` without blocking the loop; an urgent one is answered in time, even if its outcome is not known."""
        future = asyncio.wrap_future(self._writer.submit(work, urgent=urgent))
        done, _ = await asyncio.wait({future}, timeout=ANSWER if urgent else None)
        if not done:
            future.cancel()
            raise StoreUnavailableError("the store is slow")
        return future.result()

    async def append(self, receipt: Receipt) -> Appended:
        """Store a receipt durably, or find the known one. Rings "inbox"."""
        appended = await append_in_loop(self._writer.append, receipt)
        self._bell.ring("inbox")
        return appended

    def wait(self, channel: str, timeout: float) -> bool:
        """Wait until `channel` rings in this process; a ring nobody heard is kept."""
        return self._bell.wait(channel, timeout)

    def notify(self, channel: str) -> None:
        """Ring `channel`."""
        self._bell.ring(channel)

    def healthy(self) -> bool:
        """Whether the writer lives, its last transaction did not fail and none hangs."""
        return self._writer.healthy()

    def migrate(self) -> list[str]:
        """Bring the schema up to date; the names of the migrations applied."""
        # Here: the engine's child and commands that read open the file with this module, and migrate nothing.
        from bot.store.migrating import migrate_sqlite

        until = time.monotonic() + 30
        return _result(self._writer.submit_alone(partial(migrate_sqlite, path=self.path, until=until)), None)

    def close(self) -> None:
        """Finish what is queued, then let go of the file."""
        self._threads.shutdown(wait=True)
        self._readers.close()
        self._writer.close(CLOSING)


def _result(future: "Future[T]", timeout: float | None) -> T:
    try:
        return future.result(timeout)
    except TimeoutError:
        if future.done():
            return future.result()
    if future.cancel():
        raise StoreUnavailableError("the store is slow")
    return future.result()
