"""What the original's incidents API answers when it is asked for incidents: bytes to what each of them says.

Rules:
- An incident that cannot be read is named with the reason, and spares the others of its page.
- A page is small work whatever it holds: its bytes, its incidents, and the bytes and periods of each are limited.
- How long it was in each state stands in `field_analytics`; the list leaves that out, the search tells it. Where nobody does, it was
  active from its declaration until the end that it names, else until it was last modified.
- `completed` is resolved; a state that is not known here is one in which it no longer hurts.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeVar

from msgspec import Meta, Raw, Struct

from bot.dora.failures import State
from bot.dora.incidents import SEVERAL, SINGLE, Field, Handle, Imported, IncidentSaid, StateSaid
from bot.dora.instants import LATEST, SECOND, Instant
from bot.guard import GuardError, decode_json_as
from bot.sources.fields import SourceError
from bot.sources.incidents import LONGEST_TEXT, LONGEST_TITLE, MOST_FIELDS, MOST_HANDLES, MOST_VALUES

LARGEST_PAGE: Final = 8 * 1024 * 1024
"""Bytes; a hundred incidents with all that people write into them."""
LARGEST_INCIDENT: Final = 1024 * 1024
MOST_INCIDENTS: Final = 1_000
"""On a page; we ask for a hundred, and servers that limit nothing may tell more."""
MOST_PERIODS: Final = 1_000
"""Of one incident."""
T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATES: Final[Mapping[str, State]] = {**{state.value: state for state in State}, "completed": State.RESOLVED}


class PageError(SourceError):
    """An answer is no page of incidents."""

    slug = "no_incidents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A period in a state, by its name there; `end` is `None` while it lasts."""

    state: str
    start: Instant
    end: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentTold:
    """An incident as it is told; `periods` is `None` where they are left out. `said` is all but its states."""

    id: str
    created_at: Instant
    modified_at: Instant
    resolved_at: Instant | None
    state: str
    periods: tuple[Period, ...] | None
    said: IncidentSaid


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentsTold:
    """A page: what could be read of it, what could not (id, reason), and how many there were."""

    incidents: tuple[IncidentTold, ...]
    unread: tuple[tuple[str, str], ...]
    count: int


class _Span(Struct):
    start: int | float | None = None
    end: int | float | None = None


class _Spans(Struct):
    spans: list[_Span] | None = None


class _Analytics(Struct):
    state: dict[str, _Spans] | None = None


class _Field(Struct):
    type: str | None = None
    value: str | int | float | bool | list[str | int | float | bool | None] | None = None


class _Handle(Struct):
    handle: str | None = None
    display_name: str | None = None


class _Attributes(Struct):
    created: datetime
    title: str | None = None
    modified: datetime | None = None
    declared: datetime | None = None
    detected: datetime | None = None
    resolved: datetime | None = None
    customer_impacted: bool | None = None
    customer_impact_scope: str | None = None
    customer_impact_start: datetime | None = None
    customer_impact_end: datetime | None = None
    is_test: bool | None = None
    incident_type_uuid: str | None = None
    state: str | None = None
    severity: str | None = None
    notification_handles: list[_Handle] | None = None
    fields: dict[str, _Field] | None = None
    field_analytics: _Analytics | None = None


class _User(Struct):
    id: str | None = None


class _Commander(Struct):
    data: _User | None = None


class _Relationships(Struct):
    commander_user: _Commander | None = None


class _Incident(Struct):
    id: str
    attributes: _Attributes
    relationships: _Relationships | None = None


class _Named(Struct):
    id: str = ""


class _List(Struct):
    data: Annotated[list[Raw], Meta(max_length=MOST_INCIDENTS)]


class _Found(Struct):
    data: Raw


class _Results(Struct):
    incidents: Annotated[list[_Found], Meta(max_length=MOST_INCIDENTS)]


class _Search(Struct):
    attributes: _Results


class _SearchAnswer(Struct):
    data: _Search


def parse_incidents(body: bytes) -> IncidentsTold:
    """A page of `GET /api/v2/incidents`; raises PageError."""
    return _told(_decode(_List, body).data)


def parse_search(body: bytes) -> IncidentsTold:
    """A page of `GET /api/v2/incidents/search`; raises PageError."""
    return _told([found.data for found in _decode(_SearchAnswer, body).data.attributes.incidents])


def said_by(told: IncidentTold, periods: Sequence[Period] | None, *, asked_at: Instant) -> IncidentSaid:
    """All that an incident says, with its periods; `asked_at` is when it was asked for."""
    said = told.said
    fields = {"states": _states(told, periods or ()), "imported": Imported(modified_at=told.modified_at, asked_at=asked_at)}
    return IncidentSaid(**{name: getattr(said, name) for name in IncidentSaid.__dataclass_fields__} | fields)


def _decode(shape: type[T], body: bytes) -> T:
    try:
        return decode_json_as(shape, body, max_bytes=LARGEST_PAGE)
    except GuardError as error:
        raise PageError(error.detail) from None


def _told(raws: Sequence[Raw]) -> IncidentsTold:
    incidents, unread = [], []
    for raw in raws:
        try:
            incidents.append(_incident(decode_json_as(_Incident, bytes(raw), max_bytes=LARGEST_INCIDENT)))
        except (GuardError, PageError) as error:
            unread.append((_id_of(raw), str(error)))
    return IncidentsTold(incidents=tuple(incidents), unread=tuple(unread), count=len(raws))


def _id_of(raw: Raw) -> str:
    try:
        id = decode_json_as(_Named, bytes(raw), max_bytes=LARGEST_INCIDENT).id[:128]
    except GuardError:
        return "?"
    return id if id and id.isprintable() else "?"


def _incident(seen: _Incident) -> IncidentTold:
    told = seen.attributes
    created_at = _instant(told.created)
    if not _ID.fullmatch(seen.id):
        raise PageError("its id has characters that no id here has")
    if created_at is None:
        raise PageError("it was created outside the years 1970 to 2261")
    fields = told.fields or {}
    own = fields.get("state")
    state = own.value if own is not None and isinstance(own.value, str) else told.state
    modified_at = _instant(told.modified)
    return IncidentTold(
        id=seen.id,
        created_at=created_at,
        modified_at=created_at if modified_at is None else modified_at,
        resolved_at=_instant(told.resolved),
        state=(state or State.ACTIVE).strip().casefold(),
        periods=_periods(told.field_analytics),
        said=_said(told, seen.relationships, created_at),
    )


def _said(told: _Attributes, relationships: _Relationships | None, created_at: Instant) -> IncidentSaid:
    declared = _instant(told.declared)
    commander = relationships.commander_user.data if relationships and relationships.commander_user else None
    handles = (told.notification_handles or [])[:MOST_HANDLES]
    return IncidentSaid(
        title=(told.title or "").strip()[:LONGEST_TITLE],
        customer_impacted=told.customer_impacted,
        customer_impact_scope=None if told.customer_impact_scope is None else told.customer_impact_scope[:LONGEST_TEXT],
        customer_impact_start=_instant(told.customer_impact_start),
        customer_impact_end=_instant(told.customer_impact_end),
        declared=created_at if declared is None else declared,
        detected=_instant(told.detected),
        is_test=told.is_test,
        incident_type=told.incident_type_uuid,
        commander=commander.id if commander else None,
        handles=tuple(Handle(handle=one.handle or "", display_name=one.display_name or "") for one in handles),
        fields=_fields(told),
    )


def _fields(told: _Attributes) -> tuple[Field, ...]:
    """What its fields hold, those that hold nothing left out; the severity may stand beside them alone."""
    found = [_field(name, field) for name, field in (told.fields or {}).items() if name and name != "state"]
    held = {field.name: field for field in found if field.values}
    if told.severity and "severity" not in held:
        held["severity"] = Field(name="severity", kind=SINGLE[0], values=(told.severity,))
    return tuple(held[name] for name in sorted(held)[:MOST_FIELDS])


def _field(name: str, told: _Field) -> Field:
    several = isinstance(told.value, list)
    kinds = SEVERAL if several else SINGLE
    given = told.value if isinstance(told.value, list) else [told.value]
    values = [one if isinstance(one, str) else str(one) for one in given if one is not None]
    return Field(
        name=name, kind=told.type if told.type is not None and told.type in kinds else kinds[0],
        values=tuple(value[:LONGEST_TEXT] for value in values[:MOST_VALUES] if value),
    )  # fmt: skip


def _periods(told: _Analytics | None) -> tuple[Period, ...] | None:
    """The periods in their order; `None` where nothing is told of them."""
    if told is None or not told.state:
        return None
    found = [
        Period(state=state.casefold(), start=start, end=_seconds(span.end))
        for state, spans in told.state.items()
        for span in spans.spans or ()
        if (start := _seconds(span.start)) is not None
    ]
    if len(found) > MOST_PERIODS:
        raise PageError(f"it has more than {MOST_PERIODS:,} periods in its states")
    return tuple(sorted(found, key=lambda one: (one.start, LATEST if one.end is None else one.end, one.state)))


def _states(told: IncidentTold, periods: Sequence[Period]) -> tuple[StateSaid, ...]:
    """Its changes of state, in their order; the last is the state that it is in, whatever its periods say."""
    said = [StateSaid(state=_state(one.state), at=one.start) for one in periods]
    said = said or [StateSaid(state=State.ACTIVE, at=told.said.declared)]
    last, now = said[-1], _state(told.state)
    if last.state is not now:
        ended = [periods[-1].end if periods else None, told.resolved_at if now is State.RESOLVED else None]
        at = next((one for one in ended if one is not None), told.modified_at)
        said.append(StateSaid(state=now, at=max(at, last.at or 0)))
    return tuple(said)


def _state(word: str) -> State:
    return _STATES.get(word, State.STABLE)


def _seconds(value: float | None) -> Instant | None:
    return int(value) * SECOND if value is not None and 0 <= value < LATEST // SECOND else None


def _instant(value: datetime | None) -> Instant | None:
    if value is None:
        return None
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    instant = (aware - _EPOCH) // timedelta(microseconds=1) * 1_000
    return instant if 0 <= instant < LATEST else None
