"""Record what is said of incidents: every request is an event that stays, and the failure they make together is kept beside them."""

from collections.abc import Iterable

import msgspec

from bot.dora.incidents import Incident, IncidentEvent, IncidentSaid, failure_of, incident_of
from bot.dora.instants import Instant
from bot.facts.failures import record_failure
from bot.facts.tombstones import record_deletion
from bot.guard import decode_json_as
from bot.store import Reader, Writer

Head = tuple[str, int, Instant]
"""An incident's id, its number, and when it was made."""


def create_incident(writer: Writer, id: str, said: IncidentSaid, *, received_at: Instant, receipt: int) -> Incident:
    """Record a new incident under an id that nobody used before; returns it."""
    number = writer.allocate("incident", 1)
    event = IncidentEvent(received_at=received_at, receipt=receipt, said=said)
    incident = incident_of(id, number, received_at, [event])
    writer.write_many("incident", [(id, number, received_at)])
    _write(writer, incident, event)
    return incident


def change_incident(writer: Writer, incident_id: str, said: IncidentSaid, *, received_at: Instant, receipt: int) -> Incident | None:
    """Record what a request changes; returns the incident as it is now, `None` when there is none (nothing is kept then)."""
    writer.lock("incident", incident_id)
    heads = writer.fetch("incident_known", head_of, id=incident_id)
    if not heads:
        return None
    known = load_events(writer, [incident_id])[incident_id]
    event = IncidentEvent(received_at=received_at, receipt=receipt, said=said)
    incident = incident_of(*heads[0], [*known, event])
    _write(writer, incident, event)
    return incident


def delete_incident(writer: Writer, id: str, *, received_at: Instant, receipt: int, by: str) -> None:
    """Delete an incident, and the failure that it is."""
    record_deletion(writer, "incident", id, received_at=received_at, receipt=receipt, by=by)


def load_incident(reader: Reader, id: str) -> Incident | None:
    """One incident; `None` when nobody knows it, or it was deleted."""
    heads = reader.fetch("incident_known", head_of, id=id)
    return next(iter(load_incidents(reader, heads)), None)


def load_heads(reader: Reader) -> list[Head]:
    """All incidents that were not deleted, the newest first."""
    return reader.fetch("answer_incidents", head_of)


def load_incidents(reader: Reader, heads: Iterable[Head]) -> list[Incident]:
    """These incidents, in their order."""
    heads = list(heads)
    events = load_events(reader, [id for id, _, _ in heads])
    return [incident_of(*head, events[head[0]]) for head in heads]


def load_events(reader: Reader, ids: list[str]) -> dict[str, list[IncidentEvent]]:
    """What was said of these incidents."""
    found: dict[str, list[IncidentEvent]] = {id: [] for id in ids}
    for id, event in reader.fetch_in("incident_events", _event, ids):
        found[id].append(event)
    return found


def _write(writer: Writer, incident: Incident, event: IncidentEvent) -> None:
    body = msgspec.json.encode(event.said).decode()
    writer.write_many("incident_event", [(incident.id, event.received_at, event.receipt, body)])
    failure = failure_of(incident)
    if failure is not None:
        record_failure(writer, failure, received_at=incident.modified_at, on_conflict="replace")


def head_of(id: str, public_id: int, created_at: Instant) -> Head:
    """A row as the head that it is."""
    return id, public_id, created_at


def _event(incident_id: str, received_at: Instant, receipt: int, body: str) -> tuple[str, IncidentEvent]:
    said = decode_json_as(IncidentSaid, body.encode())
    return incident_id, IncidentEvent(received_at=received_at, receipt=receipt, said=said)
