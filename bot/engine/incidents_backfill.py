"""`backfill --incidents-from`: the incidents of the past two years, out of the original's API or another Rollforward's.

Rules:
- A page is recorded in one transaction as soon as it is read, so that what was read stays, and a repetition changes nothing.
- Where the list leaves out how long an incident was in each state, the search is asked for that once, before anything is recorded.
- The list ends with an empty page, or one that tells nothing new: servers limit the size of a page as they like.
- What tells of a time that has not come is refused, as it is by API, and spares the others.
- Whatever the server tells, what is held of it is limited. Who asked and went away ends it: what was recorded stays.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Final, Protocol

from bot.answers.sources import find_source
from bot.dora.incidents import SOURCE
from bot.dora.instants import DAY, Instant, lies_ahead
from bot.engine.incidents_client import IncidentsApiError, IncidentsClient, RefusedError, origin_of
from bot.facts.incident_imports import IncidentImport, Outcome, import_incident
from bot.facts.sources import select_source
from bot.sources.incidents_api import (
    IncidentsTold,
    IncidentTold,
    PageError,
    Period,
    parse_incidents,
    parse_search,
    said_by,
)
from bot.store import Store, Writer

REACH: Final = 2 * 365 * DAY
LIST, SEARCH = "/api/v2/incidents", "/api/v2/incidents/search"
EVERY_STATE: Final = "state:(active OR stable OR resolved)"
NAMED: Final = 20
"""So many incidents that could not be read are named."""
MOST_PAGES: Final = 10_000
MOST_TOLD: Final = 1_000_000
"""Incidents, and periods of theirs; both are far beyond what people declare in two years."""

Periods = Mapping[str, Sequence[Period]]


class Asking(Protocol):
    """What asks for pages."""

    async def page(self, path: str, *, offset: int, **parameters: str) -> bytes: ...


async def backfill_incidents(
    store: Store, *, url: str, api_key: str, app_key: str, progress: Callable[[str], None], clock: Callable[[], Instant]
) -> dict[str, object]:
    """Bring in the incidents of another server, and turn their source on; raises IncidentsApiError."""
    if not api_key or not app_key:
        raise IncidentsApiError("an API key and an application key are needed: DD_API_KEY and DD_APP_KEY")
    client = IncidentsClient(origin_of(url), api_key=api_key, app_key=app_key, progress=progress, clock=clock)
    try:
        told = await bring_in(store, client, progress=progress, clock=clock)
    finally:
        await client.close()
    return {"from": client.origin, **told}


async def bring_in(
    store: Store, client: Asking, *, progress: Callable[[str], None], clock: Callable[[], Instant]
) -> dict[str, object]:
    """Read all pages and record what they tell; raises IncidentsApiError."""
    asked_at = clock()
    counts: Counter[str] = Counter()
    errors: dict[str, str] = {}
    periods: Periods | None = None
    async for page in _pages(client, LIST, parse_incidents):
        recent = [one for one in page.incidents if one.created_at >= asked_at - REACH]
        if periods is None and any(one.periods is None for one in recent):
            periods = await _periods(client, progress=progress)
        counts += Counter(read=page.count, older=len(page.incidents) - len(recent))
        imports = [_import(one, periods, asked_at=asked_at) for one in recent]
        ahead = {one.id for one in imports if _lies_ahead(one, now=asked_at)}
        recent = [one for one in recent if one.id not in ahead]
        unread = [*page.unread, *((id, "it tells of a time that has not come") for id in sorted(ahead))]
        counts += Counter(tests=sum(one.said.is_test is True for one in recent))
        counts += Counter(without_periods=sum(_periods_of(one, periods) is None for one in recent))
        counts += Counter(unread=len(unread))
        errors |= dict(unread[: NAMED - len(errors)])
        work = partial(_record, [one for one in imports if one.id not in ahead])
        counts += Counter(outcome.value for outcome in await store.write_async(work, urgent=False))
        progress(f"{counts['read']:,} incidents read, {counts['new']:,} of them new")
    await store.write_async(partial(_select, at=clock()))
    source = await store.read_async(lambda reader: find_source(reader, "failures", SOURCE))
    names = ("read", *Outcome, "older", "tests", "without_periods", "unread")
    return {
        **{name: counts[name] for name in names}, "errors": errors, "source": SOURCE, "kept": source.kept,
        "counted": source.counted,
    }  # fmt: skip


async def _pages(client: Asking, path: str, parse: Callable[[bytes], IncidentsTold], **parameters: str) -> AsyncIterator[IncidentsTold]:
    offset, seen = 0, set[str]()
    for _ in range(MOST_PAGES):
        body = await client.page(path, offset=offset, **parameters)
        try:
            page = await asyncio.to_thread(parse, body)
        except PageError as error:
            raise IncidentsApiError(f"the answer is no list of incidents: {error}") from None
        ids = {one.id for one in page.incidents} | {id for id, _ in page.unread}
        if ids <= seen:
            return
        yield page
        seen |= ids
        offset += page.count
        if offset > MOST_TOLD:
            break
    raise IncidentsApiError(f"the list does not end: after {offset:,} incidents no more is read; what was read is kept")


async def _periods(client: Asking, *, progress: Callable[[str], None]) -> Periods:
    """How long incidents were in each state, as the search tells it; a server without one leaves it untold."""
    found: dict[str, Sequence[Period]] = {}
    held = 0
    try:
        async for page in _pages(client, SEARCH, parse_search, query=EVERY_STATE):
            found |= {one.id: one.periods for one in page.incidents if one.periods is not None}
            held += sum(len(one.periods or ()) for one in page.incidents)
            if held > MOST_TOLD:
                raise IncidentsApiError(f"the search tells more than {MOST_TOLD:,} periods of its incidents")
            progress(f"{len(found):,} incidents' states read")
    except RefusedError:
        progress("the server does not let its incidents be searched: what it lists alone is known of their states")
    return found


def _periods_of(told: IncidentTold, periods: Periods | None) -> Sequence[Period] | None:
    return told.periods if told.periods is not None else (periods or {}).get(told.id)


def _import(told: IncidentTold, periods: Periods | None, *, asked_at: Instant) -> IncidentImport:
    said = said_by(told, _periods_of(told, periods), asked_at=asked_at)
    return IncidentImport(id=told.id, created_at=told.created_at, said=said)


def _lies_ahead(one: IncidentImport, *, now: Instant) -> bool:
    return any(lies_ahead(at, now=now) for at in (one.said.declared, *(state.at for state in one.said.states)))


def _record(imports: Sequence[IncidentImport], writer: Writer) -> list[Outcome]:
    # In one order: two servers that record the same page wait for each other instead of for themselves.
    return [import_incident(writer, one) for one in sorted(imports, key=lambda one: one.id)]


def _select(writer: Writer, *, at: Instant) -> None:
    select_source(writer, "failures", SOURCE, on=True, retroactive=True, at=at)
