"""How much failures hurt: how many, how long, how fast it was mended; all together, per service and per team.

Rules: a failure of several services counts for each of them. It belongs to the period in which it began, with all of its time. A
failure is open until it is resolved; its time to restore may be known before, while it is stable.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from bot.answers.cursors import Key
from bot.answers.failure_history import Name, active_time, joined_spans, last_change, load_spans
from bot.answers.failures import EVERYTHING, FailureRow, load_open_failures, stream_failures, under_current_name
from bot.answers.questions import Filters
from bot.dora.failures import Span, State
from bot.dora.instants import Duration, Instant
from bot.dora.metrics import Summary, summarise
from bot.facts.names import Shown
from bot.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What failures did to a service or a team ("" for those that name none); durations in nanoseconds."""

    name: str
    shown: str
    failures: int
    open: int
    active: Duration
    restored: Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFailure:
    """A failure that is not over: how long it was active so far, and since when it is in its state."""

    row: FailureRow
    active: Duration
    since: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureOverview:
    """The failures of a period, all in all. `open` are those of any time; `unknown` ended without a time to restore."""

    rows: tuple[FailureRow, ...]
    more: bool
    restored: Summary
    unknown: int
    open: tuple[OpenFailure, ...]
    whole: Impact
    services: tuple[Impact, ...]
    teams: tuple[Impact, ...]
    options: Mapping[str, frozenset[str]]
    """What occurs in the period, by the name of its filter."""


def overview(
    reader: Reader, filters: Filters, *, severity: str | None, state: str | None, after: Key | None, limit: int, now: Instant
) -> FailureOverview:
    """The failures that match and count: those of a page after a key, those that are open, and what all of them did."""
    period = Filters(from_at=filters.from_at, to_at=filters.to_at, visible=filters.visible)
    every = list(stream_failures(reader, period, chunk=EVERYTHING))
    filters = under_current_name(filters, Shown(reader))
    rows = [row for row in every if filters.source in (None, row.source) and row.matches(filters, severity) and state in (None, row.state)]
    still = [row for row in load_open_failures(reader, filters, severity=severity) if state in (None, row.state)]
    spans = load_spans(reader, [*rows, *still])
    page = [row for row in rows if after is None or row.key < after]
    services = _impacts(rows, spans, lambda row: zip(row.services, row.services_shown, strict=True), filters.service, now)
    teams = _impacts(rows, spans, lambda row: ((team.strip().lower(), team) for team in row.teams), filters.team, now)
    return FailureOverview(
        rows=tuple(islice(page, limit)),
        more=len(page) > limit,
        restored=summarise(row.time_to_restore for row in rows if row.time_to_restore is not None),
        unknown=sum(row.time_to_restore is None and row.state == State.RESOLVED for row in rows),
        open=tuple(_open(row, spans[row.source, row.id], now) for row in still),
        whole=_impact("", "", rows, spans, now),
        services=services,
        teams=teams,
        options=_options(every),
    )


def _open(row: FailureRow, spans: Sequence[Span], now: Instant) -> OpenFailure:
    return OpenFailure(row=row, active=active_time(spans, now=now), since=last_change(spans, row.started_at))


def _impacts(
    rows: Sequence[FailureRow], spans: Mapping[Name, tuple[Span, ...]],
    names: Callable[[FailureRow], Iterable[tuple[str, str]]], only: str | None, now: Instant,
) -> tuple[Impact, ...]:  # fmt: skip
    groups: dict[str, tuple[str, list[FailureRow]]] = {}
    for row in rows:
        for name, shown in dict(names(row)).items() or [("", "")]:
            if only in (None, name):
                groups.setdefault(name, (shown, []))[1].append(row)
    found = [_impact(name, shown, members, spans, now) for name, (shown, members) in groups.items()]
    return tuple(sorted(found, key=lambda one: (not one.name, -one.active, one.name)))


def _impact(name: str, shown: str, rows: Sequence[FailureRow], spans: Mapping[Name, tuple[Span, ...]], now: Instant) -> Impact:
    return Impact(
        name=name,
        shown=shown,
        failures=len(rows),
        open=sum(row.state != State.RESOLVED for row in rows),
        active=active_time(joined_spans(rows, spans), now=now),
        restored=summarise(row.time_to_restore for row in rows if row.time_to_restore is not None),
    )


def _options(rows: Iterable[FailureRow]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {name: set() for name in ("service", "team", "env", "source", "severity")}
    for row in rows:
        found["service"].update(row.services)
        found["team"].update(team.strip().lower() for team in row.teams)
        found["env"].update(row.envs)
        found["source"].add(row.source)
        found["severity"].add(row.severity.lower())
    return {name: frozenset(values - {""}) for name, values in found.items()}
