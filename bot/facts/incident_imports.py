"""Record incidents as another server tells them: one word each, that comes before all that was said of it here.

Rules: of what the other server said the newest stands, by when it was modified there, then by when it was asked; what was said here is
never touched. An incident that was deleted here stays deleted.
"""

from dataclasses import dataclass, replace
from enum import StrEnum, unique

import msgspec

from bot.dora.incidents import SOURCE, Imported, IncidentEvent, IncidentSaid, failure_of, incident_of
from bot.dora.instants import Instant
from bot.facts.failures import record_failure
from bot.facts.incidents import Head, head_of, load_events
from bot.facts.tombstones import is_deleted
from bot.store import Writer

IMPORTED = 0
"""The receipt under which the word of another server is kept: it is no request to us."""


@unique
class Outcome(StrEnum):
    """What became of an incident that was told."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentImport:
    """An incident as another server tells it; `said.imported` says as of when."""

    id: str
    created_at: Instant
    said: IncidentSaid


def import_incident(writer: Writer, told: IncidentImport) -> Outcome:
    """Record what another server says of an incident, unless it said that before or said something newer since."""
    writer.lock("incident", told.id)
    if is_deleted(writer, "incident", told.id):
        return Outcome.DELETED
    heads: list[Head] = writer.fetch("incident_known", head_of, id=told.id)
    events = load_events(writer, [told.id])[told.id]
    before = next((event for event in events if event.said.imported is not None), None)
    same = before is not None and _content(before.said) == _content(told.said)
    if before is not None and not _is_newer(told.said, before.said, same=same):
        return Outcome.SAME
    if not heads:
        heads = [(told.id, writer.allocate("incident", 1), told.created_at)]
        writer.write_many("incident", heads)
    at = heads[0][2] if before is None else before.received_at
    event = IncidentEvent(received_at=at, receipt=IMPORTED, said=told.said)
    body = msgspec.json.encode(told.said).decode()
    writer.write_many("incident_event", [(told.id, at, IMPORTED, body)], on_conflict="replace")
    incident = incident_of(*heads[0], [event, *(one for one in events if one is not before)])
    failure = failure_of(incident)
    if failure is None:
        writer.execute("delete_failure", id=told.id, source=SOURCE)
    else:
        record_failure(writer, failure, received_at=incident.modified_at, on_conflict="replace")
    return Outcome.NEW if before is None else Outcome.SAME if same else Outcome.CHANGED


def _is_newer(new: IncidentSaid, old: IncidentSaid, *, same: bool) -> bool:
    """Whether it says something as of later; of the same as of the same instant it is no matter when it was asked."""
    one, other = _as_of(old), _as_of(new)
    return other[0] > one[0] if same else other > one


def _as_of(said: IncidentSaid) -> tuple[Instant, Instant]:
    imported = said.imported or Imported(modified_at=0, asked_at=0)
    return imported.modified_at, imported.asked_at


def _content(said: IncidentSaid) -> IncidentSaid:
    return replace(said, imported=None)
