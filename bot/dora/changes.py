"""The changes that one deployment carried for one service: range, path filter, squash originals, redeployments (semantics §3).

One walk over a series serves both the derivation, which keeps changes and counts, and the explanation, which lists every
candidate: they cannot disagree. No order of arrival shows in what comes out.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.delivered import Delivered
from bot.dora.deployments import Deployment, Predecessor, RepositoryView, find_predecessor
from bot.dora.history import CommitRange, History
from bot.dora.instants import DAY, Duration
from bot.dora.paths import EVERYTHING, PathMatcher
from bot.dora.reasons import Dropped, NotComputed

_NONE: AbstractSet[int] = frozenset()


@unique
class RangeFlag(StrEnum):
    """What is worth saying about a deployment's changes."""

    TRUNCATED = "truncated"
    PREDECESSOR_SKIPPED = "predecessor_skipped"
    TEST_MERGE = "test_merge"
    SHALLOW_BOUNDARY = "shallow_boundary"
    SQUASH_ORIGINALS_MISSING = "squash_originals_missing"


COMPUTED = (None, NotComputed.NO_MATCHING_COMMITS)
"""Of a deployment's range all that is known was looked at; at a shallow boundary more may lie hidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a range may reach; `None` lifts a limit."""

    max_gap: Duration | None = 60 * DAY
    max_commits: int | None = 5_000


class CarriedCommit(NamedTuple):
    """A change: a commit that this deployment carried. A tuple, like `DeploymentChanges`, because a rebuild makes very many."""

    sha: Sha
    original_of: Sha | None
    """The squashed commit that it stood behind."""
    number: int | None
    """The pull request that introduced it, as far as known."""
    redeployed: bool
    first_delivery: bool


class DeploymentChanges(NamedTuple):
    """What one deployment carried, newest first, or the reason why that is not known (or is nothing)."""

    deployment_id: str
    predecessor: str | None
    not_computed: NotComputed | None
    flags: tuple[str, ...]
    """Sorted."""
    dropped: Mapping[Dropped, int]
    changes: tuple[CarriedCommit, ...] = ()
    taken_back: tuple[Sha, ...] = ()
    """Of a deployment that moved backwards: the matching commits that its predecessor had, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A commit of a deployment's range: kept, or dropped with the reason. `original_of` is the squashed commit it stood behind."""

    sha: Sha
    reason: Dropped | None = None
    original_of: Sha | None = None
    redeployed: bool = False
    first_delivery: bool = False
    number: int | None = None

    @property
    def kept(self) -> bool:
        """Whether the commit is a change of this deployment."""
        return self.reason is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything behind one deployment's changes. The range is `since..head` where both are given; patterns as matched."""

    changes: DeploymentChanges
    since: Sha | None = None
    head: Sha | None = None
    patterns: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    """Newest first, originals after the squashed commit that they replace."""


def derive_changes(
    deployments: Sequence[Deployment],
    *,
    start: int = 0,
    repositories: Mapping[str, RepositoryView],
    limits: Limits = Limits(),
) -> Iterator[DeploymentChanges]:
    """The changes of each deployment from position `start` on; `deployments` is the whole series, in `series_order`."""
    walk = _SeriesWalk(repositories, limits)
    for position, deployment in enumerate(deployments):
        result = walk.step(deployment, told=position >= start)
        if position >= start:
            yield result


def explain_changes(
    deployments: Sequence[Deployment],
    deployment_id: str,
    *,
    repositories: Mapping[str, RepositoryView],
    limits: Limits = Limits(),
) -> Explanation | None:
    """The same walk, and every candidate of one deployment of the series; `None` when it is not in it."""
    walk = _SeriesWalk(repositories, limits)
    for deployment in deployments:
        result = walk.step(deployment)
        if deployment.id == deployment_id:
            return walk.explain(result)
    return None


@dataclass(slots=True, kw_only=True)
class _Place:
    """What the walk has seen of one repository; all names of it share `earlier` and `delivered`."""

    view: RepositoryView
    earlier: list[tuple[Deployment, int | None]]
    delivered: Delivered
    touching: Sequence[int] | None
    """The commits that pass the path filter, ascending; `None` without a filter."""

    squashed: AbstractSet[int]
    """The commits that squash merges made."""

    def note(self, matched: AbstractSet[int]) -> None:
        """Count what `_carry` would count."""
        graph, introductions = self.view.history.graph, self.view.introductions
        self.delivered.note(matched)
        for at in matched & self.squashed:
            for original in introductions.originals_of(graph.sha(at)):
                index = graph.index(original)
                self.delivered.count(original if index is None else index)

    def matching(self, span: CommitRange) -> AbstractSet[int]:
        """The commits of a range that pass the path filter."""
        touching = self.touching
        if touching is None:
            return span.commits
        low = bisect_left(touching, span.lowest)
        near = touching[low : bisect_right(touching, span.highest, low)]
        return span.commits.intersection(near) if near else _NONE


class _Ends(NamedTuple):
    """What a step compared; `matched` are the commits that passed the path filter."""

    view: RepositoryView
    a: int
    b: int
    span: CommitRange
    matched: AbstractSet[int]


class _SeriesWalk:
    """Goes through a series in its order, knowing at each step what the earlier ones delivered."""

    def __init__(self, repositories: Mapping[str, RepositoryView], limits: Limits) -> None:
        self._repositories = repositories
        self._limits = limits
        self._places: dict[str, _Place] = {}
        self._ends: _Ends | None = None

    def step(self, deployment: Deployment, *, told: bool = True) -> DeploymentChanges:
        """The next deployment's changes; untold, only what later ones need to know is noted."""
        self._ends = None
        sha = deployment.commit_sha
        if sha is None or not deployment.repository:
            return DeploymentChanges(deployment.id, None, NotComputed.NO_GIT, (), {})
        place = self._places.get(deployment.repository) or self._enter(deployment.repository)
        view = place.view
        at = view.locate(sha)
        found = find_predecessor(deployment, place.earlier, synced_from=view.synced_from, max_gap=self._limits.max_gap)
        place.earlier.append((deployment, at))
        flags: tuple[RangeFlag, ...] = (RangeFlag.PREDECESSOR_SKIPPED,) if found.skipped else ()
        if at is None:
            return DeploymentChanges(deployment.id, found.id, NotComputed.COMMIT_UNKNOWN, flags, {})
        if sha in view.aliases:
            flags += (RangeFlag.TEST_MERGE,)
        if found.at is None:
            place.delivered.deliver(at)
            return DeploymentChanges(deployment.id, found.id, found.reason, flags, {})
        span = view.history.range(found.at, at, max_commits=self._limits.max_commits)
        if span.boundary:
            flags += (RangeFlag.SHALLOW_BOUNDARY,)
        if span.apart:
            place.delivered.deliver(at, descends=not span.behind)
            return DeploymentChanges(deployment.id, found.id, NotComputed.COMMIT_UNKNOWN, _sorted(flags), {})
        self._ends = ends = _Ends(view, found.at, at, span, place.matching(span))
        if told:
            result = self._carried(deployment, found, place, ends, flags)
        else:
            result = DeploymentChanges(deployment.id, found.id, None, flags, {})
            place.note(ends.matched)
        place.delivered.deliver(at, descends=not span.behind)
        return result

    def _enter(self, name: str) -> _Place:
        view = self._repositories.get(name)
        if view is None:  # nothing is known of it yet
            view = RepositoryView(history=History(), matcher=PathMatcher((EVERYTHING,)))
        same = next((place for place in self._places.values() if place.view.history is view.history), None)
        place = _Place(
            view=view,
            earlier=[] if same is None else same.earlier,
            delivered=Delivered(view.history.graph) if same is None else same.delivered,
            touching=None if view.matcher.everything else sorted(view.history.touching(view.matcher)),
            squashed={at for at in map(view.history.graph.index, view.introductions.squashed) if at is not None},
        )
        return self._places.setdefault(name, place)

    def _carried(
        self, deployment: Deployment, found: Predecessor, place: _Place, ends: _Ends, flags: tuple[RangeFlag, ...]
    ) -> DeploymentChanges:
        span, matched = ends.span, ends.matched
        if span.truncated:
            flags += (RangeFlag.TRUNCATED,)
        if matched:
            changes, squashed, missing = _carry(place, matched)
            if missing:
                flags += (RangeFlag.SQUASH_ORIGINALS_MISSING,)
            dropped = _dropped(ends, changes, squashed)
            return DeploymentChanges(deployment.id, found.id, None, _sorted(flags), dropped, tuple(changes))
        if span.size:
            reason = NotComputed.NO_MATCHING_COMMITS
            return DeploymentChanges(deployment.id, found.id, reason, _sorted(flags), span.unmatched)
        reason = NotComputed.SAME_COMMIT if ends.a == ends.b else NotComputed.MOVED_BACKWARDS
        return DeploymentChanges(
            deployment.id, found.id, reason, _sorted(flags), {}, taken_back=self._taken_back(place, ends)
        )

    def _taken_back(self, place: _Place, ends: _Ends) -> tuple[Sha, ...]:
        history = place.view.history
        back = history.range(ends.b, ends.a, max_commits=self._limits.max_commits)
        return tuple(history.graph.sha(at) for at in history.newest_first(place.matching(back)))

    def explain(self, changes: DeploymentChanges) -> Explanation:
        """What the latest step, which gave `changes`, looked at."""
        if self._ends is None:
            return Explanation(changes=changes)
        view, a, b = self._ends.view, self._ends.a, self._ends.b
        return Explanation(
            changes=changes,
            since=view.history.graph.sha(a),
            head=view.history.graph.sha(b),
            patterns=view.matcher.patterns,
            candidates=tuple(_candidates(self._ends, changes)),
        )


def _sorted(flags: tuple[RangeFlag, ...]) -> tuple[RangeFlag, ...]:
    return tuple(sorted(flags)) if flags else flags


def _dropped(ends: _Ends, changes: Sequence[CarriedCommit], squashed: int) -> Mapping[Dropped, int]:
    """How many commits of the range were left out, by reason."""
    span = ends.span
    counts = dict(span.unmatched)
    if len(ends.matched) == len(span.commits):
        counts.pop(Dropped.PATHS_UNKNOWN, None)
        counts.pop(Dropped.PATH, None)
    else:
        counts[Dropped.PATH] -= len(ends.matched)
    if squashed:
        counts[Dropped.SQUASHED] = squashed
        graph = ends.view.history.graph
        originals = {graph.index(change.sha) for change in changes if change.original_of is not None}
        # What stands behind a squashed commit is kept, though the filter dropped it where the range has it itself.
        for at in graph.compare(ends.a, ends.b)[1]:
            if at in originals:
                counts[_why_dropped(ends, at)] -= 1
    return counts if all(counts.values()) else {reason: count for reason, count in counts.items() if count}


def _carry(place: _Place, matched: AbstractSet[int]) -> tuple[list[CarriedCommit], int, bool]:
    """(changes newest first, how many squashed commits gave way to their originals, whether originals are missing)."""
    view, delivered = place.view, place.delivered
    graph, introductions = view.history.graph, view.introductions
    again = delivered.redeployed(matched)
    changes: list[CarriedCommit] = []
    squashed, missing = 0, False
    stood_for: set[Sha] = set()
    for at in reversed(view.history.newest_first(matched)):  # oldest first: of two twins the older is the first delivery
        sha = graph.sha(at)
        number = introductions.pull_request_of(sha)
        if number is None:
            changes.append(CarriedCommit(sha, None, None, at in again, delivered.count(at)))
            continue
        originals = [one for one in introductions.originals_of(sha) if one not in stood_for]
        if originals:
            squashed += 1
            stood_for.update(originals)
            changes += _originals(place, sha, originals, matched, at in again)
            delivered.count(at)
        else:
            missing = missing or introductions.lacks_originals(sha)
            redeployed = at in again or _came_squashed(place, sha)
            changes.append(CarriedCommit(sha, None, number, redeployed, delivered.count(at)))
    changes.reverse()
    return changes, squashed, missing


def _came_squashed(place: _Place, sha: Sha) -> bool:
    """Whether the commit is an original, and an earlier head reached the squashed commit that stands for it."""
    squashed = place.view.introductions.squashed_as(sha)
    at = None if squashed is None else place.view.history.graph.index(squashed)
    return at is not None and place.delivered.has(at)


def _originals(
    place: _Place, sha: Sha, originals: Sequence[Sha], matched: AbstractSet[int], again: bool
) -> Iterator[CarriedCommit]:
    """What a squashed commit stands for, parents before children; an original that the range itself carries counts there."""
    graph, delivered, introductions = place.view.history.graph, place.delivered, place.view.introductions
    squashed = graph.index(sha)
    first = squashed is None or not delivered.counted(squashed)
    for original in originals:
        at = graph.index(original)
        if at is not None and at in matched:
            continue
        redeployed = again or (at is not None and delivered.has(at))
        uncounted = delivered.count(original if at is None else at)
        yield CarriedCommit(original, sha, introductions.pull_request_of(original), redeployed, first and uncounted)


def _candidates(ends: _Ends, changes: DeploymentChanges) -> Iterator[Candidate]:
    """Every commit of the range, newest first; a squashed one is followed by its originals."""
    history, graph = ends.view.history, ends.view.history.graph
    kept = {change.sha: change for change in changes.changes if change.original_of is None}
    behind: dict[Sha, list[CarriedCommit]] = {}
    for change in changes.changes:
        if change.original_of is not None:
            behind.setdefault(change.original_of, []).append(change)
    elsewhere = {change.sha for changes in behind.values() for change in changes}
    for at in history.newest_first(graph.compare(ends.a, ends.b)[1]):
        sha = graph.sha(at)
        if at in ends.matched:
            yield _kept(kept[sha]) if sha in kept else Candidate(sha=sha, reason=Dropped.SQUASHED)
            yield from map(_kept, behind.get(sha, ()))
        elif sha not in elsewhere:
            yield Candidate(sha=sha, reason=_why_dropped(ends, at))


def _kept(change: CarriedCommit) -> Candidate:
    return Candidate(
        sha=change.sha,
        original_of=change.original_of,
        redeployed=change.redeployed,
        first_delivery=change.first_delivery,
        number=change.number,
    )


def _why_dropped(ends: _Ends, at: int) -> Dropped:
    if ends.view.history.graph.is_merge(at):
        return Dropped.MERGE
    if at not in ends.span.commits:
        return Dropped.TRUNCATED
    return Dropped.PATHS_UNKNOWN if at in ends.view.history.paths_unknown else Dropped.PATH
