"""The real server as a process over a SQLite store, what it weighs, and a load on it at fixed instants (an open loop).

Rules: a request's time runs from its instant on the schedule, so a server that is late is late for all who wait behind. The load
comes from threads with a plain socket each: their sleep is exact to a tenth of a millisecond, an event loop's only to a whole one.
"""

import asyncio
import contextlib
import gc
import hashlib
import hmac
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from bot.engine import control
from bot.store.opening import OwnerLock

SECRET = "0123456789-of-the-benchmarks"  # noqa: S105
API_KEY = "rf_0123456789abcdef0123456789abcdef"
CONNECTIONS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int
    database: Path

    def child(self) -> int:
        """The process id of the engine's child."""
        for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        raise AssertionError("the engine's child is gone")

    def operate(self, command: str, **arguments: object) -> object:
        """What the command of that name does: ask over the socket, and wait until all that follows is derived."""
        door = OwnerLock(self.database).held_by()
        assert door, "the server holds no lock"
        return asyncio.run(control.ask(door, command, arguments, progress=lambda _: None))

    def api(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """One call of the API on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {API_KEY}", "DD-API-KEY": API_KEY, "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            said = response.read()
            assert response.status in {200, 202}, said
            return json.loads(said)
        finally:
            connection.close()


@contextmanager
def served(database: Path, definitions: Path, **settings: str) -> Iterator[Served]:
    """`serve` with the product's settings over a store, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ, "DATABASE_URL": f"sqlite:///{database}", "DATA_DIR": str(database.parent / "data"), "PORT": str(port),
        "SERVICE_DEFINITIONS": str(definitions), "GITHUB_WEBHOOK_SECRET": SECRET, "API_KEYS": API_KEY, **settings,
    }  # fmt: skip
    with (database.parent / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "serve"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(process, port)
        yield Served(process=process, port=port, database=database)
        process.terminate()
        process.wait(30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert process.poll() is None, "the server did not start: see its log"
        time.sleep(0.05)
    raise AssertionError("the server did not start")


def memory(pid: int) -> dict[str, float]:
    """MB a process takes now (`VmRSS`) and took at most (`VmHWM`)."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {line[0].rstrip(":"): int(line[1]) / 1024 for line in lines if line[0] in {"VmRSS:", "VmHWM:"}}


def waited(pid: int) -> float:
    """Seconds a process's main thread was ready to run and had no core: other work on the machine, not the product's doing."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def webhook(event: str, payload: Mapping[str, object]) -> bytes:
    """A signed delivery of GitHub as the bytes of its request."""
    body = json.dumps(payload).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = (
        "POST /webhooks/github HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: GitHub-Hookshot/bench\r\nContent-Type: application/json\r\n"
        f"X-GitHub-Event: {event}\r\nX-GitHub-Delivery: {uuid.uuid4()}\r\nX-Hub-Signature-256: sha256={signature}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection:
    """A kept connection that sends ready requests."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> None:
        """Send a request and wait for its 202."""
        self.socket.sendall(request)
        said = b""
        while b"\r\n\r\n" not in said:
            more = self.socket.recv(65_536)
            assert more, "the server closed the connection"
            said += more
        head, _, body = said.partition(b"\r\n\r\n")
        assert b" 202 " in head.split(b"\r\n")[0], said
        (size,) = (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < size:
            body += self.socket.recv(65_536)


def fire(
    port: int, acts: Sequence[Callable[[Connection], None]], *, rate: float, connections: int = CONNECTIONS,
    running: Callable[[], bool] = lambda: True,
) -> list[float]:
    """Do each act at its instant, `rate` a second; seconds from that instant until it was done. Ends early when `running` says so."""
    took: list[float | None] = [None] * len(acts)
    failures: list[BaseException] = []
    turn, numbers = threading.Lock(), iter(range(len(acts)))
    doors = [Connection(port) for _ in range(connections)]
    gc.collect()
    gc.disable()
    begun = time.perf_counter() + 0.05

    def work(door: Connection) -> None:
        try:
            while not failures:
                with turn:
                    number = next(numbers, None)
                if number is None:
                    return
                instant = begun + number / rate
                time.sleep(max(instant - time.perf_counter(), 0))
                if not running():
                    return
                acts[number](door)
                took[number] = time.perf_counter() - instant
        except BaseException as error:  # noqa: BLE001 - told to who waits for the load
            failures.append(error)

    threads = [threading.Thread(target=work, args=(door,)) for door in doors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.enable()
    for door in doors:
        door.socket.close()
    if failures:
        raise failures[0]
    return [seconds for seconds in took if seconds is not None]


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * share), 1) - 1]
