"""What a process knows of its PostgreSQL server: one thread asks it something trivial, and ends the waiting for one that says nothing.

Rules:
- Silence is a question without an answer. A refusal is an answer, and a server at work on something long answers meanwhile.
- The driver waits for ever. Who is silent is hung up on, on every connection: also one at rest may lead to nobody any more.
"""

import os
import select
import socket
import threading
import time
from contextlib import suppress

import psycopg
from psycopg import errors

from bot.store.postgres_connection import Connection
from bot.store.receiving import PATIENCE

_REST = 2.0
"""Seconds after which the server is asked, if nobody wants to know earlier."""
_AGAIN = 0.2
"""Seconds until a silent server is asked again."""


class Pulse:
    """Whether the server speaks; every thread says and sees the same."""

    def __init__(self, url: str) -> None:
        self.failed = False
        """Whether what anybody asked of the server last went wrong."""
        self._url = url
        self._line: Connection | None = None
        self._lines: frozenset[Connection] = frozenset()
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        """Since when no question was answered."""
        self._wanted = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="store-pulse", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Ask the server now rather than after a rest."""
        self._wanted.set()

    def silent(self) -> bool:
        """Whether it leaves a question without an answer for longer than anybody's patience."""
        asked_at = self._asked_at
        return asked_at is not None and time.monotonic() - asked_at > PATIENCE

    def watch(self, connection: Connection) -> None:
        """Cut this connection off, too, when the server is silent."""
        with self._lock:
            self._lines = frozenset(line for line in self._lines if not line.closed) | {connection}
        self.ask()  # a line that is younger than the others would not know that they are dead

    def cut_off(self) -> None:
        """Wake all who wait for an answer, with an error."""
        for line in self._lines:
            with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(line.fileno())) as wire:
                wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ask no more."""
        self._closing = True
        self._wanted.set()
        self.cut_off()
        self._thread.join(1.0)

    def _run(self) -> None:
        while not self._closing:
            self._wanted.wait(_REST if self._asked_at is None else _AGAIN)
            self._wanted.clear()
            if not self._closing:
                self._take()
        self._hang_up()

    def _take(self) -> None:
        if self._asked_at is None:
            self._asked_at = time.monotonic()
        try:
            self._question()
        except (TimeoutError, errors.ConnectionTimeout):
            self.failed = True
            self._hang_up()
            self.cut_off()
        except psycopg.Error:
            self.failed, self._asked_at = True, None
            self._hang_up()
        else:
            self.failed, self._asked_at = False, None

    def _question(self) -> None:
        if self._line is not None:
            try:
                _expect_answer(self._line)
            except psycopg.Error:
                self._hang_up()  # a server that was restarted meanwhile speaks on a new connection
            else:
                return
        self._line = psycopg.connect(self._url, autocommit=True, connect_timeout=3, application_name="rollforward")
        self.watch(self._line)
        _expect_answer(self._line)

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


def _expect_answer(connection: Connection) -> None:
    """Ask; raises TimeoutError when nothing is said, psycopg.Error when it is not an answer."""
    wire = connection.pgconn
    wire.send_query(b"SELECT 1")
    ears = select.poll()
    ears.register(wire.socket, select.POLLIN)
    until = time.monotonic() + PATIENCE
    while wire.is_busy():
        if not ears.poll(max(until - time.monotonic(), 0.0) * 1000):
            raise TimeoutError
        wire.consume_input()
    while (result := wire.get_result()) is not None:
        if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError("the server refuses a question")
