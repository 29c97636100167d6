"""The store as a child process sees it: reads from the SQLite file, writes through the process that owns it."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

from bot.store import Appended, Reader, Receipt, StoreError, Writer
from bot.store.batch import Batch, RecordingWriter, Sequences
from bot.store.bell import Bell, run_acts
from bot.store.named import Query, load_queries
from bot.store.opening import sqlite_path
from bot.store.receiving import SLICE_SERVING
from bot.store.sqlite_connection import ReaderPool

T = TypeVar("T")

__all__ = ["Batch", "RemoteStore", "refuse"]


def refuse(batch: Batch, urgent: bool) -> None:
    """For `submit`: a store that is only read."""
    raise StoreError("this store was opened to be read")


class RemoteStore:
    """A SQLite store owned by another process. `submit` returns when the batch is durable there, or raises StoreError.

    `write` runs one work at a time per thread that calls it; `wait` and `notify` reach this process only."""

    dialect: Literal["sqlite", "postgres"] = "sqlite"
    slice_rows = SLICE_SERVING

    def __init__(
        self, url: str, *, submit: Callable[[Batch, bool], None] = refuse, queries: Mapping[str, Query] | None = None
    ) -> None:
        path = sqlite_path(url)
        if path is None:
            raise StoreError("only a SQLite store has one owner")
        self._queries = queries if queries is not None else load_queries("sqlite")
        self._readers = ReaderPool(path, self._queries)
        self._submit = submit
        self._sequences = Sequences()
        self._bell = Bell()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="store")
        self._failed = False

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` over one snapshot."""
        return self._readers.read(work)

    def write(self, work: Callable[[Writer], T], *, urgent: bool = True) -> T:
        """Run `work` over one snapshot, then have its writes done as one durable transaction."""

        def record(reader: Reader) -> tuple[T, RecordingWriter]:
            writer = RecordingWriter(reader, self._queries, self._sequences)
            return work(writer), writer

        result, writer = self._readers.read(record)
        batch = writer.batch()
        if batch.operations:
            self._failed = True
            self._submit(batch, urgent)
            self._failed = False
        run_acts(writer.acts)
        return result

    async def read_async(self, work: Callable[[Reader], T]) -> T:
        """`read` in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.read, work)

    async def write_async(self, work: Callable[[Writer], T], *, urgent: bool = True) -> T:
        """`write` in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: self.write(work, urgent=urgent))

    async def append(self, receipt: Receipt) -> Appended:
        """Receipts are taken by the process that owns the store."""
        raise StoreError("receipts are taken by the process that owns the store")

    def wait(self, channel: str, timeout: float) -> bool:
        """Wait until `channel` rings in this process."""
        return self._bell.wait(channel, timeout)

    def notify(self, channel: str) -> None:
        """Ring `channel` in this process."""
        self._bell.ring(channel)

    def healthy(self) -> bool:
        """Whether the last submitted batch became durable."""
        return not self._failed

    def migrate(self) -> list[str]:
        """The owner migrates."""
        return []

    def close(self) -> None:
        """Let go of the file."""
        self._threads.shutdown(wait=True)
        self._readers.close()
