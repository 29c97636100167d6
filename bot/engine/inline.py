"""The engine's work done inside a command that owns the store: no child, no server."""

import asyncio
from collections.abc import Callable

from bot.engine.clock import now
from bot.engine.engine import JobError
from bot.engine.fetcher import Fetcher
from bot.engine.worker import Worker
from bot.pipeline.mirror import Fetched, settings_access
from bot.settings import Settings
from bot.store import Store


class Inline:
    """Does jobs at once, and what they made due."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store, self.settings = store, settings
        self.worker = Worker(store, settings, clock=now)
        self.fetcher = Fetcher(store, settings, self._ingest, clock=now, access=settings_access(settings))
        self.turn = asyncio.Lock()
        self.progress: Callable[[str], None] = lambda _: None

    async def run(self, command: str, *, progress: Callable[[str], None] = lambda _: None, **arguments: object) -> object:
        """Do a job to its end; JobError if it fails."""
        ended: list[tuple[object, str | None]] = []
        self.worker.start(command, arguments, progress, lambda result, error: ended.append((result, error)))
        await self._work_until(lambda: bool(ended))
        result, error = ended[0]
        if error is not None:
            raise JobError(error)
        return result

    async def settle(self, progress: Callable[[str], None]) -> None:
        """Work until nothing is due: deliveries, fetches, derivation."""
        self.progress = progress
        while True:
            await self._work_until(lambda: False)
            if not await self.fetcher.start_due() and not self.fetcher.running:
                return
            await self.fetcher.drain()

    async def _work_until(self, done: Callable[[], bool]) -> None:
        # Two fetches may end at the same time; the worker does one thing after the other.
        async with self.turn:
            await asyncio.to_thread(self._until, done)

    def _until(self, done: Callable[[], bool]) -> None:
        while not done() and self.worker.step():
            pass

    async def _ingest(self, fetched: Fetched) -> object:
        return await self.run("ingest", progress=self.progress, fetched=fetched)
