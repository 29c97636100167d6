"""Pages that a forge answered: recorded as the events they are, together with how far the errand is."""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import NamedTuple

import structlog

from bot.dora.events import DeploymentSeen, ForgeEvent, IssueSeen, PullRequestSeen, ReleaseSeen
from bot.dora.instants import Instant
from bot.facts.errands import (
    ISSUES,
    PULL_REQUESTS,
    REPOSITORIES,
    Errand,
    advance_errand,
    owner_of,
    retry_refused,
    want_errand,
)
from bot.forges.client import RepositoryKey
from bot.pipeline.forge_backfill import issue_sources
from bot.pipeline.recording import record_events
from bot.store import Reader, Store, StoreError, StoreUnavailableError, Writer

log = structlog.get_logger(__name__)

SLICE = 25
"""Events per transaction: a pull request is a row, its mark, and the marks of those it may decide."""
WELCOME = 100
"""Repositories welcomed per transaction."""


class _Asked(NamedTuple):
    name: str
    forge_id: str
    installation_id: str


class _Welcome(NamedTuple):
    id: int
    name: str


def load_repository_key(reader: Reader, repository_id: int) -> RepositoryKey | None:
    """What to ask a forge with about a repository; `None` when it is not known."""
    rows = reader.fetch("repository_to_ask", _Asked, id=repository_id)
    if not rows:
        return None
    return RepositoryKey(
        path=rows[0].name.partition("/")[2], forge_id=rows[0].forge_id, installation_id=rows[0].installation_id
    )


def record_page(
    store: Store, *, errand: Errand, events: Sequence[ForgeEvent], cursor: str, total: int | None, clock: Callable[[], Instant]
) -> Generator[None, None, None]:
    """Record a page in slices; the last one also moves the errand on. Can be repeated after a crash."""
    done = sum(isinstance(event, PullRequestSeen | ReleaseSeen | IssueSeen) for event in events)
    done += len({event.forge_id for event in events if isinstance(event, DeploymentSeen)})

    def move(writer: Writer) -> None:
        advance_errand(writer, errand, cursor=cursor, done=done, total=total, now=clock())

    last = max(len(events) - 1, 0) // SLICE * SLICE
    for start in range(0, last, SLICE):
        _record_slice(store, events[start : start + SLICE], _stay, urgent=errand.urgent, clock=clock)
        yield
    _record_slice(store, events[last:], move, urgent=errand.urgent, clock=clock)
    if errand.kind == REPOSITORIES and not cursor:
        yield
        yield from _welcome(store, errand, clock)


def _stay(_: Writer) -> None:
    """More of the page is to come."""


def _record_slice(
    store: Store,
    events: Sequence[ForgeEvent],
    move: Callable[[Writer], None],
    *,
    urgent: bool,
    clock: Callable[[], Instant],
) -> None:
    """One event that no store can keep does not hold up all that come after it."""

    def record(writer: Writer, part: Sequence[ForgeEvent]) -> None:
        record_events(writer, part, now=clock())

    def record_all(writer: Writer) -> None:
        record(writer, events)
        move(writer)

    try:
        store.write(record_all, urgent=urgent)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        log.warning("page is recorded event by event", error=str(error))
        for event in events:
            _record_alone(store, event, record, urgent=urgent)
        store.write(move, urgent=urgent)


def _record_alone(
    store: Store, event: ForgeEvent, record: Callable[[Writer, Sequence[ForgeEvent]], None], *, urgent: bool
) -> None:
    try:
        store.write(lambda writer: record(writer, [event]), urgent=urgent)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        log.warning("event of a page cannot be stored", kind=type(event).__name__, error=str(error))


def _welcome(store: Store, errand: Errand, clock: Callable[[], Instant]) -> Generator[None, None, None]:
    """Ask for the pull requests of repositories that are new to us, and for their issues where these may be failures."""
    store.write(lambda writer: _settle_access(writer, errand, now=clock()))
    has_issues = store.read(lambda reader: bool(issue_sources(reader, [errand.forge])))
    for kind in (PULL_REQUESTS, ISSUES) if has_issues else (PULL_REQUESTS,):
        work = partial(_welcome_some, forge=errand.forge, kind=kind, clock=clock)
        while store.write(work, urgent=False) == WELCOME:
            yield


def _settle_access(writer: Writer, errand: Errand, *, now: Instant) -> None:
    writer.execute("drop_errands_of_absent", forge=errand.forge)
    if errand.urgent:
        # An event about the installation asked for this list: what it may do can have changed.
        retry_refused(writer, forge=errand.forge, now=now)


def _welcome_some(writer: Writer, *, forge: str, kind: str, clock: Callable[[], Instant]) -> int:
    new, now = writer.fetch("repositories_to_welcome", _Welcome, forge=forge, kind=kind, n=WELCOME), clock()
    for row in new:
        want_errand(writer, kind=kind, forge=forge, owner=owner_of(row.name), repository_id=row.id, now=now)
    return len(new)
