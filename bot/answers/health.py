"""Whether webhooks still come: each hook with its gaps, and an alarm when one has gone quiet that had a rhythm before.

Rules of the alarm (hours with at least one delivery are what counts, over LOOK_BACK):
- It takes silence of at least 3 h and USUAL times the usual (median) gap, and a rhythm before: MIN_HOURS busy hours.
- Then one of both must hold. The silence is longer than the longest gap that is usual (the second longest: one outage is not).
  Or the same stretch was busy, half of its hours at least, in each of the two weeks before: so a Tuesday does not need a silence as
  long as a weekend, and a weekend is silent in peace.
"""

import itertools
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bot.dora.instants import DAY, HOUR, Instant
from bot.facts.hooks import Hook, load_hooks
from bot.store import Reader

LOOK_BACK = 22 * DAY
"""Three weekends, whole."""
SHORTEST_SILENCE = 3 * HOUR
USUAL = 3
LONGEST = 1.25
"""Multiples of the longest usual gap that are longer than usual."""
MIN_HOURS = 24
BROKEN = frozenset({"disabled", "failing", "gone"})
UNREAD = frozenset({"forbidden", "gone"})
NEWEST = 50
"""Errands in trouble that are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookHealth:
    """A hook as the set-up page and `/metrics` tell it. `quiet` is the alarm; durations and instants in nanoseconds."""

    forge: str
    id: str
    subject: str
    state: str
    last_delivery_at: Instant | None
    usual_gap: int | None
    """Between hours with deliveries; `None` without a rhythm."""
    quiet: bool
    gaps: int
    repaired: int
    checked_at: Instant | None
    error: str


class Waiting(NamedTuple):
    """How much correspondence is due, and since when."""

    errands: int
    messages: int
    oldest: Instant | None


class Trouble(NamedTuple):
    """An errand or message that could not be done."""

    key: str
    forge: str
    repository: str
    attempts: int
    run_at: Instant
    error: str


def hook_health(reader: Reader, now: Instant) -> tuple[HookHealth, ...]:
    """All hooks, by forge and id."""
    hooks = load_hooks(reader)
    rhythms = {forge: _rhythm(reader, forge, hooks, now) for forge in sorted({hook.forge for hook in hooks})}
    return tuple(_health(hook, rhythms[hook.forge]) for hook in hooks)


def correspondence_waiting(reader: Reader, now: Instant) -> Waiting:
    """What is due and not done."""
    return reader.fetch("correspondence_waiting", Waiting, now=now)[0]


def correspondence_in_trouble(reader: Reader) -> list[Trouble]:
    """What failed when it was last tried, the newest tries first: refusals, forges that are down, limits."""
    return reader.fetch("correspondence_in_trouble", Trouble, n=NEWEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rhythm:
    last: Instant | None
    usual_gap: int | None
    quiet: bool


def _health(hook: Hook, rhythm: _Rhythm) -> HookHealth:
    return HookHealth(
        forge=hook.forge, id=hook.id, subject=hook.subject, state=hook.state,
        last_delivery_at=hook.arrived_at if hook.arrived_at is not None else rhythm.last, usual_gap=rhythm.usual_gap,
        quiet=hook.state in BROKEN or rhythm.quiet, gaps=hook.gaps, repaired=hook.repaired, checked_at=hook.checked_at,
        error=hook.reason if hook.state != "active" else "",
    )  # fmt: skip


def _rhythm(reader: Reader, forge: str, hooks: Sequence[Hook], now: Instant) -> _Rhythm:
    """Of all hooks of a forge together: one project of many may well be silent for weeks."""
    busy = _busy_hours(reader, forge, now)
    logs = [hook.arrived_at for hook in hooks if hook.forge == forge and hook.state not in UNREAD]
    arrived = [at for at in logs if at is not None]
    # A repaired delivery is in the inbox too; the logs know what came by itself.
    last = max(arrived) if arrived and len(arrived) == len(logs) else max(busy, default=None)
    before = [at for at in busy if last is None or at <= last]
    return _Rhythm(last=last, usual_gap=usual_gap(before), quiet=is_quiet(before, last=last, now=now))


def usual_gap(busy: Sequence[Instant]) -> int | None:
    """The median gap between busy hours; `None` when there are too few."""
    gaps = _gaps(busy)
    return int(statistics.median(gaps)) if len(gaps) >= MIN_HOURS - 1 else None


def is_quiet(busy: Sequence[Instant], *, last: Instant | None, now: Instant) -> bool:
    """Whether the silence since `last` is unusual. `busy`: the first delivery of each hour that had one, in order."""
    usual = usual_gap(busy)
    if usual is None or last is None:
        return False
    silence = now - last
    if silence < max(SHORTEST_SILENCE, USUAL * usual):
        return False
    longest = sorted(_gaps(busy))[-2]
    if silence > LONGEST * longest:
        return True
    hours = {at // HOUR for at in busy}
    return all(_was_busy(hours, last - week * 7 * DAY, now - week * 7 * DAY) for week in (1, 2))


def _was_busy(hours: Collection[int], since: Instant, until: Instant) -> bool:
    stretch = range(since // HOUR + 1, until // HOUR + 1)
    return 2 * sum(hour in hours for hour in stretch) >= len(stretch) > 0


def _gaps(busy: Sequence[Instant]) -> list[int]:
    return [later - earlier for earlier, later in itertools.pairwise(busy)]


def _busy_hours(reader: Reader, source: str, now: Instant) -> list[Instant]:
    """The first delivery of each hour that had one."""
    found: list[Instant] = []
    at: Instant | None = now - LOOK_BACK
    while at is not None and at <= now:
        (first,) = reader.fetch("first_receipt_since", _optional, source=source, since=at)
        if first is not None:
            found.append(first)
        at = None if first is None else (first // HOUR + 1) * HOUR
    return found


def _optional(value: Instant | None) -> Instant | None:
    return value
