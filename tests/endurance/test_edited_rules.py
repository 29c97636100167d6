"""rules.yaml is edited on disk while deliveries come: each is answered, all is derived again by itself, and it is what a rebuild gives.

`make endure` (ENDURE=1) takes 40,000 changes on both engines; `make bench BARS=P13-rules` a million, beside the same at rest.
"""

import os
import threading
import time
from pathlib import Path

import pytest

from benchmarks.many_changes import SHORT, Size, fill
from bot.store.opening import open_store
from tests.pipeline.test_many_marks import derived
from tests.support.server import Served, pull_request_body, rows, served, until

ENDURE = bool(os.environ.get("ENDURE"))
SIZE = SHORT if ENDURE else Size(repositories=2, pull_requests=60)
PAUSE = 0.005 if ENDURE else 0.05
"""Seconds between deliveries."""
RULES = "version: 1\nstatic:\n  - {id: urgent, field: commit_message, pattern: '^(?:Urgent|Add)'}\n"


@pytest.mark.endure
def test_rules_are_edited_under_load(store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(store_url)
    store.migrate()
    fill(store, SIZE)
    store.close()
    before = _kept(store_url)
    with served(store_url, tmp_path) as server:
        _until_derived(store_url)
        load = _Load(server)
        begun = time.monotonic()
        (tmp_path / "definitions" / "rules.yaml").write_text(RULES)
        until(lambda: rows(store_url, "SELECT 1 FROM remediation WHERE rule = 'urgent'"), seconds=600, pause=0.1)
        _until_derived(store_url)
        seconds = time.monotonic() - begun
        took = load.stop()
        _until_derived(store_url)
        edited = _kept(store_url)
        assert server.run("rebuild").returncode == 0
    assert edited != before
    assert _kept(store_url) == edited
    with capsys.disabled():
        p99 = sorted(took)[len(took) * 99 // 100]
        print(
            f"\nedited rules: {SIZE.changes:,} changes derived again after {seconds:.1f} s; {len(took):,} deliveries, "
            f"p99 {p99 * 1_000:.0f} ms, worst {max(took) * 1_000:.0f} ms"
        )
    assert max(took) < 10


class _Load:
    """Deliveries one after the other, until it is stopped."""

    def __init__(self, server: Served) -> None:
        self._server, self._took = server, list[float]()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._deliver, daemon=True)
        self._thread.start()

    def _deliver(self) -> None:
        while not self._ended.wait(PAUSE):
            answer = self._server.deliver("pull_request", pull_request_body(len(self._took) % 400 + 1), key=f"load {len(self._took)}")
            self._took.append(answer.seconds if answer.status == 202 else float("inf"))

    def stop(self) -> list[float]:
        """Seconds that each waited; one that was not taken waited for ever."""
        self._ended.set()
        self._thread.join()
        return self._took


def _until_derived(url: str) -> None:
    until(lambda: rows(url, "SELECT count(*) FROM mark WHERE stage <> 'repository'") == [(0,)], seconds=600, pause=0.1)


def _kept(url: str) -> dict[str, list[tuple[object, ...]]]:
    """What is derived, but of the repository whose pull requests are delivered."""
    found = derived(url)
    found.pop("mark")
    return {
        table: [row for row in kept if table not in {"pull_request_flag", "landing", "introduced"} or row[0] <= SIZE.repositories]
        for table, kept in found.items()
    }
