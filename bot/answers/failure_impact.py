"""How much failures hurt: how many, how long, how fast it was mended; all together, per service and per team.

Rules: a failure of several services counts for each of them. It belongs to the period in which it began, with all of its time. A
failure is open until it is resolved; its time to restore may be known before, while it is stable.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from bot.answers.cursors import Key
from bot.answers.failure_counts import Alike, load_counted, load_open
from bot.answers.failure_history import active_time, joined_time, last_change, load_spans
from bot.answers.failures import FailureRow, Said, load_named_failures, under_current_name
from bot.answers.questions import Filters
from bot.dora.failures import State
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
    """The failures of a period, all in all; `before` of them come before those of the page. `unknown` ended without a time to restore.

    `open` are the newest of those that are open, whenever they began; there are `still_open`, the first since `open_since`.
    """

    rows: tuple[FailureRow, ...]
    before: int
    more: bool
    restored: Summary
    unknown: int
    open: tuple[OpenFailure, ...]
    still_open: int
    open_since: Instant | None
    whole: Impact
    services: tuple[Impact, ...]
    teams: tuple[Impact, ...]
    options: dict[str, frozenset[str]]
    """What occurs in the period, by the name of its filter; severities are spelled as they were first."""


def overview(
    reader: Reader, filters: Filters, *, severity: str | None, state: str | None, after: Key | None, limit: int, most_open: int, now: Instant
) -> FailureOverview:
    """The failures that match and count: those of a page after a key, those that are open, and what all of them did."""
    filters = under_current_name(filters, Shown(reader))
    counted = load_counted(reader, filters, severity=severity, state=state, now=now)
    still = load_open(reader, filters, severity=severity, state=state)
    before = 0 if after is None else sum(row.key >= after for row in counted.rows)
    page = counted.rows[before : before + limit + 1]
    told = [group for group in counted.groups if group.rows]
    return FailureOverview(
        rows=tuple(load_named_failures(reader, {(row.source, row.id) for row in page[:limit]}, visible=filters.visible)),
        before=before,
        more=len(page) > limit,
        restored=summarise(chain.from_iterable(group.restored for group in told)),
        unknown=sum(row.time_to_restore is None and row.state == State.RESOLVED for row in counted.rows),
        open=_open(reader, load_named_failures(reader, {(row.source, row.id) for row in still[:most_open]}, visible=filters.visible), now),
        still_open=len(still),
        open_since=still[-1].started_at if still else None,
        whole=_impact("", "", told),
        services=_impacts(told, lambda said: zip(said.services, said.services_shown, strict=True), filters.service),
        teams=_impacts(told, lambda said: ((team.strip().lower(), team) for team in said.teams), filters.team),
        options=_options(counted.groups),
    )


def _open(reader: Reader, rows: Sequence[FailureRow], now: Instant) -> tuple[OpenFailure, ...]:
    spans = load_spans(reader, rows)
    found = ((row, spans[row.source, row.id]) for row in rows)
    return tuple(OpenFailure(row=row, active=active_time(each, now=now), since=last_change(each, row.started_at)) for row, each in found)


def _impacts(told: Sequence[Alike], names: Callable[[Said], Iterable[tuple[str, str]]], only: str | None) -> tuple[Impact, ...]:
    groups: dict[str, tuple[str, list[Alike]]] = {}
    for group in told:
        for name, shown in dict(names(group.said)).items() or [("", "")]:
            if only in (None, name):
                groups.setdefault(name, (shown, []))[1].append(group)
    found = [_impact(name, shown, members) for name, (shown, members) in groups.items()]
    return tuple(sorted(found, key=lambda one: (not one.name, -one.active, one.name)))


def _impact(name: str, shown: str, members: Sequence[Alike]) -> Impact:
    return Impact(
        name=name,
        shown=shown,
        failures=sum(len(group.rows) for group in members),
        open=sum(group.open for group in members),
        active=joined_time(chain.from_iterable(group.periods for group in members)),
        restored=summarise(chain.from_iterable(group.restored for group in members)),
    )


def _options(groups: Iterable[Alike]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {name: set() for name in ("service", "team", "env", "source")}
    spelled: dict[str, str] = {}
    for group in sorted(groups, key=lambda group: (group.first_at, group.severity)):
        found["service"] |= group.said.named
        found["team"] |= group.said.owners
        found["env"].update(group.said.envs)
        found["source"].add(group.source)
        spelled.setdefault(group.severity.lower(), group.severity)
    return {name: frozenset(values - {""}) for name, values in {**found, "severity": set(spelled.values())}.items()}
