"""How the loops of a server wait for work."""

import asyncio
from contextlib import suppress


async def heard(event: asyncio.Event, *, within: float) -> None:
    """Wait until the event is set, at most so many seconds, and clear it."""
    # Not `asyncio.wait_for`: in Python 3.11 it loses a cancellation that comes together with the event, and the loop never ends.
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            await event.wait()
    event.clear()
