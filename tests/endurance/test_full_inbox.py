"""A start with a full inbox: the first answer does not wait for the backlog, and the backlog is worked off.

`make endure` (ENDURE=1) starts with 50,000 deliveries.
"""

import asyncio
import os
import time
from pathlib import Path

import pytest

from bot.store import Receipt
from bot.store.opening import open_store
from tests.support.server import pull_request_body, rows, served, until

PENDING = 50_000 if os.environ.get("ENDURE") else 2_000
WAITING = "SELECT count(*) FROM inbox WHERE state IN ('received', 'failed')"


@pytest.mark.endure
def test_a_start_with_a_full_inbox(store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(_fill(store_url))
    with served(store_url, tmp_path, start=False) as server:
        begun = time.monotonic()
        started = server.start()
        answer = server.deliver("ping", b'{"zen": "."}', key="first")
        first = time.monotonic() - begun
        assert answer.status == 202
        until(lambda: rows(store_url, WAITING) == [(0,)], seconds=PENDING / 100 + 30, pause=0.1)
        drained = time.monotonic() - begun - first
        assert rows(store_url, "SELECT state, count(*) FROM inbox GROUP BY state ORDER BY state") == [("done", PENDING), ("ignored", 1)]
        assert server.ready() == 200
    with capsys.disabled():
        print(
            f"\nfull inbox: {PENDING:,} pending, listening after {started:.2f} s, first acknowledged after {first:.2f} s, "
            f"drained in {drained:.1f} s ({PENDING / drained:,.0f}/s)"
        )
    assert first < 20


async def _fill(url: str) -> None:
    store = open_store(url)
    store.migrate()
    for first in range(0, PENDING, 1_000):
        await asyncio.gather(*(store.append(_receipt(number)) for number in range(first, first + 1_000)))
    store.close()


def _receipt(number: int) -> Receipt:
    body = pull_request_body(number % 500 + 1)
    return Receipt(source="github", key=f"key {number}", event="pull_request", received_at=time.time_ns(), headers={}, body=body)
