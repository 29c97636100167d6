"""The threads of the PostgreSQL engine: one commits receipts in groups, one listens."""

import json
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence

import psycopg
import psycopg_pool
import structlog

from bot.store import Appended, Receipt, StoreError, StoreUnavailableError, StoreValueError
from bot.store.bell import Bell
from bot.store.named import Query
from bot.store.postgres_connection import Connection, DriverError, PostgresWriter, adapters, translate
from bot.store.postgres_pulse import Pulse
from bot.store.receiving import PATIENCE, Waiting, next_group
from bot.store.sqlite_connection import check_text

CHANNELS = ("inbox", "marks", "fetch")
_log = structlog.get_logger(__name__)


class AppendingThread:
    """Commits the receipts of one process, all that wait in one statement."""

    def __init__(
        self, pool: "psycopg_pool.ConnectionPool[Connection]", queries: Mapping[str, Query], pulse: Pulse
    ) -> None:
        self._pool = pool
        self._pulse = pulse
        self._queries = queries
        self._condition = threading.Condition()
        self._receipts: deque[Waiting] = deque()
        self._closing = False
        self._begun_at: float | None = None
        """Since when a group waits to be committed."""
        self._thread = threading.Thread(target=self._run, name="store-append", daemon=True)
        self._thread.start()

    def enqueue(self, waiting: Waiting) -> None:
        """Queue a receipt."""
        with self._condition:
            if self._closing:
                raise StoreUnavailableError("the store is closed")
            self._receipts.append(waiting)
            self._condition.notify()

    def healthy(self) -> bool:
        """Alive, and not kept waiting."""
        begun_at = self._begun_at
        waiting = begun_at is not None and time.monotonic() - begun_at > PATIENCE
        return self._thread.is_alive() and not waiting

    def close(self) -> None:
        """Commit what is queued, refuse more."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join(PATIENCE * 2)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._receipts and not self._closing:
                    self._condition.wait()
                if not self._receipts:
                    return
                group = next_group(self._receipts)
            self._begun_at = time.monotonic()
            self._append([waiting for waiting in group if not waiting.given_up])
            self._begun_at = None

    def _append(self, group: list[Waiting]) -> None:
        while group:
            now = time.monotonic()
            for waiting in group:
                if waiting.due <= now:
                    waiting.end(StoreUnavailableError("no connection to PostgreSQL"))
            group = [waiting for waiting in group if waiting.due > now]
            if not group:
                return
            try:
                results = self._insert([waiting.receipt for waiting in group], group[0].due - now)
            except StoreUnavailableError as error:
                self._pulse.failed = True
                _log.warning("store_append_failed", error=str(error))
                self._pool.check()
                time.sleep(0.05)
                continue
            except StoreError as error:
                for waiting in group:
                    waiting.end(error)
                return
            self._pulse.failed = False
            for waiting, result in zip(group, results, strict=True):
                waiting.end(result)
            return

    def _insert(self, receipts: Sequence[Receipt], timeout: float) -> list[Appended | StoreError]:
        try:
            with self._pool.connection(timeout) as connection:
                return insert_receipts(connection, self._queries, receipts)
        except psycopg_pool.PoolTimeout as error:
            raise StoreUnavailableError("no connection to PostgreSQL") from error
        except DriverError as error:
            raise translate(error.cause, error.doing) from error.cause
        except psycopg.Error as error:
            raise translate(error, "append") from error


def insert_receipts(
    connection: Connection, queries: Mapping[str, Query], receipts: Sequence[Receipt]
) -> list[Appended | StoreError]:
    """Append each receipt or find the known one, every statement a transaction of its own."""
    refused = {index: problem for index, receipt in enumerate(receipts) if (problem := _problem(receipt)) is not None}
    fit = [receipt for index, receipt in enumerate(receipts) if index not in refused]
    lists = {
        "sources": [receipt.source for receipt in fit],
        "keys_": [receipt.key for receipt in fit],
        "events": [receipt.event for receipt in fit],
        "instants": [receipt.received_at for receipt in fit],
        "headers": [json.dumps(dict(receipt.headers), sort_keys=True) for receipt in fit],
        "bodies": [receipt.body for receipt in fit],
    }
    with psycopg.Cursor(connection) as cursor:
        # Bodies as bytes: written as text a large one costs ten times as much.
        statement = queries["insert_receipts"].text().replace("%(bodies)s", "%(bodies)b")
        cursor.execute(statement.encode(), lists)
        added = {(source, key): number for number, source, key, _ in cursor.fetchall()}
    writer = PostgresWriter(connection, queries)
    results: list[Appended | StoreError] = []
    for index, receipt in enumerate(receipts):
        if index in refused:
            results.append(refused[index])
            continue
        # the first of a group with this key is the new one
        number = added.pop((receipt.source, receipt.key), None)
        results.append(_known(writer, receipt) if number is None else Appended(id=number, known=False))
    return results


def _known(writer: PostgresWriter, receipt: Receipt) -> Appended | StoreError:
    found = writer.fetch("find_receipt", lambda *row: row, source=receipt.source, key=receipt.key)
    if not found:
        return StoreUnavailableError("the known receipt was just dropped")
    ((number, state),) = found
    if state in {"failed", "dead"}:
        writer.execute("revive_receipt", id=number, now=receipt.received_at, body=receipt.body)
    return Appended(id=number, known=True)


def _problem(receipt: Receipt) -> StoreValueError | None:
    try:
        check_text((receipt.source, receipt.key, receipt.event), "append_receipt")
        f"{receipt.source}{receipt.key}{receipt.event}".encode()
    except StoreValueError as error:
        return error
    except UnicodeEncodeError:
        return StoreValueError("append_receipt: half a surrogate pair in text")
    return None if -(2**63) <= receipt.received_at < 2**63 else StoreValueError("append_receipt: instant out of range")


class ListeningThread:
    """Rings this process's bell for what any process notifies; starts when somebody first waits."""

    def __init__(self, url: str, bell: Bell, pulse: Pulse) -> None:
        self._url = url
        self._bell = bell
        self._pulse = pulse
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen from now on; returns when notifications are heard (or after a moment, if the server is away)."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="store-listen", daemon=True)
                self._thread.start()
        self._ready.wait(1.0)

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                _log.warning("store_listen_failed", error=type(error).__name__)
                self._stop.wait(0.5)

    def _listen(self) -> None:
        with psycopg.connect(
            self._url, autocommit=True, connect_timeout=3, context=adapters(), application_name="rollforward"
        ) as connection:
            self._pulse.watch(connection)
            for channel in CHANNELS:
                connection.execute(b'LISTEN "%s"' % channel.encode())
            if self._ready.is_set():
                # something may have been said while nobody listened
                for channel in CHANNELS:
                    self._bell.ring(channel)
            self._ready.set()
            while not self._stop.is_set():
                for notice in connection.notifies(timeout=0.25):
                    self._bell.ring(notice.channel)
