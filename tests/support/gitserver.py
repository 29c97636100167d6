"""The stand-ins' git server for as long as a test uses it, in this event loop or in a thread of its own."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from bot.standins.git_server import GitServer


@asynccontextmanager
async def git_server(root: Path) -> AsyncIterator[GitServer]:
    """A running server, in this event loop."""
    server = GitServer(root)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextmanager
def git_server_thread(root: Path) -> Iterator[GitServer]:
    """A running server in a thread of its own, for tests without an event loop."""
    ready: list[GitServer] = []
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with git_server(root) as server:
            ready.append(server)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
