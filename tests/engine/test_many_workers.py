"""PostgreSQL: processes that receive and processes that work, side by side."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.support.crash_server import EFFECT
from tests.support.server import Served, pull_request_body, rows, served, until

DELIVERIES = 200


@pytest.mark.parametrize("engine", ["postgres"])
def test_web_and_two_workers(store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workers: list[subprocess.Popen[bytes]] = []
    with served(store_url, tmp_path, program=("tests.support.crash_server",), start=False) as web:
        try:
            web.start("web")
            for number in range(DELIVERIES):
                assert web.deliver("pull_request", pull_request_body(number % 40 + 1)).status == 202
            assert {row["state"] for row in web.get("/api/v1/deliveries?limit=1000")["data"]} == {"received"}
            workers += [web.spawn("worker"), web.spawn("worker")]
            until(lambda: _states(web) == {"done"}, seconds=120, pause=0.1)
            for number in range(DELIVERIES):
                assert web.deliver("pull_request", pull_request_body(number % 40 + 1)).status == 202
            acknowledged = time.monotonic()
            until(lambda: _states(web) == {"done"}, seconds=120)
            after = time.monotonic() - acknowledged

            # What a worker derives is seen through the process that only receives and answers.
            now = int(time.time())
            deployed = web.deploy(service="shop", version="1", started_at=now - 9, finished_at=now - 5)
            assert deployed.status == 200
            begun = time.monotonic()
            until(lambda: not rows(store_url, "SELECT key FROM mark"), seconds=60)
            derived = time.monotonic() - begun
            for worker in workers:
                worker.terminate()
            assert [worker.wait(20) for worker in workers] == [0, 0]
            assert web.stop()[0] == 0
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
    effects = rows(store_url, f"SELECT next FROM sequence WHERE name >= '{EFFECT}' AND name < 'effect;'")
    assert effects == [(2,)] * 2 * DELIVERIES, "each delivery took effect once"
    with capsys.disabled():
        print(f"\nworkers: the last of {DELIVERIES} deliveries done {after:.2f} s later, a deployment derived after {derived:.2f} s")


def _states(web: Served) -> set[str]:
    return {row["state"] for row in web.get("/api/v1/deliveries?limit=1000")["data"]}

