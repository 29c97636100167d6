"""Incidents as the original's client reads them: the object, a page of them, and a search with its facets.

Rules: instants are RFC 3339 to the microsecond and durations whole seconds, as its models have them; what is not known is left out or
null as they allow. Spans of states are in epoch seconds. Of an incident's services only those are named that the asker may see.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bot.answers.encode import rfc3339
from bot.answers.questions import Form, InvalidParameterError, Parameters, may_name
from bot.dora.failures import Span, State
from bot.dora.incidents import Field, Incident
from bot.dora.instants import SECOND, Instant
from bot.dora.search import Fields, Query, QueryError, parse_query
from bot.facts.incidents import load_heads, load_incidents
from bot.store import Reader

TYPE = "incidents"
DEFAULT_SIZE, MAX_SIZE = 10, 100
MAX_OFFSET = 10**9
SORTS = ("-created", "created")
PAGE = ("page[size]", "page[offset]", "include")
SERVICES = "services"
"""The field that names them."""
UNKNOWN = "UNKNOWN"
"""The severity of an incident that nobody gave one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPage:
    """A part of a list: at most `size` after the first `offset`."""

    size: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSearch:
    """A search as asked for."""

    query: Query
    ascending: bool
    page: IncidentPage


def parse_page(parameters: Parameters) -> IncidentPage:
    """A question for a list of incidents. Raises QuestionError."""
    return _page(Form(parameters, known=PAGE))


def parse_search(parameters: Parameters) -> IncidentSearch:
    """A search for incidents. Raises QuestionError."""
    form = Form(parameters, known=(*PAGE, "query", "sort"))
    try:
        query = parse_query(form.text("query") or "")
    except QueryError as error:
        raise InvalidParameterError("query", f"Character {error.position}: {error.detail}") from error
    return IncidentSearch(query=query, ascending=form.choice("sort", SORTS) == "created", page=_page(form))


def parse_nothing(parameters: Parameters) -> None:
    """A question for one incident: `include` is known and changes nothing. Raises QuestionError."""
    Form(parameters, known=("include",))


def list_incidents(reader: Reader, page: IncidentPage, *, services: frozenset[str]) -> dict[str, object]:
    """A page of the incidents, newest first; of a key that is limited to services only theirs."""
    heads = load_heads(reader)
    if services:
        found = list(_seen(load_incidents(reader, heads), services))[page.offset :][: page.size]
    else:
        found = load_incidents(reader, heads[page.offset :][: page.size])
    return {"data": [show_incident(one) for one in found], "meta": _meta(page, len(found))}


def search_incidents(reader: Reader, search: IncidentSearch, *, services: frozenset[str]) -> dict[str, object]:
    """The incidents that match, and how often each value of a facet occurs among all of them."""
    heads = load_heads(reader)
    every = load_incidents(reader, reversed(heads) if search.ascending else heads)
    found = [one for one in _seen(every, services) if search.query.matches(_fields(one))]
    shown = found[search.page.offset :][: search.page.size]
    attributes = {
        "facets": _facets(found),
        "incidents": [{"data": show_incident(one)} for one in shown],
        "total": len(found),
    }
    return {"data": {"type": "incidents_search_results", "attributes": attributes}, "meta": _meta(search.page, len(shown))}


def show_incident(incident: Incident) -> dict[str, object]:
    """An incident as the original shows it."""
    durations = {
        "customer_impact_duration": _between(incident.customer_impact_start, incident.customer_impact_end),
        "time_to_detect": _between(incident.customer_impact_start, incident.detected_at),
        "time_to_internal_response": _between(incident.detected_at, incident.created_at),
        "time_to_repair": _between(incident.detected_at, incident.customer_impact_end),
        "time_to_resolve": _time_to_resolve(incident),
    }
    attributes: dict[str, object] = {
        "public_id": incident.public_id,
        "title": incident.title,
        "state": incident.state.value,
        "severity": incident.severity or UNKNOWN,
        "created": _instant(incident.created_at),
        "modified": _instant(incident.modified_at),
        "declared": _instant(incident.declared_at),
        "detected": _instant(incident.detected_at),
        "resolved": _instant(incident.resolved_at),
        "customer_impacted": incident.customer_impacted,
        "customer_impact_scope": incident.customer_impact_scope or None,
        "customer_impact_start": _instant(incident.customer_impact_start),
        "customer_impact_end": _instant(incident.customer_impact_end),
        "is_test": incident.is_test,
        "notification_handles": [{"handle": one.handle, "display_name": one.display_name} for one in incident.handles],
        "fields": _shown_fields(incident),
        "field_analytics": {"state": _state_analytics(incident.spans)},
    }
    if incident.incident_type:
        attributes["incident_type_uuid"] = incident.incident_type
    attributes |= {name: value for name, value in durations.items() if value is not None}
    commander = {"id": incident.commander, "type": "users"} if incident.commander else None
    return {
        "id": incident.id,
        "type": TYPE,
        "attributes": attributes,
        "relationships": {"commander_user": {"data": commander}},
    }


def _page(form: Form) -> IncidentPage:
    return IncidentPage(
        size=_number(form, "page[size]", least=1, default=DEFAULT_SIZE, most=MAX_SIZE),
        offset=_number(form, "page[offset]", least=0, default=0, most=MAX_OFFSET),
    )


def _number(form: Form, name: str, *, least: int, default: int, most: int) -> int:
    text = form.text(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise InvalidParameterError(name, f"{name} is a whole number from {least} to {most}.")
    return int(text)


def _meta(page: IncidentPage, shown: int) -> dict[str, object]:
    return {"pagination": {"size": shown, "offset": page.offset, "next_offset": page.offset + shown}}


def seen_by(incident: Incident, services: frozenset[str]) -> Incident:
    """The incident with those of its services alone that may be seen (lower case; none at all: every one)."""

    def seen(field: Field) -> Field:
        named = field.name == SERVICES
        return replace(field, values=tuple(one for one in field.values if may_name(one, services))) if named else field

    return replace(incident, fields=tuple(map(seen, incident.fields)))


def _seen(incidents: Iterable[Incident], services: frozenset[str]) -> Iterator[Incident]:
    """What may be seen of each; an incident is left out where that is none of its services."""
    return (one for one in (seen_by(incident, services) for incident in incidents) if one.services or not services)


def _fields(incident: Incident) -> Fields:
    """What a query may ask of an incident: its fields by name, and the words of its own."""
    found: dict[str, Sequence[str]] = {field.name.casefold(): field.values for field in incident.fields}
    for several, one in (("services", "service"), ("teams", "team"), ("envs", "env")):
        if several in found:
            found[one] = found[several]
    return found | {
        "state": (incident.state.value,),
        "severity": (incident.severity or UNKNOWN,),
        "title": (incident.title,),
        "id": (incident.id,),
        "public_id": (str(incident.public_id),),
        "customer_impacted": (str(incident.customer_impacted).lower(),),
        "is_test": (str(incident.is_test).lower(),),
    }


def _facets(incidents: Sequence[Incident]) -> dict[str, object]:
    fields: dict[str, Counter[str]] = {}
    for incident in incidents:
        for field in incident.fields:
            fields.setdefault(field.name, Counter()).update(set(field.values))
    resolving = [value for one in incidents if (value := _time_to_resolve(one)) is not None]
    repairing = [value for one in incidents if (value := _between(one.detected_at, one.customer_impact_end)) is not None]
    nobody: dict[str, list[object]] = {"commander": [], "created_by": [], "last_modified_by": [], "responder": []}
    return {
        **nobody,
        "postmortem": [],
        "impact": _counted(str(one.customer_impacted).lower() for one in incidents),
        "state": _counted(one.state.value for one in incidents),
        "severity": _counted(_as_first_written([one.severity or UNKNOWN for one in sorted(incidents, key=lambda one: one.public_id)])),
        "fields": [{"name": name, "facets": _ordered(fields[name])} for name in sorted(fields)],
        "time_to_repair": _aggregates("time_to_repair", repairing),
        "time_to_resolve": _aggregates("time_to_resolve", resolving),
    }


def _as_first_written(words: Iterable[str]) -> list[str]:
    """Words that differ in upper and lower case alone, spelled alike."""
    first: dict[str, str] = {}
    return [first.setdefault(word.casefold(), word) for word in words]


def _counted(values: Iterable[str]) -> list[dict[str, object]]:
    return _ordered(Counter(values))


def _ordered(counts: Counter[str]) -> list[dict[str, object]]:
    """The most frequent first."""
    return [{"name": name, "count": n} for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _aggregates(name: str, values: Sequence[int]) -> list[dict[str, object]]:
    least, greatest = min(values, default=None), max(values, default=None)
    return [{"name": name, "aggregates": {"min": least, "max": greatest}}]


def _shown_fields(incident: Incident) -> dict[str, object]:
    shown: dict[str, object] = {field.name: {"type": field.kind, "value": _value(field)} for field in incident.fields}
    shown.setdefault("severity", {"type": "dropdown", "value": UNKNOWN})
    return shown | {"state": {"type": "dropdown", "value": incident.state.value}}


def _value(field: Field) -> str | list[str]:
    return field.values[0] if field.single else list(field.values)


def _state_analytics(spans: Sequence[Span]) -> dict[str, object]:
    """For each state its periods in epoch seconds, and how long those took that ended."""
    found: dict[str, object] = {}
    for state in State:
        edges = [
            (span.start // SECOND, None if span.end is None else span.end // SECOND) for span in spans if span.state is state
        ]
        if edges:
            found[state.value] = {
                "duration": sum(end - start for start, end in edges if end is not None),
                "spans": [{"start": start, "end": end} for start, end in edges],
            }
    return found


def _time_to_resolve(incident: Incident) -> int | None:
    return _between(incident.declared_at, incident.resolved_at)


def _between(start: Instant | None, end: Instant | None) -> int | None:
    """Whole seconds; `None` where an end is not known, or comes first."""
    return None if start is None or end is None or end < start else (end - start) // SECOND


def _instant(at: Instant | None) -> str | None:
    # Python's clients read six decimals, not nine.
    return None if at is None else rfc3339(at // 1_000 * 1_000)
