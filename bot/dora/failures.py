"""Failures: what a source says of one, how states become spans, and the time to restore (semantics §6).

Rules:
- A failure is `active` while it hurts, `stable` while it no longer gets worse, `resolved` when it is over; one that was sent by API is
  resolved when it has an end.
- The time to restore of an incident is the sum of its `active` periods, known only while it is stable or resolved; one that was
  resolved and came back is unknown until it is resolved again.
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, unique

from bot.dora.commits import Sha
from bot.dora.instants import Duration, Instant

_NAMESPACE = uuid.UUID("6f1d7a52-3b0e-5c7e-9d55-1f6f7b1f3a10")


@unique
class State(StrEnum):
    """What a failure is doing."""

    ACTIVE = "active"
    STABLE = "stable"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFailure:
    """A failure as a source reports it, validated. Names are trimmed but as written, "" and () where nothing was said.

    `finished_at` is the instant of the resolve that is in force; `time_to_restore` is `None` while nobody can know it.
    """

    id: str
    source: str
    services: tuple[str, ...]
    teams: tuple[str, ...]
    envs: tuple[str, ...]
    name: str
    severity: str
    version: str
    repository_url: str
    repository: str
    commit_sha: Sha | None
    started_at: Instant
    finished_at: Instant | None
    state: State
    time_to_restore: Duration | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """From `at` on a failure was in a state; changes at one instant are ordered by when they were told."""

    at: Instant
    told_at: Instant
    receipt: int
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A period in one state, half-open; `end` is `None` while it lasts."""

    state: State
    start: Instant
    end: Instant | None


def failure_id(failure: NewFailure) -> str:
    """The sender's id, else a UUID made of what failures are matched by: env, services (else team) and started_at."""
    if failure.id:
        return failure.id
    services = sorted({service.casefold() for service in failure.services})
    matched = [
        sorted({env.casefold() for env in failure.envs}), services,
        [] if services else sorted({team.casefold() for team in failure.teams}), failure.started_at,
    ]  # fmt: skip
    return str(uuid.uuid5(_NAMESPACE, json.dumps(matched)))


def spans_of(changes: Iterable[StateChange]) -> tuple[Span, ...]:
    """The periods that changes of state make, in whatever order they are given; a change to the same state changes nothing."""
    spans: list[Span] = []
    for change in sorted(changes, key=lambda change: (change.at, change.told_at, change.receipt)):
        if spans and spans[-1].state is change.state:
            continue
        if spans:
            spans[-1] = replace(spans[-1], end=change.at)
        spans.append(Span(state=change.state, start=change.at, end=None))
    return tuple(spans)


def state_of(spans: Sequence[Span]) -> State | None:
    """The state that lasts; `None` before the first."""
    return spans[-1].state if spans else None


def resolved_at(spans: Sequence[Span]) -> Instant | None:
    """When the resolve that is in force happened; `None` while there is none."""
    return spans[-1].start if state_of(spans) is State.RESOLVED else None


def time_in(state: State, spans: Iterable[Span]) -> Duration:
    """The sum of the ended periods in a state, in nanoseconds."""
    return sum(span.end - span.start for span in spans if span.state is state and span.end is not None)


def time_to_restore(spans: Sequence[Span]) -> Duration | None:
    """The sum of all active periods in nanoseconds; `None` while active, after a relapse until resolved, or if it never was active."""
    if state_of(spans) in (None, State.ACTIVE) or _relapsed(spans) or not any(span.state is State.ACTIVE for span in spans):
        return None
    return time_in(State.ACTIVE, spans)


def _relapsed(spans: Iterable[Span]) -> bool:
    """Whether it was resolved, became active again, and is not resolved since."""
    was_resolved = relapsed = False
    for span in spans:
        if span.state is State.RESOLVED:
            was_resolved, relapsed = True, False
        elif span.state is State.ACTIVE and was_resolved:
            relapsed = True
    return relapsed
