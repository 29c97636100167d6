"""What the server says of itself while its child is stopped, killed, or drowned in wake-ups."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Served, pull_request_body, served, until


@pytest.fixture
def server(store_url: str, tmp_path: Path) -> Iterator[Served]:
    with served(store_url, tmp_path) as running:
        until(lambda: running.ready() == 200, seconds=60)
        yield running


def _done(server: Served) -> int:
    return len(server.get("/api/v1/deliveries?state=done&limit=1000")["data"])


def test_a_child_that_stops_or_dies_is_seen_and_comes_back(server: Served, capsys: pytest.CaptureFixture[str]) -> None:
    child = server.child()
    os.kill(child, signal.SIGSTOP)
    stopped = time.monotonic()
    until(lambda: server.ready() == 503, seconds=5.5)
    seen = time.monotonic() - stopped
    assert server.ask("GET", "/healthz").status == 200

    # More wake-ups than the pipe holds: the server goes on receiving, though its child reads nothing.
    for number in range(600):
        assert server.deliver("pull_request", pull_request_body(number + 1)).status == 202
    assert server.ask("GET", "/healthz", timeout=2).status == 200
    assert _done(server) == 0

    os.kill(child, signal.SIGCONT)
    until(lambda: server.ready() == 200, seconds=60)
    until(lambda: _done(server) == 600, seconds=120)

    os.kill(child, signal.SIGKILL)
    killed = time.monotonic()
    assert server.deliver("pull_request", pull_request_body(700)).status == 202
    until(lambda: _done(server) == 601, seconds=60)
    back = time.monotonic() - killed
    assert server.child() != child
    until(lambda: server.ready() == 200, seconds=60)
    with capsys.disabled():
        print(f"\nhealth: a stopped child seen after {seen:.1f} s, work of a killed one done after {back:.1f} s")
