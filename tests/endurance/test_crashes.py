"""Nothing acknowledged is lost, nothing takes effect twice: the server is killed under load, again and again.

The senders keep a ledger of what was answered with 2xx. Two mutants of the server show that the test would see a loss and a double.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psycopg
import pytest

from tests.support.crash_server import EFFECT

SECRET = "0123456789-of-the-crash-test"
KILLS = int(os.environ.get("KILLS", "100" if os.environ.get("ENDURE") else "10"))
"""Per engine."""
ACKED = 260
"""Of each life, at least, before it is ended: a slow machine would otherwise need more lives."""
SENDERS = 24
MUTANT_KILLS = 12
Rows = Callable[[str], list[tuple[object, ...]]]


@dataclass
class Ledger:
    """What the senders know."""

    acked: set[str] = field(default_factory=set)
    sent: int = 0
    unfinished: int = 0
    kills: int = 0
    child_kills: int = 0


def _body(number: int) -> bytes:
    side = {"ref": "topic", "sha": f"{number:040x}"}
    repository = {
        "id": 1, "full_name": "acme/crash", "html_url": "https://github.com/acme/crash",
        "clone_url": "https://github.com/acme/crash.git", "default_branch": "main",
    }
    pull_request = {
        "number": number % 25 + 1, "state": "open", "title": f"Change {number}", "body": "x" * (number % 6_000), "labels": [],
        "created_at": "2026-05-01T00:00:00Z", "updated_at": f"2026-05-02T00:{number // 60 % 60:02}:{number % 60:02}Z",
        "merged": False, "merged_at": None, "merge_commit_sha": None, "draft": False, "user": {"login": "kim"},
        "head": side, "base": {"ref": "main", "sha": "a" * 40},
    }
    return json.dumps({
        "action": "edited", "number": pull_request["number"], "pull_request": pull_request, "repository": repository,
        "sender": {"login": "kim"},
    }).encode()  # fmt: skip


class Bench:
    """One server at a time over one store, and a load of deliveries on it."""

    def __init__(self, url: str, folder: Path, mode: str, rows: Rows) -> None:
        self.url, self.folder, self.mode, self.rows = url, folder, mode, rows
        self.ledger = Ledger()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers."""
        environment = {
            **os.environ, "CRASH_MODE": self.mode, "DATABASE_URL": self.url, "DATA_DIR": str(self.folder), "PORT": str(self.port),
            "GITHUB_WEBHOOK_SECRET": SECRET, "SERVICE_DEFINITIONS": str(self.folder),
        }
        with (self.folder / "log").open("ab") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "tests.support.crash_server", "serve"], env=environment, stdout=log, stderr=log,
                start_new_session=True,
            )
        for _ in range(1_200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return server
            assert server.poll() is None, (self.folder / "log").read_text()[-3000:]
            time.sleep(0.05)
        raise AssertionError("the server did not start")

    async def load(self, seconds: float, *, kill: Callable[[], None], acked: int = 0) -> None:
        """Send for so many seconds, and until so many were acknowledged, to a `kill`; what lives on is sent to for a moment more."""
        ended, enough = asyncio.Event(), len(self.ledger.acked) + acked
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            senders = [asyncio.create_task(self._send(session, ended)) for _ in range(SENDERS)]
            await asyncio.sleep(seconds)
            while len(self.ledger.acked) < enough and not all(sender.done() for sender in senders):  # noqa: ASYNC110 - 24 count it
                await asyncio.sleep(0.005)
            kill()
            asyncio.get_running_loop().call_later(0.3, ended.set)
            await asyncio.gather(*senders)

    async def _send(self, session: aiohttp.ClientSession, ended: asyncio.Event) -> None:
        last: tuple[str, bytes] | None = None
        while last is None or not ended.is_set():
            again = last is not None and random.random() < 0.1
            self.ledger.sent += 1
            key, body = last if again and last else (str(uuid.uuid4()), _body(self.ledger.sent))
            last = (key, body)
            headers = {
                "X-GitHub-Event": "pull_request", "X-GitHub-Delivery": key, "Content-Type": "application/json",
                "X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
            }
            url = f"http://127.0.0.1:{self.port}/webhooks/github"
            try:
                async with session.post(url, data=body, headers=headers) as response:
                    if response.status in (200, 202):
                        self.ledger.acked.add(key)
            except (aiohttp.ClientError, TimeoutError):
                return

    def crash(self, chance: random.Random) -> None:
        """One life of the server, ended by kill -9 under load; now and then its child is killed before."""
        server = self.start()
        self._warm_up()
        if chance.random() < 0.4:
            asyncio.run(self.load(chance.uniform(0.15, 0.5), kill=lambda: self._kill_child(server)))
        asyncio.run(self.load(chance.uniform(0.15, 0.8), kill=lambda: os.killpg(server.pid, signal.SIGKILL), acked=ACKED))
        server.wait()
        self.ledger.kills += 1
        self.ledger.unfinished += bool(self.rows("SELECT id FROM inbox WHERE state IN ('received', 'failed') LIMIT 1"))

    def _warm_up(self) -> None:
        """Wait until the engine works: a kill is to hit work, not a start."""
        asyncio.run(self._send_one())
        for _ in range(600):
            if not self.rows("SELECT id FROM inbox WHERE state IN ('received', 'failed') LIMIT 1"):
                return
            time.sleep(0.02)

    async def _send_one(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            ended = asyncio.Event()
            ended.set()
            await self._send(session, ended)

    def _kill_child(self, server: subprocess.Popen[bytes]) -> None:
        for child in Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)
                self.ledger.child_kills += 1

    def finish(self) -> None:
        """Let a last server process what is left."""
        server = self.start()
        for _ in range(1_200):
            if not self.rows("SELECT id FROM inbox WHERE state IN ('received', 'failed') LIMIT 1"):
                break
            time.sleep(0.05)
        server.terminate()
        server.wait(20)

    def lost(self) -> int:
        """Acknowledged deliveries that are not there, or not done."""
        return len(self.ledger.acked - {str(key) for (key,) in self.rows("SELECT key FROM inbox WHERE state = 'done'")})

    def doubled(self) -> int:
        """Deliveries that took effect more than once."""
        return len(self.rows(f"SELECT name FROM sequence WHERE name >= '{EFFECT}' AND name < 'effect;' AND next > 2"))


@pytest.fixture
def rows(store_url: str, engine: str) -> Iterator[Rows]:
    """Look into the store from outside."""
    if engine == "postgres":
        # One connection for all questions: a new one costs the server more than any answer.
        with psycopg.connect(store_url, autocommit=True) as asked:
            yield lambda statement: asked.execute(statement.encode()).fetchall()
        return

    def ask(statement: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(store_url.removeprefix("sqlite:///"), timeout=10)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    yield ask


@pytest.mark.endure
def test_no_acknowledged_delivery_is_lost_or_doubled(
    store_url: str, tmp_path: Path, rows: Rows, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(2**32)))
    bench = Bench(store_url, tmp_path, "honest", rows)
    chance = random.Random(seed)
    for _ in range(KILLS):
        bench.crash(chance)
    bench.finish()
    ledger = bench.ledger
    with capsys.disabled():
        print(
            f"\ncrashes ({engine}): {ledger.kills} kills ({ledger.unfinished} with unfinished work), {ledger.child_kills} of the "
            f"child, {len(ledger.acked)} acknowledged, {bench.lost()} lost, {bench.doubled()} doubled, seed {seed}"
        )
    assert bench.lost() == 0
    assert bench.doubled() == 0
    assert len(ledger.acked) >= ACKED * KILLS
    assert ledger.unfinished >= KILLS / 2


@pytest.mark.parametrize("mode", ["ack_first", "split"])
def test_the_mutants_are_seen(mode: str, store_url: str, tmp_path: Path, rows: Rows) -> None:
    bench = Bench(store_url, tmp_path, mode, rows)
    chance = random.Random(7)
    for _ in range(MUTANT_KILLS):
        bench.crash(chance)
        bench.finish()
        if bench.lost() if mode == "ack_first" else bench.doubled():
            return
    raise AssertionError(f"{MUTANT_KILLS} kills and nothing was seen of {mode}")
