"""One release that several sources saw is one deployment (semantics §2, sources).

Rules:
- Two deployments of a series are the same release when they come from different sources, deployed the same (same sha; where one of
  them has none, same version) and overlap or lie at most 30 minutes apart.
- A release is seen at most once by each source. Sources take their turn from the most trusted on; a deployment joins the release to
  whose nearest member it is nearest, as long as nothing in that release deployed another sha. So a release may be a chain: each of
  its members is near another one, not necessarily near the first.
- What counts is the member of the most trusted source, with its instants; sha, repository and version that it lacks are those of the
  next one that has them. Nothing of this depends on the order in which deployments arrived.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.deployments import Deployment
from bot.dora.instants import MINUTE, Duration, Instant
from bot.dora.sources import DEPLOYMENT_SOURCES

NEAR: Duration = 30 * MINUTE


class Release(NamedTuple):
    """The deployment that counts, with what it took over, and those that were merged into it, the most trusted first."""

    deployment: Deployment
    merged: tuple[Deployment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """The releases of a series, and its clusters: deployments that may be one release, of which a change of one may change another."""

    releases: tuple[Release, ...]
    clusters: tuple[tuple[Deployment, ...], ...] = ()

    def reach(self, from_at: Instant) -> Instant:
        """From when on releases may differ, when deployments may have changed that finished at `from_at` or later."""
        touched = (
            min(one.finished_at for one in cluster)
            for cluster in self.clusters
            if any(one.finished_at >= from_at for one in cluster)
        )
        return min((from_at, *touched))


def find_releases(deployments: Sequence[Deployment]) -> Releases:
    """The releases among the counted deployments of one series."""
    if len({one.source for one in deployments}) < 2:
        return Releases(releases=tuple(Release(deployment=one) for one in deployments))
    clusters = _connected(deployments)
    return Releases(
        releases=tuple(release for cluster in clusters for release in _releases(cluster)),
        clusters=tuple(tuple(cluster) for cluster in clusters if len(cluster) > 1),
    )


def _connected(deployments: Sequence[Deployment]) -> list[list[Deployment]]:
    """The deployments by what hangs together."""
    parts = {one.id: [one] for one in deployments}
    for one, other in _pairs(deployments):
        mine, others = parts[one.id], parts[other.id]
        if mine is not others:
            mine += others
            parts.update((member.id, mine) for member in others)
    return list({id(part): part for part in parts.values()}.values())


def _pairs(deployments: Iterable[Deployment]) -> Iterator[tuple[Deployment, Deployment]]:
    """All pairs that may be one; only those are compared that share a sha or a version and are near in time."""
    alike: dict[Sha | str, list[Deployment]] = {}
    for one in sorted(deployments, key=lambda one: one.started_at):
        for name in (one.commit_sha, one.version):
            if name:
                alike.setdefault(name, []).append(one)
    for bucket in alike.values():
        recent: list[Deployment] = []
        for one in bucket:
            recent = [other for other in recent if other.finished_at + NEAR >= one.started_at]
            yield from ((other, one) for other in recent if _may_be_one(other, one))
            recent.append(one)


def _releases(cluster: Sequence[Deployment]) -> list[Release]:
    """Each source in its turn: pairs of a release and a deployment that may join it, the nearest first."""
    groups: list[list[Deployment]] = []
    for source in sorted({one.source for one in cluster}, key=_rank):
        turn = [one for one in cluster if one.source == source]
        pairs = sorted(
            (
                (min(_gap(one, member) for member in group if _may_be_one(one, member)), _key(group[0]), _key(one), group, one)
                for group in groups
                for one in turn
                if _joins(one, group)
            ),
            key=lambda pair: pair[:3],
        )
        placed: set[str] = set()
        taken: set[str] = set()
        for _, _, _, group, one in pairs:
            if one.id not in placed and group[0].id not in taken:
                placed.add(one.id)
                taken.add(group[0].id)
                group.append(one)
        groups += [[one] for one in turn if one.id not in placed]
    return [_release(group) for group in groups]


def _release(group: Sequence[Deployment]) -> Release:
    """The first counts; what it lacks is taken from the next one that has it."""
    first, *merged = group
    whole = first
    if whole.commit_sha is None:
        told = next((one for one in merged if one.commit_sha is not None), None)
        if told is not None:
            received_at = max(first.received_at, told.received_at)
            whole = whole._replace(commit_sha=told.commit_sha, repository=told.repository, received_at=received_at)
    if not whole.version:
        whole = whole._replace(version=next((one.version for one in merged if one.version), ""))
    return Release(deployment=whole, merged=tuple(merged))


def _may_be_one(one: Deployment, other: Deployment) -> bool:
    """Whether both may be the same release: deployed the same, near in time, by different sources."""
    if one.source == other.source or _gap(one, other) > NEAR:
        return False
    if one.commit_sha is not None and other.commit_sha is not None:
        return one.commit_sha == other.commit_sha
    return one.version != "" and one.version == other.version


def _joins(one: Deployment, group: Sequence[Deployment]) -> bool:
    """Whether a deployment is the same as some member, and no member deployed another sha."""
    shas = {member.commit_sha for member in group if member.commit_sha is not None}
    if one.commit_sha is not None and shas and one.commit_sha not in shas:
        return False
    return any(_may_be_one(one, member) for member in group)


def _gap(one: Deployment, other: Deployment) -> Duration:
    """How long nothing happened between both; 0 when they overlap."""
    return max(0, one.started_at - other.finished_at, other.started_at - one.finished_at)


def _rank(source: str) -> tuple[int, str]:
    known = source in DEPLOYMENT_SOURCES
    return (DEPLOYMENT_SOURCES.index(source) if known else len(DEPLOYMENT_SOURCES)), source


def _key(one: Deployment) -> tuple[Instant, Instant, str]:
    return one.finished_at, one.started_at, one.id
