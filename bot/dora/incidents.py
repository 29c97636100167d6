"""Incidents: put together from what every request said, in whatever order the requests are known (semantics §6).

Rules: of each attribute and each field the newest word by receipt stands, and what another server said comes before all that was said
here; states are ordered by their own instants. A field keeps its kind: `dropdown`, `textbox` hold one value, `multiselect`, `textarray`, `metrictag`, `autocomplete` hold several.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.dora.failures import NewFailure, Span, State, StateChange, resolved_at, spans_of, state_of, time_to_restore
from bot.dora.instants import Instant

T = TypeVar("T")

SINGLE = ("dropdown", "textbox")
SEVERAL = ("multiselect", "textarray", "metrictag", "autocomplete")
CLEARED: Instant = -1
"""An instant that somebody took back."""
SOURCE = "incidents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field with what it holds; no values at all: it was emptied."""

    name: str
    kind: str
    values: tuple[str, ...]

    @property
    def single(self) -> bool:
        """Whether it holds one value at most."""
        return self.kind in SINGLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """Who is to be told."""

    handle: str
    display_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSaid:
    """A state, and since when; `at` is `None` for the instant of the receipt."""

    state: State
    at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """It is what another server says of the incident: when it was modified there, and when it was asked for."""

    modified_at: Instant
    asked_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSaid:
    """What one request says; `None` (of `fields` and `states` an empty tuple) where it says nothing, CLEARED and "" take back."""

    title: str | None = None
    customer_impacted: bool | None = None
    customer_impact_scope: str | None = None
    customer_impact_start: Instant | None = None
    customer_impact_end: Instant | None = None
    declared: Instant | None = None
    detected: Instant | None = None
    is_test: bool | None = None
    incident_type: str | None = None
    commander: str | None = None
    handles: tuple[Handle, ...] | None = None
    fields: tuple[Field, ...] = ()
    states: tuple[StateSaid, ...] = ()
    imported: Imported | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvent:
    """What a request said, and its receipt; or what another server said."""

    received_at: Instant
    receipt: int
    said: IncidentSaid

    @property
    def told_at(self) -> Instant:
        """When it was said."""
        return self.received_at if self.said.imported is None else self.said.imported.modified_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident as all its events together make it."""

    id: str
    public_id: int
    created_at: Instant
    modified_at: Instant
    declared_at: Instant
    detected_at: Instant
    title: str
    customer_impacted: bool
    customer_impact_scope: str
    customer_impact_start: Instant | None
    customer_impact_end: Instant | None
    is_test: bool
    incident_type: str
    commander: str
    handles: tuple[Handle, ...]
    fields: tuple[Field, ...]
    """By name, those that were emptied left out; never `state`."""
    spans: tuple[Span, ...]

    @property
    def state(self) -> State:
        """What it is doing."""
        return state_of(self.spans) or State.ACTIVE

    @property
    def resolved_at(self) -> Instant | None:
        """When the resolve that is in force happened."""
        return resolved_at(self.spans)

    def values(self, name: str) -> tuple[str, ...]:
        """What a field holds."""
        return next((field.values for field in self.fields if field.name == name), ())

    @property
    def services(self) -> tuple[str, ...]:
        """The services that it names."""
        return _names(self.values("services"))

    @property
    def severity(self) -> str:
        """Its severity; "" while unknown."""
        severity = "".join(self.values("severity")[:1]).strip()
        return "" if severity.upper() == "UNKNOWN" else severity


def incident_of(id: str, public_id: int, created_at: Instant, events: Iterable[IncidentEvent]) -> Incident:
    """The incident that these events make; the earliest one declared it."""
    told = sorted(events, key=lambda event: (event.said.imported is None, event.received_at, event.receipt))
    said = [event.said for event in told]
    declared, detected = _instant([one.declared for one in said]), _instant([one.detected for one in said])
    declared = created_at if declared is None else declared
    fields = {field.name: field for one in said for field in one.fields}
    changes = [
        StateChange(
            at=event.received_at if change.at is None else change.at,
            told_at=event.received_at, receipt=event.receipt, state=change.state,
        )
        for event in told
        for change in event.said.states
    ]  # fmt: skip
    return Incident(
        id=id,
        public_id=public_id,
        created_at=created_at,
        modified_at=max((event.told_at for event in told), default=created_at),
        declared_at=declared,
        detected_at=declared if detected is None else detected,
        title=_latest([one.title for one in said]) or "",
        customer_impacted=_latest([one.customer_impacted for one in said]) or False,
        customer_impact_scope=_latest([one.customer_impact_scope for one in said]) or "",
        customer_impact_start=_instant([one.customer_impact_start for one in said]),
        customer_impact_end=_instant([one.customer_impact_end for one in said]),
        is_test=_latest([one.is_test for one in said]) or False,
        incident_type=_latest([one.incident_type for one in said]) or "",
        commander=_latest([one.commander for one in said]) or "",
        handles=_latest([one.handles for one in said]) or (),
        fields=tuple(fields[name] for name in sorted(fields) if fields[name].values),
        spans=spans_of(changes),
    )


def failure_of(incident: Incident) -> NewFailure | None:
    """The failure that an incident is; `None` for a test."""
    if incident.is_test:
        return None
    active = next((span.start for span in incident.spans if span.state is State.ACTIVE), None)
    return NewFailure(
        id=incident.id,
        source=SOURCE,
        services=incident.services,
        teams=_names(incident.values("teams")),
        envs=_names(incident.values("envs")),
        name=incident.title,
        severity=incident.severity,
        version="",
        repository_url="",
        repository="",
        commit_sha=None,
        started_at=incident.declared_at if active is None else active,
        finished_at=incident.resolved_at,
        state=incident.state,
        time_to_restore=time_to_restore(incident.spans),
        tags=(),
    )


def _latest(words: Sequence[T | None]) -> T | None:
    """The newest word that says something."""
    return next((word for word in reversed(words) if word is not None), None)


def _instant(words: Sequence[Instant | None]) -> Instant | None:
    """The newest instant, unless it was taken back."""
    latest = _latest(words)
    return None if latest == CLEARED else latest


def _names(values: Iterable[str]) -> tuple[str, ...]:
    """Names, trimmed, each once whatever its case."""
    found: dict[str, str] = {}
    for value in values:
        if name := value.strip():
            found.setdefault(name.casefold(), name)
    return tuple(found.values())
