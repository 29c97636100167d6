"""Which deployments follow from the minutes in which versions of a service were seen (semantics §2, "Telemetry").

Rules:
- The first sighting of a version is a deployment; from then on that version is the one that runs.
- Another one that was seen before comes back when it had been replaced (`_was_replaced`), and then is seen again and again
  (`_steady_at`) while the one that runs, and all that are newer than itself, are silent.
- Of the minutes at which that can be told the first decides, and asks only what was seen up to then: a later sighting never
  changes what earlier ones said. So nothing here needs a clock.

Minutes are the bits of one integer, so that whole ranges of them are compared at once: a year of a version is 64 KiB.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import or_
from statistics import median_low
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.deployments import natural_order
from bot.dora.instants import MINUTE, Instant

REMEMBERED = 100
"""So many sightings tell a version's usual gap."""
_WINDOW = 512


class GitSeen(NamedTuple):
    """What telemetry says a version was built from; of several the least stands, the one seen first."""

    at: Instant
    commit_sha: Sha
    repository: str
    repository_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A version of a service seen in some minutes (counted since 1970). Names are trimmed, as written; `env` is "" when absent."""

    service: str
    env: str
    version: str
    first_at: Instant
    minutes: frozenset[int]
    git: GitSeen | None = None


def merge(one: Sighting, other: Sighting) -> Sighting:
    """Two sightings of one version as one, in either order the same: the earliest gives the names."""
    first = min(one, other, key=lambda seen: (seen.first_at, seen.service, seen.env))
    return Sighting(
        service=first.service,
        env=first.env,
        version=first.version,
        first_at=first.first_at,
        minutes=one.minutes | other.minutes,
        git=min((seen.git for seen in (one, other) if seen.git is not None), default=None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSeen:
    """All sightings of one version in one series: bit n of `minutes` is the minute `since` + n, counted since 1970."""

    version: str
    first_at: Instant
    since: int
    minutes: int


class Appearance(NamedTuple):
    """A version begins to run; `returned` if it had run before."""

    version: str
    at: Instant
    returned: bool


class _Return(NamedTuple):
    """A version comes back: its first sighting after the silence of the others began, and the minute at which that can be told."""

    version: int
    first: int
    told: int


def appearances(seen: Iterable[VersionSeen], *, silence: int) -> list[Appearance]:
    """The deployments of one series in their order; `silence` is in minutes."""
    versions = sorted(seen, key=lambda one: (one.first_at, natural_order(one.version)))
    if not versions:
        return []
    origin = min(one.since for one in versions)
    bits = [one.minutes << (one.since - origin) for one in versions]
    starts = [one.first_at // MINUTE - origin for one in versions]
    ends = [*starts[1:], max(map(int.bit_length, bits))]
    found = []
    for newest, one in enumerate(versions):
        found.append(Appearance(one.version, one.first_at, returned=False))
        found += [
            Appearance(versions[back.version].version, (origin + back.first) * MINUTE, returned=True)
            for back in _returns(bits[: newest + 1], starts[newest], ends[newest], silence)
        ]
    return found


def _returns(bits: Sequence[int], start: int, end: int, silence: int) -> Iterator[_Return]:
    """Who comes back after the newest of these versions appeared at `start`, before the next one does at `end`."""
    running, told = len(bits) - 1, start
    while True:
        others = [at for at in range(len(bits)) if at != running and bits[at].bit_length() > told + 1]
        found = [back for at in others if (back := _return(bits, at, running, start, told, end, silence)) is not None]
        if not found:
            return
        back = min(found, key=lambda one: one.told)
        yield back
        running, start, told = back.version, back.first, back.told


def _return(
    bits: Sequence[int], version: int, running: int, start: int, after: int, end: int, silence: int
) -> _Return | None:
    """When this version comes back, told after `after` and before `end`; the running one has run since `start`."""
    own = bits[version]
    others = reduce(or_, bits[version + 1 :], bits[running])
    quiet = _between(own, start, end) & ~_spread(_between(others, start, end), silence - 1)
    while quiet:
        at = start + _lowest(quiet)
        last = start + _between(others, start, at).bit_length() - 1
        resumed = _between(others, at, end)
        until = at + _lowest(resumed) if resumed else end
        seen = _between(own, last, until) & ~1
        first = last + _lowest(seen)
        if _was_replaced(own, others, start, first):
            needed = max(silence, 3 * _usual_gap(bits[running], last))
            told = _steady_at(seen, needed, 3 * _usual_gap(own, start), silence, after - last + 1)
            if told is not None:
                return _Return(version, first, last + told)
        quiet &= -1 << (until - start)
    return None


def _was_replaced(own: int, others: int, start: int, until: int) -> bool:
    """Whether others were seen within a gap of this version longer than twice what was usual for it when the other came (`start`)."""
    before = _between(own, 0, start)
    low = before.bit_length() - 1 if before else start
    longest = 2 * max(_usual_gap(own, start), 1)
    unseen = ~_between(own, low, until) & ((1 << (until - low)) - 1)
    gaps = _spread(_narrowed(unseen, longest - 1), longest - 1)
    return gaps & _between(others, low, until) != 0


def _steady_at(seen: int, needed: int, rhythm: int, silence: int, least: int) -> int | None:
    """The minute (bit) at which a version is seen again and again: two of its sightings lie half a silence apart or more, but not
    so far (by its `rhythm` of old) that each stands alone; and the others have been silent for `needed` minutes."""
    apart = (silence + 1) // 2
    pairs = seen & _spread(seen << apart, max(needed, rhythm, apart) - apart)
    if not pairs:
        return None
    least = max(least, needed, _lowest(pairs))
    later = seen >> least
    return least + _lowest(later) if later else None


def _usual_gap(bits: int, until: int) -> int:
    """The median (of two in the middle the lower) of a version's last gaps up to a minute; 0 if there is none."""
    gaps = [later - earlier for later, earlier in pairwise(_latest(bits, until))]
    return median_low(gaps) if gaps else 0


def _latest(bits: int, until: int) -> Iterator[int]:
    """The last sightings up to a minute, newest first."""
    bits &= (1 << (until + 1)) - 1
    left = REMEMBERED
    while bits and left:
        low = max(0, bits.bit_length() - _WINDOW)
        window = bits >> low
        while window and left:
            at = window.bit_length() - 1
            yield low + at
            window ^= 1 << at
            left -= 1
        bits &= (1 << low) - 1


def _between(bits: int, low: int, high: int) -> int:
    """The bits from `low` up to `high`, moved down to 0."""
    return (bits >> low) & ((1 << (high - low)) - 1)


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def _spread(bits: int, minutes: int) -> int:
    """Each bit, and so many after it."""
    done = 0
    while done < minutes:
        step = min(done + 1, minutes - done)
        bits |= bits << step
        done += step
    return bits


def _narrowed(bits: int, minutes: int) -> int:
    """The bits that are followed by so many others without a gap."""
    done = 0
    while done < minutes:
        step = min(done + 1, minutes - done)
        bits &= bits >> step
        done += step
    return bits
