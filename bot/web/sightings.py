"""Sightings on their way into the store: what is there already costs nothing, and what is new is written once, in groups.

A body of telemetry is answered when all it shows is durable. The memory of what is durable is a saving only: whatever it has
forgotten, or another process wrote, is written again and changes nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from bot.dora.instants import DAY, Instant
from bot.dora.telemetry import Sighting
from bot.facts.telemetry import Kept, VersionKey, VersionRow, days_of, key_of, record_sightings, seen_first
from bot.store import Store
from bot.web.auth import PATIENCE
from bot.web.errors import unavailable

REMEMBERED = 20_000
"""Versions, and days of versions."""
TOGETHER = 500
"""Sightings per transaction, about."""


@dataclass
class _Group:
    """Sightings that go into one transaction."""

    sightings: list[Sighting] = field(default_factory=list)
    written: "asyncio.Task[None] | None" = None


class Recorder:
    """Keeps sightings for all requests of one process."""

    def __init__(self, store: Store, *, clock: Callable[[], Instant], wake: Callable[[str], None]) -> None:
        self._store, self._clock, self._wake = store, clock, wake
        self._versions: dict[VersionKey, VersionRow] = {}
        self._minutes: dict[tuple[VersionKey, int], int] = {}
        self._refused: tuple[int, set[VersionKey]] = (0, set())
        self._group: _Group | None = None
        self._writing = asyncio.Lock()

    async def keep(self, sightings: Sequence[Sighting]) -> list[str]:
        """Make sightings durable; how each was taken ("known", "stored", "full"). Raises HttpError 503 and StoreError."""
        new = [one for one in sightings if self._is_new(one)]
        if new:
            try:
                async with asyncio.timeout(PATIENCE):
                    await asyncio.shield(self._join(new))
            except TimeoutError:
                raise unavailable("store_unavailable", "The store does not answer. Try again.") from None
        stored, full = {key_of(one) for one in new}, self._refused_today()
        return ["full" if key in full else "stored" if key in stored else "known" for key in map(key_of, sightings)]

    def _is_new(self, one: Sighting) -> bool:
        key = key_of(one)
        if key in self._refused_today():
            return False
        row = self._versions.get(key)
        if row is None or seen_first(row, one) != row:
            return True
        return any(bits & ~self._minutes.get((key, day), 0) for day, bits in days_of(one).items())

    def _refused_today(self) -> set[VersionKey]:
        today = self._clock() // DAY
        if self._refused[0] != today:
            self._refused = (today, set())
        return self._refused[1]

    def _join(self, new: Sequence[Sighting]) -> "asyncio.Task[None]":
        """The task after which these are durable."""
        group = self._group
        if group is None or group.written is None or len(group.sightings) >= TOGETHER:
            group = self._group = _Group()
            group.written = asyncio.create_task(self._write(group))
            group.written.add_done_callback(_seen_to)
        group.sightings += new
        return group.written

    async def _write(self, group: _Group) -> None:
        async with self._writing:
            if self._group is group:
                self._group = None
            now = self._clock()
            kept = await self._store.write_async(lambda writer: record_sightings(writer, group.sightings, now=now))
        self._remember(kept)
        self._wake("marks")

    def _remember(self, kept: Kept) -> None:
        self._refused_today().update(kept.refused)
        self._versions.update(kept.versions)
        self._minutes.update(kept.minutes)
        for known in (self._versions, self._minutes, self._refused[1]):
            if len(known) > REMEMBERED:
                known.clear()


def _seen_to(task: "asyncio.Task[None]") -> None:
    """Whoever waits hears of a failure; nobody may be left to wait."""
    if not task.cancelled():
        task.exception()


RECORDER: web.AppKey[Recorder] = web.AppKey("recorder", Recorder)
