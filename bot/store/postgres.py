"""The PostgreSQL engine: any number of processes, each with a small pool and a thread that commits receipts in groups.

Rules:
- A write is serializable and tried again when it collides; so is one whose connection was lost, unless the server says that it was
  committed.
- A receipt is answered after the commit that holds it.
"""

import asyncio
import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

import psycopg
import psycopg_pool
from psycopg import errors

from bot.store import Appended, Reader, Receipt, StoreError, StoreUnavailableError, Writer
from bot.store.bell import Bell, run_acts
from bot.store.migrating_postgres import migrate_postgres
from bot.store.named import Query, load_queries
from bot.store.postgres_connection import (
    RETRIABLE,
    Connection,
    DriverError,
    PostgresReader,
    PostgresWriter,
    adapters,
    lively,
    translate,
)
from bot.store.postgres_pulse import Pulse
from bot.store.postgres_threads import AppendingThread, ListeningThread
from bot.store.receiving import ANSWER, PATIENCE, SLICE_SERVING, append_in_loop

T = TypeVar("T")

CONNECTIONS = 10
BULK_PATIENCE = 30.0
LONGEST_READ = ANSWER * 10
_LOOK = 0.2
"""Seconds until somebody who waits for an answer looks whether there will be one."""
LAST_WORDS = 5.0
"""Seconds that what is under way has to end when the store is closed."""
_READ = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = b"BEGIN ISOLATION LEVEL SERIALIZABLE"


class PostgresStore:
    """A PostgreSQL database; other processes may use it too."""

    dialect: Literal["sqlite", "postgres"] = "postgres"
    slice_rows = SLICE_SERVING

    def __init__(self, url: str, *, queries: Mapping[str, Query] | None = None) -> None:
        self._url = url = lively(url)
        self._queries = queries if queries is not None else load_queries("postgres")
        self._bell = Bell()
        self._pulse = Pulse(url)
        self._closed = False
        self._pool: psycopg_pool.ConnectionPool[Connection] = psycopg_pool.ConnectionPool(
            url,
            min_size=1,
            max_size=CONNECTIONS,
            timeout=PATIENCE,
            # gives up early and connects anew when asked, instead of resting for minutes after an outage
            reconnect_timeout=1.0,
            configure=self._configure,
            kwargs={"autocommit": True, "connect_timeout": 3, "context": adapters(), "application_name": "rollforward"},
            open=True,
        )
        self._threads = ThreadPoolExecutor(CONNECTIONS - 2, thread_name_prefix="store")
        self._appending = AppendingThread(self._pool, self._queries, self._pulse)
        self._listening = ListeningThread(url, self._bell, self._pulse)

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` over one snapshot."""

        def attempt(connection: Connection) -> T:
            connection.execute(_READ)
            result = work(PostgresReader(connection, self._queries))
            connection.execute(b"ROLLBACK")
            return result

        return self._try(attempt, PATIENCE)

    def write(self, work: Callable[[Writer], T], *, urgent: bool = True) -> T:
        """Run `work` in one durable transaction, again if it collides with another."""
        pending: list[str] = []
        finished: list[tuple[T, list[Callable[[], None]]]] = []

        def attempt(connection: Connection) -> tuple[T, list[Callable[[], None]]]:
            if pending and self._was_committed(connection, pending.pop()):
                return finished[-1]
            connection.execute(_WRITE)
            writer = PostgresWriter(connection, self._queries)
            done = work(writer), writer.acts
            if connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
                raise StoreError("a work went on after an error of the store; nothing was written")
            (number,) = writer.fetch("transaction_id", lambda text: text)
            if number is not None:
                pending[:] = [number]
                finished[:] = [done]
            connection.execute(b"COMMIT")
            pending.clear()
            return done

        result, acts = self._try(attempt, PATIENCE if urgent else BULK_PATIENCE)
        run_acts(acts)
        return result

    async def read_async(self, work: Callable[[Reader], T]) -> T:
        """`read` in a thread; given up when the server says nothing, or after a time in which nobody waits any more."""
        until = time.monotonic() + LONGEST_READ
        return await self._in_thread(lambda: self.read(work), lambda: self._is_silent() or time.monotonic() >= until)

    async def write_async(self, work: Callable[[Writer], T], *, urgent: bool = True) -> T:
        """`write` in a thread; an urgent one is answered in time, even if its outcome is not known."""
        until = time.monotonic() + (ANSWER if urgent else math.inf)
        return await self._in_thread(lambda: self.write(work, urgent=urgent), lambda: time.monotonic() >= until)

    async def append(self, receipt: Receipt) -> Appended:
        """Store a receipt durably, or find the known one. Notifies "inbox"."""
        return await append_in_loop(self._appending.enqueue, receipt)

    def wait(self, channel: str, timeout: float) -> bool:
        """Wait until any process notifies `channel`; a notification nobody heard is kept."""
        self._listening.start()
        return self._bell.wait(channel, timeout)

    def notify(self, channel: str) -> None:
        """Wake those who wait for `channel`, in every process."""
        self._bell.ring(channel)
        self._try(lambda connection: connection.execute(b"SELECT pg_notify(%s, '')", (channel,)), PATIENCE)

    def healthy(self) -> bool:
        """Whether what was last asked of the server did not fail, it is not silent, and the thread that appends lives."""
        return self._appending.healthy() and not self._pulse.failed and not self._pulse.silent()

    def migrate(self) -> list[str]:
        """Bring the schema up to date; the names of the migrations applied."""
        try:
            # the pool would only say that there is no connection, not why
            psycopg.connect(self._url, connect_timeout=3).close()
        except psycopg.Error as error:
            raise translate(error, "connecting") from error
        return self._try(migrate_postgres, BULK_PATIENCE)

    def close(self) -> None:
        """Finish what is queued, then let go of the connections."""
        if self._closed:
            return
        self._closed = True
        self._appending.close()
        self._listening.close()
        late = threading.Timer(LAST_WORDS, self._pulse.cut_off)
        late.start()
        self._threads.shutdown(wait=True)
        late.cancel()
        self._pool.close()
        self._pulse.close()

    async def _in_thread(self, act: Callable[[], T], hopeless: Callable[[], bool]) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._threads, act)
        try:
            while not (await asyncio.wait({future}, timeout=_LOOK))[0]:
                if hopeless():
                    raise StoreUnavailableError("the store is slow")
            return future.result()
        finally:
            future.cancel()

    def _is_silent(self) -> bool:
        self._pulse.ask()
        return self._pulse.silent()

    def _try(self, attempt: Callable[[Connection], T], patience: float) -> T:
        until = time.monotonic() + patience
        tries = 0
        while True:
            tries += 1
            try:
                result = self._attempt(attempt, until)
            except DriverError as error:
                failure = translate(error.cause, error.doing)
                again = _again(error.cause, tries)
                if not again or time.monotonic() >= until:
                    self._pulse.failed = isinstance(failure, StoreUnavailableError)
                    raise failure from error.cause
                if not isinstance(error.cause, RETRIABLE):
                    self._pool.check()
                time.sleep(random.uniform(0.002, 0.02) * min(tries, 8))  # noqa: S311 - to part two that collide
            else:
                self._pulse.failed = False
                return result

    def _attempt(self, attempt: Callable[[Connection], T], until: float) -> T:
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        try:
            connection = self._pool.getconn(min(max(until - time.monotonic(), 0.05), PATIENCE))
        except psycopg_pool.PoolTimeout as error:
            self._pulse.failed = True
            raise StoreUnavailableError("no connection to PostgreSQL") from error
        try:
            return attempt(connection)
        except psycopg.Error as error:
            raise DriverError("transaction", error) from error
        finally:
            self._give_back(connection)

    def _give_back(self, connection: Connection) -> None:
        try:
            if not connection.closed and connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                connection.execute(b"ROLLBACK")
        except psycopg.Error:
            connection.close()
        self._pool.putconn(connection)

    def _configure(self, connection: Connection) -> None:
        self._pulse.watch(connection)
        connection.execute(b"SET lock_timeout = '2500ms'")
        # an acknowledged receipt is durable, whatever the server is used to
        connection.execute(
            b"SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )

    def _was_committed(self, connection: Connection, number: str) -> bool:
        reader = PostgresReader(connection, self._queries)
        until = time.monotonic() + PATIENCE
        while True:
            (state,) = reader.fetch("transaction_state", str, id=number)
            if state != "in progress" or time.monotonic() >= until:
                return bool(state == "committed")
            time.sleep(0.02)


def _again(cause: Exception, tries: int) -> bool:
    """Whether the same work may succeed: it collided, or its connection was lost."""
    if isinstance(cause, RETRIABLE):
        return True
    if isinstance(cause, errors.UniqueViolation):
        # among serializable transactions a collision can look like this; a real one comes back
        return tries == 1
    if isinstance(cause, errors.LockNotAvailable | errors.QueryCanceled | errors.DiskFull):
        return False
    return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError | errors.AdminShutdown)
