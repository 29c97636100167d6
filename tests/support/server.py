"""The real server as a process, and the few things a test asks it: deliveries in, answers out."""

import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")

SECRET = "0123456789-of-the-engine-tests"
API_KEY = "rf_0123456789abcdef0123456789abcdef"
REPOSITORY = {
    "id": 1, "full_name": "acme/shop", "html_url": "https://github.com/acme/shop",
    "clone_url": "https://github.com/acme/shop.git", "default_branch": "main",
}  # fmt: skip


@dataclass
class Answer:
    """What the server said, and how long that took."""

    status: int
    body: bytes
    headers: dict[str, str]
    seconds: float

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Served:
    """How to start a server over one store, and the one that runs."""

    url: str
    folder: Path
    program: tuple[str, ...] = ("bot",)
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    authority: Path | None = None
    """Who signed its certificate, when it speaks https."""

    def __post_init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def environment(self) -> dict[str, str]:
        """What the server and commands beside it are told; an empty setting is one that is not given."""
        definitions = self.folder / "definitions"
        definitions.mkdir(exist_ok=True)
        told = {
            **os.environ, "DATABASE_URL": self.url, "DATA_DIR": str(self.folder / "data"), "PORT": str(self.port),
            "SERVICE_DEFINITIONS": str(definitions), "GITHUB_WEBHOOK_SECRET": SECRET, "API_KEYS": API_KEY, **self.settings,
        }  # fmt: skip
        return {name: value for name, value in told.items() if value}

    def spawn(self, command: str = "serve") -> subprocess.Popen[bytes]:
        """Start a process without waiting for it."""
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *self.program, command], env=self.environment(), stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def start(self, command: str = "serve") -> float:
        """Start it; returns how many seconds it took to answer."""
        begun = time.monotonic()
        self.process = self.spawn(command)
        while time.monotonic() - begun < 60:
            with contextlib.suppress(OSError):
                self.ask("GET", "/healthz")
                return time.monotonic() - begun
            assert self.process.poll() is None, self.log()
            time.sleep(0.02)
        raise AssertionError("the server did not start: " + self.log())

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Stop it; its exit status and how many seconds it took."""
        assert self.process is not None
        begun = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(30)
        self.process = None
        return status, time.monotonic() - begun

    def log(self) -> str:
        """The end of what it logged, answers to requests left out."""
        lines = (self.folder / "log").read_text().splitlines()
        return "\n".join(line for line in lines if '"event": "request"' not in line)[-4000:]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command beside it."""
        return subprocess.run(
            [sys.executable, "-m", "bot", *arguments], env=self.environment(), capture_output=True, text=True, timeout=60, check=False
        )

    def ask(self, method: str, path: str, body: bytes = b"", timeout: float = 10, **headers: str) -> Answer:
        """One request on a connection of its own; OSError if nobody answers."""
        begun = time.monotonic()
        connection = self.connect(timeout)
        try:
            connection.request(method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            answer = response.read()
            return Answer(response.status, answer, {k.lower(): v for k, v in response.getheaders()}, time.monotonic() - begun)
        finally:
            connection.close()

    def connect(self, timeout: float) -> HTTPConnection:
        """A connection, not opened yet."""
        if self.authority is None:
            return HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        context = ssl.create_default_context(cafile=str(self.authority))
        return HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)

    def get(self, path: str) -> Any:
        """An answer of the API, as JSON."""
        answer = self.ask("GET", path, Authorization=f"Bearer {API_KEY}")
        assert answer.status == 200, answer
        return answer.json()

    def deliver(self, event: str, body: bytes, *, key: str = "", timeout: float = 10) -> Answer:
        """A signed webhook from GitHub."""
        return self.ask("POST", "/webhooks/github", body, timeout, **github_headers(event, body, key=key))

    def deploy(self, **attributes: object) -> Answer:
        """A deployment, as a CI would report it."""
        body = json.dumps({"data": {"attributes": attributes}}).encode()
        return self.ask("POST", "/api/v2/dora/deployment", body, DD_API_KEY=API_KEY, Content_Type="application/json")

    def ready(self) -> int:
        """The status of `/readyz`."""
        return self.ask("GET", "/readyz").status

    def child(self) -> int:
        """The process id of the engine's child."""
        assert self.process is not None
        return child_of(self.process.pid)


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Look into a store from outside."""
    if url.startswith("postgres"):
        with psycopg.connect(url) as connection:
            return connection.execute(statement.encode()).fetchall()
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10)) as file:
        return file.execute(statement).fetchall()


def child_of(pid: int) -> int:
    """The engine's child of a server process; waits a little for one."""

    def find() -> int | None:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        return None

    return until(find, seconds=10)


def until(ask: Callable[[], T | None], *, seconds: float, pause: float = 0.02) -> T:
    """What `ask` says as soon as that is something; AssertionError with the last word after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        found = ask()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {found!r}"
        time.sleep(pause)


def github_headers(event: str, body: bytes, *, key: str = "") -> dict[str, str]:
    """The headers of a signed webhook."""
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {
        "X_GitHub_Event": event, "X_GitHub_Delivery": key or str(uuid.uuid4()), "Content_Type": "application/json",
        "X_Hub_Signature_256": signature,
    }  # fmt: skip


def pull_request_body(number: int, *, title: str = "Change") -> bytes:
    """A pull request that was edited."""
    side = {"ref": "topic", "sha": f"{number:040x}"}
    pull_request = {
        "number": number, "state": "open", "title": title, "body": "", "labels": [], "created_at": "2026-05-01T00:00:00Z",
        "updated_at": "2026-05-02T00:00:00Z", "merged": False, "merged_at": None, "merge_commit_sha": None, "draft": False,
        "user": {"login": "kim"}, "head": side, "base": {"ref": "main", "sha": "a" * 40},
    }  # fmt: skip
    return json.dumps({
        "action": "edited", "number": number, "pull_request": pull_request, "repository": REPOSITORY, "sender": {"login": "kim"},
    }).encode()  # fmt: skip


def push_body(after: str, *, before: str = "0" * 40, ref: str = "refs/heads/main") -> bytes:
    """A push whose commits are only in the repository."""
    return json.dumps({
        "ref": ref, "before": before, "after": after, "created": False, "deleted": False, "forced": False, "commits": [],
        "head_commit": None, "repository": REPOSITORY, "sender": {"login": "kim"},
    }).encode()  # fmt: skip


@contextmanager
def served(
    url: str, folder: Path, *, program: tuple[str, ...] = ("bot",), start: bool = True, **settings: str
) -> Iterator[Served]:
    """A server over a store; whatever of it is left at the end is killed."""
    server = Served(url, folder, program, settings)
    try:
        if start:
            server.start()
        yield server
    finally:
        if server.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()
