"""The store's lock in foreign hands, the database server restarted: a quick 503, nothing lost, no restart of ours."""

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engines import Cluster
from tests.support.server import Answer, Served, pull_request_body, push_body, served, until

SENDERS = 4


class Load:
    """Senders that go on until told to stop, and what they were answered."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self.answers: list[tuple[str, Answer]] = []
        self.over = threading.Event()

    def send(self, seed: int) -> None:
        number = seed
        while not self.over.is_set():
            key = str(uuid.uuid4())
            number += SENDERS
            self.answers.append((key, self.server.deliver("pull_request", pull_request_body(number % 40 + 1), key=key)))
            time.sleep(0.03)

    @property
    def acknowledged(self) -> set[str]:
        return {key for key, answer in self.answers if answer.status in (200, 202)}

    @property
    def refused(self) -> list[Answer]:
        return [answer for _, answer in self.answers if answer.status not in (200, 202)]


@contextmanager
def load(server: Served) -> Iterator[Load]:
    running = Load(server)
    threads = [threading.Thread(target=running.send, args=(seed,)) for seed in range(SENDERS)]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running.over.set()
        for thread in threads:
            thread.join(15)


def _all_done(server: Served, keys: set[str]) -> bool:
    rows: list[dict[str, str]] = []
    path = "/api/v1/deliveries?limit=1000"
    page = server.get(path)
    rows += page["data"]
    while page["next"]:
        page = server.get(f"{path}&cursor={page['next']}")
        rows += page["data"]
    assert "dead" not in {row["state"] for row in rows}
    return keys <= {row["key"] for row in rows if row["state"] == "done"}


def _quick(refused: list[Answer]) -> float:
    """The longest wait for a refusal; each is a 503 that says when to come again."""
    for answer in refused:
        assert answer.status == 503, answer
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["errors"][0]["title"] == "store_unavailable"
    return max(answer.seconds for answer in refused)


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_foreign_lock(store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = store_url.removeprefix("sqlite:///")

    def hold(seconds: float) -> None:
        connection = sqlite3.connect(path, isolation_level=None, timeout=5)
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
        connection.close()

    with served(store_url, tmp_path) as server:
        pid = server.process.pid  # type: ignore[union-attr]
        with load(server) as short:
            time.sleep(0.3)
            hold(1.0)
            time.sleep(0.3)
        assert short.refused == []

        with load(server) as long:
            time.sleep(0.3)
            hold(6.0)
            freed = time.monotonic()
            until(lambda: server.deliver("ping", b'{"zen": "."}').status == 202, seconds=5)
            recovered = time.monotonic() - freed
        longest = _quick(long.refused)
        acknowledged = short.acknowledged | long.acknowledged
        assert long.refused
        until(lambda: _all_done(server, acknowledged), seconds=120, pause=0.2)
        until(lambda: server.ready() == 200, seconds=60)
        assert server.process is not None
        assert (server.process.pid, server.process.poll()) == (pid, None)
        attempts = {row["attempts"] for row in server.get("/api/v1/deliveries?limit=1000")["data"]}
        assert attempts == {1}, "a lock is no delivery's fault"
    with capsys.disabled():
        print(
            f"\nforeign lock: {len(long.refused)} refused, the last word after at most {longest:.2f} s; receiving again "
            f"{recovered:.2f} s after it was freed; {len(acknowledged)} acknowledged, 0 lost"
        )
    assert longest <= 3.5


@pytest.mark.parametrize("engine", ["postgres"])
def test_a_restarted_server(engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = Cluster()
    try:
        own.start()
        with served(own.url(own.take()), tmp_path, CLONE_URLS="github.com=http://127.0.0.1:1") as server:
            with load(server) as sent:
                time.sleep(0.5)
                own.stop_server()
                time.sleep(4.5)
                until(lambda: server.ready() == 503, seconds=5)
                own.start_server()
                back = time.monotonic()
                until(lambda: server.deliver("ping", b'{"zen": "."}').status == 202, seconds=10)
                recovered = time.monotonic() - back
                time.sleep(0.5)
            longest = _quick(sent.refused)
            until(lambda: _all_done(server, sent.acknowledged), seconds=120, pause=0.2)
            until(lambda: server.ready() == 200, seconds=60)
            # What stands beside the intake came through it too: definitions are still looked at, fetches still started.
            assert server.deliver("push", push_body("b" * 40)).status == 202
            until(lambda: server.get("/api/v1/repositories")["data"][0]["attempts"], seconds=60)
            (server.folder / "definitions" / "late.yaml").write_text("schema-version: v2.2\ndd-service: late\n")
            until(lambda: [row["service"] for row in server.get("/api/v1/services")["data"]] == ["late"], seconds=60)
    finally:
        own.stop()
    with capsys.disabled():
        print(
            f"\nPostgreSQL restarted: {len(sent.refused)} refused, the last word after at most {longest:.2f} s; receiving "
            f"again {recovered:.2f} s after it was back; {len(sent.acknowledged)} acknowledged, 0 lost"
        )
    assert longest <= 3.5
