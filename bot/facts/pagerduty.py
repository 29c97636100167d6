"""What PagerDuty tells: one row per event, however many subscriptions deliver it, and what its API answered about alerts.

Several deliveries of an event are one (`one_of`), in whatever order they come. What follows is inferred by incident.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from bot.dora.instants import Instant
from bot.dora.pagerduty import (
    TRIGGERED,
    Directory,
    Incident,
    IncidentSaid,
    Monitor,
    Owner,
    PagerDutyEvent,
    incident_of,
    names_of_incident,
    names_of_owner,
    one_of,
)
from bot.facts.marks import mark_inference
from bot.guard import decode_json_as
from bot.store import Reader, Row, Writer

PAGERDUTY: Final = "pagerduty"
"""The kind of inference; its subject is an incident's id."""


def record_pagerduty(writer: Writer, events: Sequence[PagerDutyEvent]) -> None:
    """Record events, and have their incidents inferred again."""
    if not events:
        return
    # Read, so that on PostgreSQL definitions that are written meanwhile and this conflict: whoever comes second sees the other.
    load_directory(writer)
    known = writer.fetch_in("pagerduty_events_known", _event, sorted({event.id for event in events}))
    told: dict[str, PagerDutyEvent] = {}
    for event in [*known, *events]:
        told[event.id] = one_of(told.get(event.id, event), event)
    writer.write_many("pagerduty_event", [_row(event) for event in told.values()], on_conflict="replace")
    names = {(name, event.incident_id) for event in events for name in names_of_incident(event.said)}
    writer.write_many("pagerduty_name", sorted(names), on_conflict="keep")
    unknown = {event.incident_id for event in events if event.type == TRIGGERED and not event.said.monitors}
    writer.write_many("pagerduty_alerts", [(id, 0, 0, "", "") for id in sorted(unknown)], on_conflict="keep")
    mark_incidents(writer, {event.incident_id for event in [*known, *events]})


class Inquiry(NamedTuple):
    """An incident whose alerts are to be asked for, and how often that failed."""

    incident_id: str
    attempts: int


class Waiting(NamedTuple):
    """How many incidents wait for an answer about their alerts, and why one of them does."""

    incidents: int
    error: str


def due_inquiries(reader: Reader, *, now: Instant, n: int) -> list[Inquiry]:
    """What PagerDuty is to be asked now."""
    return reader.fetch("pagerduty_alerts_due", Inquiry, now=now, n=n)


def lease_inquiries(writer: Writer, *, now: Instant, until: Instant, n: int) -> list[Inquiry]:
    """The same, for this process alone until an instant."""
    due = due_inquiries(writer, now=now, n=n)
    for one in due:
        postpone_inquiry(writer, one.incident_id, attempts=one.attempts, run_at=until, error="")
    return due


def postpone_inquiry(writer: Writer, incident_id: str, *, attempts: int, run_at: Instant, error: str) -> None:
    """It was not answered."""
    writer.execute("postpone_pagerduty_alerts", incident_id=incident_id, attempts=attempts, run_at=run_at, error=error[:500])


def record_alerts(writer: Writer, incident_id: str, monitors: Sequence[Monitor]) -> None:
    """Record which monitors PagerDuty knows behind an incident's alerts."""
    row = (incident_id, None, 0, "", msgspec.json.encode(monitors).decode())
    writer.write_many("pagerduty_alerts", [row], on_conflict="replace")
    mark_incidents(writer, [incident_id])


def inquiries_waiting(reader: Reader) -> Waiting:
    """What PagerDuty did not answer yet, or was not asked."""
    return reader.fetch("pagerduty_alerts_waiting", Waiting)[0]


def load_incident(reader: Reader, id: str) -> Incident:
    """An incident as everything that is known makes it."""
    alerts = reader.fetch("pagerduty_alerts_of", _monitors, incident_id=id)
    return incident_of(id, reader.fetch("pagerduty_events_of", _event, incident_id=id), alerts[0] if alerts else ())


def load_events(reader: Reader, ids: Iterable[str]) -> dict[str, list[PagerDutyEvent]]:
    """What is known of these incidents, event by event; nothing of those that are unknown."""
    found: dict[str, list[PagerDutyEvent]] = {}
    for event in reader.fetch_in("pagerduty_events_of_incidents", _event, sorted(set(ids))):
        found.setdefault(event.incident_id, []).append(event)
    return found


def pagerduty_incidents(reader: Reader) -> list[str]:
    """The ids of all incidents."""
    return reader.fetch("pagerduty_incidents", str)


def load_directory(reader: Reader) -> Directory:
    """The definitions in force, as incidents are mapped to them."""
    return Directory(reader.fetch("pagerduty_owners", _owner))


def incidents_concerned(reader: Reader, owners: Iterable[Owner]) -> list[str]:
    """The incidents that may be others' when these definitions come, go or become what they are."""
    names = {name for owner in owners for name in names_of_owner(owner)}
    return sorted(set(reader.fetch_in("pagerduty_incidents_named", str, sorted(names)))) if names else []


def mark_incidents(writer: Writer, ids: Iterable[str]) -> None:
    """Have these incidents inferred again."""
    for id in sorted(ids):
        mark_inference(writer, PAGERDUTY, id)


def _row(event: PagerDutyEvent) -> Row:
    return (
        event.id, event.incident_id, event.type, event.occurred_at, event.dd_env, int(event.dd_env != ""), event.received_at,
        event.receipt, msgspec.json.encode(event.said).decode(),
    )  # fmt: skip


def _event(
    id: str, incident_id: str, type: str, occurred_at: Instant, received_at: Instant, receipt: int, dd_env: str, body: str
) -> PagerDutyEvent:
    return PagerDutyEvent(
        id=id, incident_id=incident_id, type=type, occurred_at=occurred_at, received_at=received_at, receipt=receipt, dd_env=dd_env,
        said=decode_json_as(IncidentSaid, body.encode()),
    )  # fmt: skip


def _monitors(body: str) -> tuple[Monitor, ...]:
    return decode_json_as(tuple[Monitor, ...], body.encode())


def _owner(service: str, shown: str, team: str, pagerduty: str) -> Owner:
    return Owner(service=service, shown=shown, team=team, pagerduty=pagerduty)
