"""What failures did when: their periods in each state, and how long a group of them hurt.

Rules: an incident's periods are its own, PagerDuty's are between what its events show, an issue's are those in which it was open; any
other failure is active from its start to its end. What lasts, lasts until now. Where failures overlap, the time in which at least one of them was active counts once.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from bot.dora.failures import Span, State, StateChange, spans_of
from bot.dora.incidents import SOURCE as INCIDENTS
from bot.dora.incidents import incident_of
from bot.dora.inference import FORGES
from bot.dora.instants import Duration, Instant
from bot.dora.issues import Issue, issue_spans
from bot.dora.pagerduty import SOURCE as PAGERDUTY
from bot.dora.pagerduty import PagerDutyEvent
from bot.facts import incidents, pagerduty
from bot.store import Reader

Name = tuple[str, str]
"""A failure's source and id."""
Period = tuple[Instant, Instant]
"""From an instant to another one."""


class Told(Protocol):
    """What a failure's periods are found by."""

    @property
    def id(self) -> str: ...

    @property
    def source(self) -> str: ...

    @property
    def started_at(self) -> Instant: ...

    @property
    def finished_at(self) -> Instant | None: ...


def load_spans(reader: Reader, rows: Sequence[Told]) -> dict[Name, tuple[Span, ...]]:
    """The periods of each of these failures, in order; the last one lasts."""
    told = incidents.load_events(reader, sorted({row.id for row in rows if row.source == INCIDENTS}))
    paged = pagerduty.load_events(reader, {row.id for row in rows if row.source == PAGERDUTY})
    found: dict[Name, tuple[Span, ...]] = _of_issues(reader, [row for row in rows if row.source in FORGES])
    for row in rows:
        if (row.source, row.id) in found:
            continue
        if row.source == INCIDENTS and told.get(row.id):
            spans = incident_of(row.id, 0, row.started_at, told[row.id]).spans
        elif row.source == PAGERDUTY and row.id in paged:
            spans = _paged(row, paged[row.id])
        else:
            spans = _reported(row)
        found[row.source, row.id] = spans
    return found


def active_time(spans: Iterable[Span], *, now: Instant) -> Duration:
    """How long at least one of these periods was an active one, in nanoseconds."""
    return joined_time(active_periods(spans, now=now))


def active_periods(spans: Iterable[Span], *, now: Instant) -> Iterator[Period]:
    """The active ones of these periods; what lasts, lasts until now."""
    return ((span.start, _end(span, now)) for span in spans if span.state is State.ACTIVE)


def joined_time(periods: Iterable[Period]) -> Duration:
    """How long at least one of these periods lasted, in nanoseconds."""
    total, until = 0, 0
    for start, end in sorted(periods):
        since = max(start, until)
        if end > since:
            total += end - since
            until = end
    return total


def last_change(spans: Sequence[Span], default: Instant) -> Instant:
    """Since when a failure is what it is."""
    return spans[-1].start if spans else default


def _reported(row: Told) -> tuple[Span, ...]:
    active = Span(state=State.ACTIVE, start=row.started_at, end=row.finished_at)
    if row.finished_at is None:
        return (active,)
    return active, Span(state=State.RESOLVED, start=row.finished_at, end=None)


def _of_issues(reader: Reader, rows: Sequence[Told]) -> dict[Name, tuple[Span, ...]]:
    """The periods of failures that are issues of a forge."""
    found: dict[Name, tuple[Span, ...]] = {}
    for source, id, key in reader.fetch_in("failures_inferred_from", _texts, sorted({row.id for row in rows})):
        _, repository_id = json.loads(key)
        for issue in reader.fetch("issue_states", _issue, repository_id=repository_id, number=int(id.rpartition(":")[2])):
            found[source, id] = issue_spans(issue)
    return found


def _issue(state: str, created_at: Instant | None, told_at: Instant, changes: str) -> Issue:
    """An issue as far as its periods go."""
    return Issue(
        number=0, kind="", title="", labels=(), severity="", state=state, created_at=created_at, told_at=told_at,
        changes=tuple((at, word) for at, word in json.loads(changes)),
    )  # fmt: skip


def _texts(source: str, id: str, key: str) -> tuple[str, str, str]:
    return source, id, key


def _paged(row: Told, events: Iterable[PagerDutyEvent]) -> tuple[Span, ...]:
    """Active from its beginning on, and what each event shows from then on; what came before its beginning says nothing."""
    begun = StateChange(at=row.started_at, told_at=-1, receipt=0, state=State.ACTIVE)
    shown = [
        StateChange(at=event.occurred_at, told_at=place, receipt=event.receipt, state=event.state)
        for place, event in enumerate(sorted(events, key=lambda event: event.order))
        if event.state is not None and event.occurred_at >= row.started_at
    ]
    return spans_of([begun, *shown])


def _end(span: Span, now: Instant) -> Instant:
    return max(span.start, now) if span.end is None else span.end
