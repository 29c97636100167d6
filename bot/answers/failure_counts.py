"""The failures of a period in brief: what they are counted by, those that say the same of whom they hurt together.

Of a hundred thousand only what is counted is read, and each text once. When a failure hurt is read from its events only where its
beginning and its end do not say it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from bot.answers.failure_history import Period, active_periods, load_spans
from bot.answers.failures import Key, Said, Speech
from bot.answers.questions import Filters
from bot.dora.failures import State
from bot.dora.incidents import SOURCE as INCIDENTS
from bot.dora.inference import FORGES
from bot.dora.instants import Duration, Instant
from bot.dora.pagerduty import SOURCE as PAGERDUTY
from bot.dora.sources import Selection
from bot.facts.names import Shown
from bot.facts.sources import load_selection
from bot.store import Reader

_WITH_EVENTS = frozenset((INCIDENTS, PAGERDUTY, *FORGES))
_NEVER: Instant = 2**63


class Brief(NamedTuple):
    """What is read of each failure."""

    id: str
    source: str
    severity: str
    services: str
    services_shown: str
    teams: str
    envs: str
    envs_shown: str
    tags: str
    repository: str
    started_at: Instant
    finished_at: Instant | None
    state: str
    time_to_restore: Duration | None

    @property
    def key(self) -> Key:
        """Where it stands in the order of lists."""
        return self.started_at, self.id, self.source


@dataclass(slots=True, kw_only=True)
class Alike:
    """Failures of one source and severity that say the same of whom they hurt, as far as it is asked for.

    `first_at` is when the first of them began, whether it was asked for or not.
    """

    said: Said
    source: str
    severity: str
    wanted: bool
    first_at: Instant = 0
    rows: list[Brief] = field(default_factory=list)
    """Those that were asked for, newest first."""
    periods: list[Period] = field(default_factory=list)
    """In which they were active."""
    restored: list[Duration] = field(default_factory=list)
    """Their times to restore, of those that have one."""
    open: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The failures that count: those that were asked for, newest first, and all of them by what they say."""

    rows: Sequence[Brief]
    groups: Sequence[Alike]


def load_counted(reader: Reader, filters: Filters, *, severity: str | None, state: str | None, now: Instant) -> Counted:
    """The failures of a window, those that match apart; `filters` call a repository as it is now."""
    from_at, to_at = filters.from_at or 0, _NEVER - 1 if filters.to_at is None else filters.to_at
    rows = reader.fetch("brief_failures", Brief, from_at=from_at, to_at=to_at)
    found = _sorted_out(reader, rows, filters, severity=severity, state=state)
    _measure(reader, found, now)
    return found


def load_open(reader: Reader, filters: Filters, *, severity: str | None, state: str | None) -> Sequence[Brief]:
    """The failures that match and are not over, newest first, whenever they began."""
    return _sorted_out(reader, reader.fetch("brief_open_failures", Brief), filters, severity=severity, state=state).rows


def _sorted_out(reader: Reader, rows: Sequence[Brief], filters: Filters, *, severity: str | None, state: str | None) -> Counted:
    since, shown = _counted_since(load_selection(reader, "failures"), {row.source for row in rows}), Shown(reader)
    speech = Speech(reader, (row.services for row in rows), filters.visible)
    groups: dict[tuple[str, ...], Alike] = {}
    matching = []
    for row in rows:
        if row.started_at < since[row.source]:
            continue
        # Tags are said of few failures alike: they are looked at where somebody asks for some.
        texts = row[1:9] if filters.tags else row[1:8]
        if filters.repository is not None:
            texts = (shown.current(row.repository, row.started_at), *texts)
        group = groups.get(texts)
        if group is None:
            said = speech.of(*row[3:8], row.tags)
            group = groups[texts] = _alike(said, row, shown.current(row.repository, row.started_at), filters, severity)
        group.first_at = row.started_at
        if group.wanted and (state is None or row.state == state):
            group.rows.append(row)
            matching.append(row)
    told = (group for group in groups.values() if group.said.services or not filters.visible)
    return Counted(rows=matching, groups=tuple(told))


def _alike(said: Said, row: Brief, repository: str, filters: Filters, asked: str | None) -> Alike:
    matches = said.matches(filters, repository=repository, severity=row.severity, asked=asked)
    wanted = matches and filters.source in (None, row.source) and (bool(said.services) or not filters.visible)
    return Alike(said=said, source=row.source, severity=row.severity, wanted=wanted)


def _counted_since(selection: Selection, sources: set[str]) -> dict[str, Instant]:
    """From when on failures of each source count."""
    switches = {source: selection.switch(source) for source in sources}
    return {
        source: one.selected_from if one.on and one.selected_from is not None else _NEVER for source, one in switches.items()
    }


def _measure(reader: Reader, found: Counted, now: Instant) -> None:
    """Fill in when each was active, and how long it took to restore."""
    spans = load_spans(reader, [row for group in found.groups if group.source in _WITH_EVENTS for row in group.rows if not _is_plain(row)])
    for group in found.groups:
        group.open = sum(row.state != State.RESOLVED for row in group.rows)
        group.restored = [row.time_to_restore for row in group.rows if row.time_to_restore is not None]
        if group.source in _WITH_EVENTS:
            told = (active_periods(spans[row.source, row.id], now=now) for row in group.rows if not _is_plain(row))
            group.periods = [*chain.from_iterable(told), *_whole([row for row in group.rows if _is_plain(row)], now)]
        else:
            group.periods = _whole(group.rows, now)


def _is_plain(row: Brief) -> bool:
    """Whether it was active from its beginning to its end: the sum of its active periods is as long. (That of PagerDuty is no sum.)"""
    whole = row.finished_at is not None and row.time_to_restore == row.finished_at - row.started_at
    return whole and row.source != PAGERDUTY and row.state == State.RESOLVED


def _whole(rows: Sequence[Brief], now: Instant) -> list[Period]:
    """From the beginning of each to its end."""
    return [(row.started_at, max(row.started_at, now) if row.finished_at is None else row.finished_at) for row in rows]
