"""The engine's work done inside a command that owns the store: no child, no server."""

import asyncio
from collections.abc import Callable, Collection

from bot.credentials import Credentials
from bot.dora.events import ForgeEvent
from bot.engine.clients import ForgeClients
from bot.engine.clock import now
from bot.engine.correspondent import Correspondent
from bot.engine.engine import JobError
from bot.engine.fetcher import Fetcher
from bot.engine.uploader import Uploader
from bot.engine.worker import Worker
from bot.facts.errands import Errand
from bot.pipeline.api_history import ApiHistory
from bot.pipeline.mirror import Fetched
from bot.settings import Settings
from bot.store import Store

IDLE = 0.1
"""Seconds between looks at errands that are not due yet."""


class Inline:
    """Does jobs at once, and what they made due."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store, self.settings = store, settings
        self.worker = Worker(store, settings, clock=now)
        self.clients = ForgeClients(store, settings, Credentials(settings), clock=now)
        self.fetcher = Fetcher(
            store, settings, self._ingest, clock=now, access=self.clients.git_access,
            api=ApiHistory(store, settings, self.clients, clock=now),
        )
        self.uploader = Uploader(store, settings, self._ingest, clock=now, running=self.fetcher.running)
        self.correspondent = Correspondent(store, clients=self.clients, record=self._record_page, clock=now)
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
            while await self.uploader.take_next():
                pass
            await self._work_until(lambda: False)
            if not await self.fetcher.start_due() and not self.fetcher.running:
                return
            await self.fetcher.drain()

    async def correspond(self, keys: Collection[str]) -> None:
        """Carry out these errands as far as they are due."""
        await self.correspondent.start_due(only=keys)
        running = list(self.correspondent.running.values())
        if running:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(IDLE)

    async def close(self) -> None:
        """End what runs, and the connections."""
        await self.fetcher.stop()
        await self.correspondent.stop()
        await self.clients.close()

    async def _work_until(self, done: Callable[[], bool]) -> None:
        # Two fetches may end at the same time; the worker does one thing after the other.
        async with self.turn:
            await asyncio.to_thread(self._until, done)

    def _until(self, done: Callable[[], bool]) -> None:
        while not done() and self.worker.step():
            pass

    async def _ingest(self, fetched: Fetched) -> object:
        return await self.run("ingest", progress=self.progress, fetched=fetched)

    async def _record_page(
        self, errand: Errand, events: tuple[ForgeEvent, ...], cursor: str, total: int | None
    ) -> object:
        return await self.run("record_page", errand=errand, events=events, cursor=cursor, total=total)
