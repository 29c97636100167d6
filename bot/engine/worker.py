"""The work itself: intake, derivation and long jobs, taking turns so that nothing waits for something long.

The same worker runs in the engine's child and, without a server, inside a command that owns the store.
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import structlog

from bot.dora.instants import HOUR, SECOND, Instant
from bot.facts.names import record_web_roots
from bot.pipeline import backfill, catalog, correspondence, derive, ingest, intake, retention
from bot.pipeline.history import HistoryCache
from bot.settings import Settings
from bot.store import Reader, Store

log = structlog.get_logger(__name__)

Progress = Callable[[str], None]
Done = Callable[[object, str | None], None]
Job = Iterator[object]


class Worker:
    """Does what is due, one small step at a time."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        clock: Callable[[], Instant],
        claimed: Callable[[tuple[int, ...]], None] = lambda _: None,
    ) -> None:
        self.store, self.settings, self.clock, self.claimed = store, settings, clock, claimed
        self.deriver = derive.Deriver(
            store, HistoryCache(), limits=derive.limits_of(settings), clock=clock, options=derive.options_of(settings)
        )
        self.origin = intake.origin_of(settings)
        self.jobs: deque[tuple[Job, Done]] = deque()
        self.next_retention = clock()
        self.derive_from: Instant = 0

    def start(self, command: str, arguments: dict[str, object], progress: Progress, done: Done) -> None:
        """Queue a job; `done(result, error)` is called when it ends."""
        job = COMMANDS[command](self, progress=progress, **arguments)
        self.jobs.append((job, done))

    def step(self) -> bool:
        """Do a little of each kind of work that is due; whether there was any."""
        busy = self._intake()
        busy = self._derive(behind=busy) or busy
        busy = self._advance() or busy
        self._retain()
        return busy

    def due_at(self) -> Instant | None:
        """When the next postponed work is due."""

        def work(reader: Reader) -> Instant | None:
            rows = reader.fetch("next_delivery_at", _same) + reader.fetch("next_mark_at", _same)
            return min((at for at in rows if at is not None), default=None)

        return self.store.read(work)

    def _intake(self) -> bool:
        claims = self.store.read(partial(intake.due_deliveries, now=self.clock()))
        if not claims:
            return False
        self.claimed(tuple(claim.id for claim in claims))
        try:
            intake.process_deliveries(self.store, claims, now=self.clock, origin=self.origin)
        finally:
            self.claimed(())
        return True

    def _derive(self, *, behind: bool) -> bool:
        """Derive something; while deliveries wait, no more than about a quarter of the time."""
        begun = self.clock()
        if behind and begun < self.derive_from:
            return True
        found = self.deriver.derive_next()
        ended = self.clock()
        self.derive_from = ended + 3 * (ended - begun)
        return found

    def _advance(self) -> bool:
        if not self.jobs:
            return False
        job, done = self.jobs[0]
        try:
            next(job)
        except StopIteration as end:
            self.jobs.popleft()
            done(end.value, None)
        except Exception as error:  # noqa: BLE001 - the one blind except: it records, and the others go on
            self.jobs.popleft()
            log.warning("job failed", error=f"{type(error).__name__}: {error}"[:500])
            done(None, str(error) or type(error).__name__)
        else:
            self.jobs.rotate(-1)
        return True

    def _retain(self) -> None:
        if (now := self.clock()) >= self.next_retention:
            self.next_retention = now + HOUR
            self.jobs.append((retention.forget(self.store, self.settings, now=now), _nobody_waits))


def _nobody_waits(result: object, error: str | None) -> None:
    """A job of the worker's own; what went wrong is logged, and it comes again."""


def _same(value: Instant | None) -> Instant | None:
    return value


def _ingest(worker: Worker, *, progress: Progress, **arguments: object) -> Job:
    return ingest.run(worker.store, progress=progress, clock=worker.clock, **arguments)  # type: ignore[arg-type]


def _catalog(worker: Worker, *, progress: Progress, folder: str) -> Job:
    read = catalog.read_catalog(Path(folder))
    worker.store.write(partial(record_web_roots, roots=worker.settings.web_roots))
    worker.store.write(partial(catalog.record_catalog, catalog=read, received_at=worker.clock()))
    progress(f"{len(read.definitions)} definitions")
    yield None


def _rebuild(worker: Worker, *, progress: Progress) -> Job:
    return derive.rebuild(worker.store, progress=progress)


def _replay(worker: Worker, *, progress: Progress, ids: list[int]) -> Job:
    return intake.replay(worker.store, ids, now=worker.clock(), progress=progress)


def _backfill(worker: Worker, *, progress: Progress, **arguments: object) -> Job:
    return backfill.backfill(worker.store, progress=progress, clock=worker.clock, **arguments)  # type: ignore[arg-type]


def _backfill_forget(worker: Worker, *, progress: Progress, **arguments: object) -> Job:
    return backfill.forget(worker.store, progress=progress, **arguments)  # type: ignore[arg-type]


def _record_page(worker: Worker, *, progress: Progress, **arguments: object) -> Job:
    return correspondence.record_page(worker.store, clock=worker.clock, **arguments)  # type: ignore[arg-type]


COMMANDS: dict[str, Callable[..., Job]] = {
    "ingest": _ingest,
    "catalog": _catalog,
    "rebuild": _rebuild,
    "replay": _replay,
    "backfill": _backfill,
    "backfill.forget": _backfill_forget,
    "record_page": _record_page,
}
IDLE_WAIT = SECOND
