"""What failures did when: their periods in each state, and how long a group of them hurt.

Rules: an incident's periods are its own; any other failure is active from its start to its end. What lasts, lasts until now. Where
failures overlap, the time in which at least one of them was active counts once.
"""

from collections.abc import Iterable, Mapping, Sequence

from bot.answers.failures import FailureRow
from bot.dora.failures import Span, State
from bot.dora.incidents import SOURCE as INCIDENTS
from bot.dora.incidents import incident_of
from bot.dora.instants import Duration, Instant
from bot.facts.incidents import load_events
from bot.store import Reader

Name = tuple[str, str]
"""A failure's source and id."""


def load_spans(reader: Reader, rows: Sequence[FailureRow]) -> dict[Name, tuple[Span, ...]]:
    """The periods of each of these failures, in order; the last one lasts."""
    events = load_events(reader, sorted({row.id for row in rows if row.source == INCIDENTS}))
    found: dict[Name, tuple[Span, ...]] = {}
    for row in rows:
        told = events.get(row.id) if row.source == INCIDENTS else None
        found[row.source, row.id] = incident_of(row.id, 0, row.started_at, told).spans if told else _reported(row)
    return found


def active_time(spans: Iterable[Span], *, now: Instant) -> Duration:
    """How long at least one of these periods was an active one, in nanoseconds."""
    total, until = 0, 0
    for start, end in sorted((span.start, _end(span, now)) for span in spans if span.state is State.ACTIVE):
        total += max(0, end - max(start, until))
        until = max(until, end)
    return total


def last_change(spans: Sequence[Span], default: Instant) -> Instant:
    """Since when a failure is what it is."""
    return spans[-1].start if spans else default


def spans_of(rows: Iterable[FailureRow], spans: Mapping[Name, tuple[Span, ...]]) -> list[Span]:
    """All periods of these failures."""
    return [span for row in rows for span in spans[row.source, row.id]]


def _reported(row: FailureRow) -> tuple[Span, ...]:
    active = Span(state=State.ACTIVE, start=row.started_at, end=row.finished_at)
    if row.finished_at is None:
        return (active,)
    return active, Span(state=State.RESOLVED, start=row.finished_at, end=None)


def _end(span: Span, now: Instant) -> Instant:
    return max(span.start, now) if span.end is None else span.end
