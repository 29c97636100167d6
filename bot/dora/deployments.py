"""Deployments, their series, and each one's predecessor."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.history import History
from bot.dora.instants import Duration, Instant
from bot.dora.introductions import Introductions
from bot.dora.paths import PathMatcher
from bot.dora.reasons import NotComputed

_INSTANTS = attrgetter("finished_at", "started_at")
_DIGITS = re.compile("([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Series:
    """All deployments of one service in one environment; both trimmed lower case, `env` is "" when none was given."""

    service: str
    env: str


class Deployment(NamedTuple):
    """A deployment as received; a tuple, because series are long and read whole.

    `repository` is a RepositoryId's text, `received_at` its receipt instant (with `receipt` the order of writes).
    """

    series: Series
    id: str
    version: str
    """Verbatim, "" when absent."""
    repository: str
    """"" when the deployment has no git data."""
    commit_sha: Sha | None
    started_at: Instant
    finished_at: Instant
    source: str
    received_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryView:
    """What a series sees of one repository. Names of one repository (renames) share one `history` object."""

    history: History
    matcher: PathMatcher
    introductions: Introductions = field(default_factory=Introductions)
    synced_from: Instant | None = None
    """When the latest completed sync began; `None` before the first."""
    aliases: Mapping[Sha, Sha] = field(default_factory=dict)
    """A forge's test merges, each with the head of its pull request."""

    def locate(self, sha: Sha) -> int | None:
        """The index of a deployed commit, or of what it stands for; `None` when it is not mirrored."""
        return self.history.graph.index(self.aliases.get(sha, sha))


class Predecessor(NamedTuple):
    """The deployment that a range starts from, or why there is none. `at` is its commit's index, set when there is no reason."""

    id: str | None
    at: int | None = None
    reason: NotComputed | None = None
    skipped: bool = False
    """Whether a nearer one was passed over, because a later sync did not bring its commit."""


def find_predecessor(
    deployment: Deployment,
    earlier: Sequence[tuple[Deployment, int | None]],
    *,
    synced_from: Instant | None,
    max_gap: Duration | None,
) -> Predecessor:
    """The predecessor among the `earlier` ones of the same series and repository, in series order, each with its index (§3.1).

    The gap is asked first: an unknown commit may become known, and can be passed over for an even older one only.
    """
    skipped = False
    for candidate, at in reversed(earlier):
        if max_gap is not None and deployment.finished_at - candidate.finished_at > max_gap:
            return Predecessor(candidate.id, None, NotComputed.PREDECESSOR_TOO_OLD, skipped)
        if at is not None:
            return Predecessor(candidate.id, at, None, skipped)
        if synced_from is None or synced_from <= candidate.received_at:
            return Predecessor(candidate.id, None, NotComputed.PREDECESSOR_COMMIT_UNKNOWN, skipped)
        skipped = True
    return Predecessor(None, None, NotComputed.FIRST_DEPLOYMENT, skipped)


def series_order(
    deployments: Iterable[Deployment], repositories: Mapping[str, RepositoryView]
) -> list[Deployment]:
    """The deployments of one series in their order (§2); it does not depend on the order they come in."""
    ordered = sorted(deployments, key=_INSTANTS)
    if len(set(map(_INSTANTS, ordered))) == len(ordered):
        return ordered
    groups = [list(equals) for _, equals in groupby(ordered, key=_INSTANTS)]
    return [deployment for equals in groups for deployment in _ancestors_first(equals, repositories)]


def natural_order(version: str) -> tuple[tuple[tuple[int, str], ...], str]:
    """A sort key under which `v1.9` comes before `v1.10`; different versions never have equal keys."""
    pieces = _DIGITS.split(version)  # text and digits by turns
    pieces[1::2] = [digits.lstrip("0") for digits in pieces[1::2]]
    # Digits compare by length, then as text: a number of any length needs no arithmetic.
    return tuple((len(piece) if at % 2 else 0, piece) for at, piece in enumerate(pieces)), version


def _ancestors_first(equals: list[Deployment], repositories: Mapping[str, RepositoryView]) -> list[Deployment]:
    """Deployments of one instant in topological order of their commits, among the free ones the least (version, id)."""
    waiting = sorted(equals, key=lambda deployment: (natural_order(deployment.version), deployment.id))
    if len(waiting) < 2:
        return waiting
    commit = [_commit(deployment, repositories) for deployment in waiting]
    before = _ancestors([found for found in commit if found is not None])
    pending = Counter(commit)
    free = [at for at, found in enumerate(commit) if not before.get(found)]
    ordered: list[Deployment] = []
    while free:
        at = heappop(free)
        ordered.append(waiting[at])
        placed = commit[at]
        pending[placed] -= 1
        if placed is None or pending[placed]:
            continue
        for other, ancestors in before.items():
            if placed in ancestors:
                ancestors.remove(placed)
                if not ancestors:
                    for freed in (at for at, found in enumerate(commit) if found == other):
                        heappush(free, freed)
    return ordered


def _commit(deployment: Deployment, repositories: Mapping[str, RepositoryView]) -> tuple[History, int] | None:
    view = repositories.get(deployment.repository)
    at = view.locate(deployment.commit_sha) if view is not None and deployment.commit_sha is not None else None
    return None if view is None or at is None else (view.history, at)


def _ancestors(commits: Iterable[tuple[History, int]]) -> dict[tuple[History, int] | None, set[tuple[History, int]]]:
    """The strict ancestors of each, among them."""
    by_history: dict[History, set[int]] = {}
    for history, at in commits:
        by_history.setdefault(history, set()).add(at)
    return {
        (history, at): {(history, other) for other in ancestors}
        for history, group in by_history.items()
        for at, ancestors in history.graph.ancestors_among(group).items()
    }
