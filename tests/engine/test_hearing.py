"""A loop that waits for work ends when it is cancelled, also in the moment in which there is work."""

import asyncio
import time

import pytest

from bot.engine.hearing import heard


@pytest.mark.parametrize("steps", range(6))
async def test_a_cancellation_is_never_lost(steps: int) -> None:
    event = asyncio.Event()
    turns = 0

    async def loop() -> None:
        nonlocal turns
        while True:
            await heard(event, within=60)
            turns += 1

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    event.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    assert done, f"it went on after {turns} turns"
    assert task.cancelled()


async def test_it_waits_until_the_event_or_the_time() -> None:
    event = asyncio.Event()
    begun = time.monotonic()
    await heard(event, within=0.05)
    assert time.monotonic() - begun > 0.04
    event.set()
    await heard(event, within=60)
    assert not event.is_set()
