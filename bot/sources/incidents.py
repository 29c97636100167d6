"""Incidents as the original's clients report them (`POST` and `PATCH /api/v2/incidents`): bytes to what one request says.

Rules:
- Attributes that nobody here needs are ignored; `null` in a nullable instant takes it back, elsewhere it says nothing.
- Beyond the original a request may say when something was, not only that it is: `declared` of a new incident, `at` beside the
  value of the field `state`. Without them the instant is that of the receipt.
"""

from datetime import UTC, datetime, timedelta

from msgspec import UNSET, Struct, UnsetType

from bot.dora.failures import State
from bot.dora.incidents import CLEARED, SEVERAL, SINGLE, Field, Handle, IncidentSaid, StateSaid
from bot.dora.instants import LATEST, Instant
from bot.sources.fields import InvalidError, decode, parse_name

TYPE = "incidents"
LONGEST_TITLE = 1_000
LONGEST_TEXT = 20_000
MOST_FIELDS = 100
MOST_VALUES = 100
MOST_HANDLES = 100

_AT = "/data/attributes"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Field(Struct):
    value: str | list[str] | None = None
    type: str | None = None
    at: datetime | None = None


class _Handle(Struct):
    handle: str | None = None
    display_name: str | None = None


class _Attributes(Struct):
    title: str | None = None
    customer_impacted: bool | None = None
    customer_impact_scope: str | None = None
    customer_impact_start: datetime | UnsetType | None = UNSET
    customer_impact_end: datetime | UnsetType | None = UNSET
    declared: datetime | None = None
    detected: datetime | UnsetType | None = UNSET
    is_test: bool | None = None
    incident_type_uuid: str | None = None
    notification_handles: list[_Handle] | None = None
    fields: dict[str, _Field] | None = None


class _User(Struct):
    id: str | None = None


class _Commander(Struct):
    data: _User | UnsetType | None = UNSET


class _Relationships(Struct):
    commander_user: _Commander | None = None


class _Data(Struct):
    id: str | None = None
    type: str = ""
    attributes: _Attributes | None = None
    relationships: _Relationships | None = None


class _Document(Struct):
    data: _Data | None = None


def parse_new_incident(body: bytes) -> IncidentSaid:
    """What the request that declares an incident says; raises InvalidError for the first field that is wrong."""
    data = _data(body)
    told = data.attributes
    if told is None:
        raise InvalidError(_AT, "The object attributes is required.")
    if not (told.title or "").strip():
        raise InvalidError(f"{_AT}/title", "A title is required.")
    if told.customer_impacted is None:
        raise InvalidError(f"{_AT}/customer_impacted", "It must be true or false.")
    declared = None if told.declared is None else _instant(f"{_AT}/declared", told.declared)
    return _said(data, told, declared=declared, states=_first_states(_state(told), declared), is_test=told.is_test)


def parse_incident_change(body: bytes, *, id: str) -> IncidentSaid:
    """What a request changes of the incident `id`; raises InvalidError for the first field that is wrong."""
    data = _data(body)
    if data.id is not None and data.id != id:
        raise InvalidError("/data/id", "The id is another one than that of the path.")
    told = data.attributes or _Attributes()
    if told.title is not None and not told.title.strip():
        raise InvalidError(f"{_AT}/title", "A title is required.")
    state = _state(told)
    return _said(data, told, declared=None, states=() if state is None else (state,), is_test=None)


def _data(body: bytes) -> _Data:
    document = decode(_Document, body)
    if document.data is None:
        raise InvalidError("/data", "The object data is required.")
    if document.data.type != TYPE:
        raise InvalidError("/data/type", f'Got type "{document.data.type[:100]}", expected "{TYPE}".')
    return document.data


def _said(
    data: _Data, told: _Attributes, *, declared: Instant | None, states: tuple[StateSaid, ...], is_test: bool | None
) -> IncidentSaid:
    start = _nullable(f"{_AT}/customer_impact_start", told.customer_impact_start)
    end = _nullable(f"{_AT}/customer_impact_end", told.customer_impact_end)
    if start is not None and end is not None and end != CLEARED and end < start:
        raise InvalidError(f"{_AT}/customer_impact_end", "It ended before it started.")
    title, scope = told.title, told.customer_impact_scope
    return IncidentSaid(
        title=None if title is None else parse_name(f"{_AT}/title", title, longest=LONGEST_TITLE),
        customer_impacted=told.customer_impacted,
        customer_impact_scope=None if scope is None else _text(f"{_AT}/customer_impact_scope", scope),
        customer_impact_start=start,
        customer_impact_end=end,
        declared=declared,
        detected=_nullable(f"{_AT}/detected", told.detected),
        is_test=is_test,
        incident_type=parse_name(f"{_AT}/incident_type_uuid", told.incident_type_uuid) or None,
        commander=_commander(data.relationships),
        handles=_handles(told.notification_handles),
        fields=_fields(told.fields or {}),
        states=states,
    )


def _state(told: _Attributes) -> StateSaid | None:
    """The state that the field of this name says; `None` when it says none."""
    field = (told.fields or {}).get("state")
    if field is None or field.value in (None, "", []):
        return None
    pointer = f"{_AT}/fields/state/value"
    value = field.value
    if not isinstance(value, str) or value.strip().lower() not in tuple(State):
        raise InvalidError(pointer, f"A state is one of {', '.join(State)}.")
    at = None if field.at is None else _instant(f"{_AT}/fields/state/at", field.at)
    return StateSaid(state=State(value.strip().lower()), at=at)


def _first_states(state: StateSaid | None, declared: Instant | None) -> tuple[StateSaid, ...]:
    """The states that a new incident begins with: active, unless it says another one; one with an instant follows on active."""
    active = StateSaid(state=State.ACTIVE, at=declared)
    if state is None:
        return (active,)
    if state.at is None:
        return (StateSaid(state=state.state, at=declared),)
    if declared is None or state.at < declared:
        raise InvalidError(f"{_AT}/fields/state/at", "It needs declared, and lies not before it.")
    return active, state


def _fields(told: dict[str, _Field]) -> tuple[Field, ...]:
    if len(told) > MOST_FIELDS:
        raise InvalidError(f"{_AT}/fields", f"There are more than {MOST_FIELDS} fields.")
    return tuple(_field(name, field) for name, field in told.items() if name != "state")


def _field(name: str, told: _Field) -> Field:
    pointer = f"{_AT}/fields/{name[:100].replace('~', '~0').replace('/', '~1')}"
    if not parse_name(pointer, name):
        raise InvalidError(pointer, "A field has a name.")
    several = isinstance(told.value, list) or (told.value is None and told.type in SEVERAL)
    kind = told.type or (SEVERAL[0] if several else SINGLE[0])
    if kind not in (SEVERAL if several else SINGLE):
        one, many = ", ".join(SINGLE), ", ".join(SEVERAL)
        raise InvalidError(f"{pointer}/type", f"{one} hold one value; {many} hold a list.")
    values = told.value if isinstance(told.value, list) else [] if told.value is None else [told.value]
    if len(values) > MOST_VALUES:
        raise InvalidError(f"{pointer}/value", f"There are more than {MOST_VALUES} values.")
    return Field(name=name, kind=kind, values=tuple(_text(f"{pointer}/value", value) for value in values))


def _handles(told: list[_Handle] | None) -> tuple[Handle, ...] | None:
    pointer = f"{_AT}/notification_handles"
    if told is None:
        return None
    if len(told) > MOST_HANDLES:
        raise InvalidError(pointer, f"There are more than {MOST_HANDLES} handles.")
    return tuple(
        Handle(handle=parse_name(f"{pointer}/{i}", one.handle), display_name=parse_name(f"{pointer}/{i}", one.display_name))
        for i, one in enumerate(told)
    )


def _commander(told: _Relationships | None) -> str | None:
    """Who leads; "" when nobody does any more."""
    if told is None or told.commander_user is None or told.commander_user.data is UNSET:
        return None
    user = told.commander_user.data
    return parse_name("/data/relationships/commander_user/data/id", user.id) if isinstance(user, _User) else ""


def _text(pointer: str, value: str) -> str:
    if len(value) > LONGEST_TEXT:
        raise InvalidError(pointer, f"It is longer than {LONGEST_TEXT} characters.")
    return value


def _nullable(pointer: str, value: datetime | UnsetType | None) -> Instant | None:
    if isinstance(value, UnsetType):
        return None
    return CLEARED if value is None else _instant(pointer, value)


def _instant(pointer: str, value: datetime) -> Instant:
    """An instant; without an offset it is UTC, as the original's client writes it."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    instant = (aware - _EPOCH) // timedelta(microseconds=1) * 1_000
    if not 0 <= instant < LATEST:
        raise InvalidError(pointer, "The time lies outside the years 1970 to 2261.")
    return instant
