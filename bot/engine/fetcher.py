"""Fetches what is wanted from repositories' remotes: subprocesses of this process, so that a slow host never holds the child.

At most one fetch runs per repository; wishes that come meanwhile wait in table `fetch` and become one next fetch.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from bot.dora.instants import Instant
from bot.pipeline import mirror
from bot.settings import Settings
from bot.store import Store, StoreError

log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Fetches running at the same time; a fetch is mostly waiting, its git processes share the machine with the child."""

Ingest = Callable[[mirror.Fetched], Awaitable[object]]


class Fetcher:
    """Starts due fetches and hands what they brought to `ingest`."""

    def __init__(
        self, store: Store, settings: Settings, ingest: Ingest, *, clock: Callable[[], Instant], access: mirror.Access
    ) -> None:
        self.store, self.settings, self.ingest, self.clock, self.access = store, settings, ingest, clock, access
        self.running: dict[int, asyncio.Task[None]] = {}
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.wanted = asyncio.Event()

    async def run(self) -> None:
        """Serve wishes until cancelled."""
        while True:
            try:
                await self.start_due()
            except StoreError as error:
                log.warning("store unavailable", error=str(error))
                await asyncio.sleep(1.0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.wanted.wait(), 1.0)
            self.wanted.clear()

    async def start_due(self) -> bool:
        """Start a fetch for each repository that has due wishes and none running; whether any was started."""
        due = await self.store.read_async(lambda reader: mirror.due_fetches(reader, now=self.clock()))
        wishes: dict[int, list[mirror.Wish]] = defaultdict(list)
        for wish in due:
            if wish.repository_id not in self.running:
                wishes[wish.repository_id].append(wish)
        for repository_id, group in wishes.items():
            self.running[repository_id] = asyncio.create_task(self._fetch(repository_id, group))
        return bool(wishes)

    async def drain(self) -> None:
        """Fetch until nothing is due and nothing runs."""
        while await self.start_due() or self.running:
            await asyncio.gather(*self.running.values())

    async def stop(self) -> None:
        """End what runs; its wishes stay."""
        for task in list(self.running.values()):
            task.cancel()
        await asyncio.gather(*self.running.values(), return_exceptions=True)

    async def _fetch(self, repository_id: int, wishes: list[mirror.Wish]) -> None:
        try:
            async with self.slots:
                fetched = await mirror.fetch(
                    self.store, self.settings, repository_id, wishes, clock=self.clock, access=self.access
                )
            if fetched is not None:
                await self.ingest(fetched)
        except Exception as error:  # noqa: BLE001 - whatever it was, it becomes a visible state with a next try
            text = f"{error}"[:500]
            log.warning("fetch failed", repository=repository_id, kind=type(error).__name__, error=text)
            with suppress(StoreError):
                # Else the wishes stay due: they are tried again when the store is back.
                await self.store.write_async(
                    lambda writer: mirror.record_fetch_failure(writer, wishes, error=text, now=self.clock())
                )
        finally:
            self.running.pop(repository_id, None)
            self.wanted.set()
