"""What all telemetry has in common: who was seen, in which version, when; gathered from many words to few sightings.

Rules:
- Without a service or a version there is nothing to see.
- A sighting's instant is the sender's own, if it lies within the year before it arrived; else it is the arrival: a clock that is
  wrong must not make deployments in 1970 or in the future.
- What is longer than Datadog lets a tag be (200 characters) is refused, and so is more than one body can reasonably hold.
- Git data counts whole or not at all; what is wrong with it takes nothing from the sighting.
"""

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.instants import DAY, MINUTE, Instant
from bot.dora.repositories import WebRoots
from bot.dora.telemetry import GitSeen, Sighting, merge
from bot.guard import scrub
from bot.sources.fields import InvalidError, parse_repository_url, parse_sha

LONGEST = 200
OLDEST = 366 * DAY
MOST = 500
"""Versions per body."""

NO_VERSION, TOO_LONG, TOO_MANY = "no_version", "too_long", "too_many"


class Words(NamedTuple):
    """What a body says of one process, as written; "" where it says nothing."""

    service: str
    version: str
    env: str = ""
    commit_sha: str = ""
    repository_url: str = ""


NOBODY = Words("", "")


class Told(NamedTuple):
    """Words, and instants (nanoseconds by the sender's clock) at which they were true."""

    words: Words
    instants: tuple[int, ...]


class Gathered(NamedTuple):
    """Sightings, one per (service, env, version), and how many others are none, by reason."""

    sightings: list[Sighting]
    left_out: Counter[str]


def gather(told: Iterable[Told], *, arrived: Instant, web_roots: WebRoots) -> Gathered:
    """The sightings in what a body tells."""
    instants: dict[Words, set[int]] = {}
    for words, at in told:
        known = instants.get(words)
        if known is None:
            instants[words] = set(at)
        else:
            known.update(at)
    found: dict[tuple[str, str, str], Sighting] = {}
    left_out: Counter[str] = Counter()
    for words, seen in instants.items():
        reason = _why_not(words)
        if reason is None and len(found) >= MOST:
            reason = TOO_MANY
        if reason is not None:
            left_out[reason] += 1
            continue
        one = _sighting(words, {_plausible(at, arrived) for at in seen} or {arrived}, web_roots)
        key = (one.service.casefold(), one.env.casefold(), one.version)
        found[key] = merge(found[key], one) if key in found else one
    return Gathered(list(found.values()), left_out)


def _why_not(words: Words) -> str | None:
    if not words.service.strip() or not words.version.strip():
        return NO_VERSION
    if max(len(words.service), len(words.env), len(words.version)) > LONGEST:
        return TOO_LONG
    return None


def _plausible(at: int, arrived: Instant) -> Instant:
    return at if arrived - OLDEST <= at <= arrived else arrived


def _sighting(words: Words, instants: set[Instant], web_roots: WebRoots) -> Sighting:
    first_at = min(instants)
    return Sighting(
        service=scrub(words.service.strip()),
        env=scrub(words.env.strip()),
        version=scrub(words.version),
        first_at=first_at,
        minutes=frozenset(at // MINUTE for at in instants),
        git=_git(words, first_at, web_roots),
    )


def _git(words: Words, at: Instant, web_roots: WebRoots) -> GitSeen | None:
    if not words.commit_sha or not words.repository_url:
        return None
    git = _parsed_git(words.commit_sha, words.repository_url, tuple(sorted(web_roots.items())))
    return None if git is None else GitSeen(at, *git)


@lru_cache(maxsize=256)
def _parsed_git(commit_sha: str, url: str, web_roots: tuple[tuple[str, str], ...]) -> tuple[Sha, str, str] | None:
    """Commit, repository and URL; a process says the same again and again."""
    try:
        without, repository = parse_repository_url("", url, dict(web_roots))
        return parse_sha("", commit_sha), repository, without
    except InvalidError:
        return None
