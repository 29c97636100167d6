"""Fetches what is wanted from repositories' remotes: subprocesses of this process, so that a slow host never holds the child.

Rules:
- At most one fetch runs per repository; wishes that come meanwhile wait in table `fetch` and become one next fetch.
- Branches and tags go first, then whole repositories, then the heads of merged pull requests, HEADS_AT_ONCE in one call of git.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from bot import git
from bot.dora.instants import Instant
from bot.engine.hearing import heard
from bot.forges.client import NotAllowedError, NotThereError
from bot.pipeline import mirror
from bot.pipeline.api_history import ApiHistory
from bot.settings import Settings
from bot.store import Store, StoreError

log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Fetches running at the same time; a fetch is mostly waiting, its git processes share the machine with the child."""

HEADS_AT_ONCE = 200
"""Heads of pull requests in one fetch: a live push to the same repository waits no longer than that."""

LOOK_AT_DEFINITIONS = 5.0
"""Seconds between looks whether services claim other folders of repositories that are read by API."""

REFUSALS = (git.RemoteRefusedError, git.RemoteNotFoundError, NotAllowedError, NotThereError)
"""Errors after which nothing but other credentials helps."""

Ingest = Callable[[mirror.Fetched], Awaitable[object]]


class Fetcher:
    """Starts due fetches and hands what they brought to `ingest`."""

    def __init__(
        self, store: Store, settings: Settings, ingest: Ingest, *, clock: Callable[[], Instant], access: mirror.Access,
        api: ApiHistory | None = None,
    ) -> None:  # fmt: skip
        self.store, self.settings, self.ingest, self.clock, self.access = store, settings, ingest, clock, access
        self.api = api
        self.looked_at = 0.0
        self.running: dict[int, asyncio.Task[None]] = {}
        self.fetching = 0
        self.wanted = asyncio.Event()

    async def run(self) -> None:
        """Serve wishes until cancelled."""
        while True:
            try:
                await self._look_at_definitions()
                await self.start_due()
            except StoreError as error:
                log.warning("store unavailable", error=str(error))
                await asyncio.sleep(1.0)
            await heard(self.wanted, within=1.0)

    async def _look_at_definitions(self) -> None:
        """Histories by API hold of older commits only what services claimed when they were read."""
        if self.api is not None and time.monotonic() - self.looked_at > LOOK_AT_DEFINITIONS:
            self.looked_at = time.monotonic()
            await self.api.look_at_definitions()

    async def start_due(self) -> bool:
        """Start fetches of repositories that have due wishes and none running, as many as may run; whether there may be more."""
        running = set(self.running)
        due = await self.store.read_async(lambda reader: mirror.due_fetches(reader, now=self.clock()))
        groups: dict[int, list[mirror.Wish]] = defaultdict(list)
        for wish in due:
            # One that ran while the wishes were read may have carried them out since.
            if wish.repository_id not in running and wish.repository_id not in self.running:
                groups[wish.repository_id].append(wish)
        fetches = sorted(map(_first_of, groups.values()), key=lambda wishes: min(map(_rank, wishes)))
        started = fetches[: max(AT_ONCE - self.fetching, 0)]
        for wishes in started:
            self.fetching += 1
            number = wishes[0].repository_id
            self.running[number] = asyncio.create_task(self._fetch(number, wishes))
        return bool(started) or any(wish.repository_id in running - self.running.keys() for wish in due)

    async def drain(self) -> None:
        """Fetch until nothing is due and nothing runs."""
        while await self.start_due() or self.running:
            if self.running:
                await asyncio.wait(self.running.values(), return_when=asyncio.FIRST_COMPLETED)

    async def stop(self) -> None:
        """End what runs; its wishes stay."""
        for task in list(self.running.values()):
            task.cancel()
        await asyncio.gather(*self.running.values(), return_exceptions=True)

    async def _fetch(self, repository_id: int, wishes: list[mirror.Wish]) -> None:
        try:
            fetched = await self._bring(repository_id, wishes)
            if fetched is not None:
                await self.ingest(fetched)
        except Exception as error:  # noqa: BLE001 - whatever it was, it becomes a visible state with a next try
            text, refused = f"{error}"[:500], isinstance(error, REFUSALS)
            log.warning("fetch failed", repository=repository_id, kind=type(error).__name__, error=text)
            with suppress(StoreError):
                # Else the wishes stay due: they are tried again when the store is back.
                await self.store.write_async(
                    lambda writer: mirror.record_fetch_failure(
                        writer, wishes, error=text, now=self.clock(), refused=refused
                    )
                )
        finally:
            self.running.pop(repository_id, None)
            self.wanted.set()

    async def _bring(self, repository_id: int, wishes: list[mirror.Wish]) -> mirror.Fetched | None:
        try:
            return await mirror.fetch(
                self.store, self.settings, repository_id, wishes, clock=self.clock, access=self.access
            )
        except git.RemoteRefusedError as error:
            fetched = None if self.api is None else await self.api.fetch(repository_id, wishes, reason=f"{error}"[:300])
            if fetched is None:
                raise
            return fetched
        finally:
            self.fetching -= 1
            self.wanted.set()


def _rank(wish: mirror.Wish) -> int:
    """What goes first: 0 what somebody pushed, 1 everything of a repository, 2 heads of merged pull requests."""
    if wish.ref == mirror.EVERYTHING:
        return 1
    return 0 if wish.ref.startswith(("refs/heads/", "refs/tags/")) else 2


def _first_of(wishes: list[mirror.Wish]) -> list[mirror.Wish]:
    """What of a repository is fetched in one go."""
    rank = min(map(_rank, wishes))
    if rank == 2:
        return wishes[:HEADS_AT_ONCE]
    return [wish for wish in wishes if _rank(wish) < 2]
