"""The changes stage: which deployments of a series count, and what each of them carried, with lead times and stages."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from bot.dora.changes import CarriedCommit, DeploymentChanges, Limits, derive_changes
from bot.dora.commits import Sha
from bot.dora.deployments import Deployment, Series, series_order
from bot.dora.instants import Duration, Instant
from bot.dora.lead_time import ChangeLeadTime, commit_instant, lead_time
from bot.dora.pull_requests import PullRequest
from bot.dora.reasons import Dropped, NotComputed
from bot.dora.releases import Releases, find_releases
from bot.dora.sources import counts
from bot.facts.names import meanings_at
from bot.facts.pull_requests import load_pull_requests
from bot.facts.repositories import RepositoryRow
from bot.facts.sources import load_selection
from bot.pipeline.derive.difference import CHANGE, CHANGE_SET, Edit, difference
from bot.pipeline.derive.sources import SeriesRepository, Sources
from bot.store import Reader, Row, Value

NO_DURATION_SOURCES = frozenset({"apm", "tags"})
"""Sources whose deployments are an instant: their deploy time is absent."""


_NOTHING: Row = ("", "", None)


class _DeploymentRow(NamedTuple):
    id: str
    version: str
    repository: str
    commit_sha: Sha | None
    started_at: Instant
    finished_at: Instant
    source: str
    received_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFacts:
    """A series and what it sees of its repositories, in one snapshot.

    `deployments` are those that count, in series order: what another one stands for is in `releases` alone, and those whose source
    is off are `uncounted`.
    """

    series: Series
    deployments: tuple[Deployment, ...]
    repositories: dict[str, SeriesRepository]
    releases: Releases
    uncounted: tuple[Deployment, ...]
    taken: dict[str, Row]
    """Version, repository (as sent) and sha that a deployment has from one that was merged into it."""

    @property
    def merged(self) -> dict[str, str]:
        """Deployments that another one stands for, with its id."""
        return {one.id: release.deployment.id for release in self.releases.releases for one in release.merged}


def load_series(reader: Reader, sources: Sources, series: Series) -> SeriesFacts:
    """The facts of one series."""
    rows = reader.fetch("series_deployments", _DeploymentRow, service=series.service, env=series.env)
    found = meanings_at(reader, {(row.repository, row.finished_at) for row in rows if row.repository})
    known = [_deployment(series, row, found.get((row.repository, row.finished_at))) for row in rows]
    selection = load_selection(reader, "deployments")
    counted: list[Deployment] = []
    uncounted: list[Deployment] = []
    for one in known:
        (counted if counts(selection, one.source, one.finished_at) else uncounted).append(one)
    releases = find_releases(counted)
    deployments = [release.deployment for release in releases.releases]
    # Whatever a deployment's sender called it, all names of one repository are one here.
    named = {row.name: row for row in found.values()}
    names = sorted({one.repository for one in deployments if one.repository})
    repositories = {
        name: _with_test_merges(reader, sources.view(reader, series.service, named.get(name)), deployments, name)
        for name in names
    }
    ordered = series_order(deployments, {name: repository.view for name, repository in repositories.items()})
    return SeriesFacts(
        series=series, deployments=tuple(ordered), repositories=repositories, releases=releases,
        uncounted=tuple(uncounted),
        taken=_taken(releases, {row.id: row for row in rows}),
    )


def _taken(releases: Releases, rows: Mapping[str, _DeploymentRow]) -> dict[str, Row]:
    taken: dict[str, Row] = {}
    for release in releases.releases:
        if release.merged:
            own, whole = rows[release.deployment.id], release.deployment
            repository, sha = "", None
            if own.commit_sha is None and whole.commit_sha is not None:
                teller = next(one for one in release.merged if one.commit_sha is not None)
                repository, sha = rows[teller.id].repository, whole.commit_sha
            taken[own.id] = ("" if own.version else whole.version, repository, sha)
    return taken


def _with_test_merges(
    reader: Reader, seen: SeriesRepository, deployments: Sequence[Deployment], name: str
) -> SeriesRepository:
    """What the forge merged to try a pull request out and somebody deployed stands for the pull request's head."""
    graph = seen.view.history.graph
    shas = {one.commit_sha for one in deployments if one.repository == name and one.commit_sha is not None}
    unknown = sorted(sha for sha in shas if graph.index(sha) is None)
    if seen.row is None or not unknown:
        return seen
    heads = dict(reader.fetch_in("test_merges", _head, unknown, repository_id=seen.row.id))
    return seen._replace(view=replace(seen.view, aliases=heads)) if heads else seen


def _head(sha: Sha, head_sha: Sha, *_: object) -> tuple[Sha, Sha]:
    return bytes(sha), bytes(head_sha)


def _deployment(series: Series, row: _DeploymentRow, repository: RepositoryRow | None) -> Deployment:
    return Deployment(
        id=row.id, series=series, version=row.version, repository=row.repository if repository is None else repository.name,
        commit_sha=None if row.commit_sha is None else bytes(row.commit_sha), started_at=row.started_at,
        finished_at=row.finished_at, source=row.source, received_at=row.received_at,
    )


def derive_series_changes(
    reader: Reader, sources: Sources, series: Series, *, from_at: Instant, limits: Limits
) -> list[Edit]:
    """What makes the derived rows of the series, from `from_at` on, what its facts say."""
    facts = load_series(reader, sources, series)
    from_at = facts.releases.reach(from_at)
    start = next((i for i, one in enumerate(facts.deployments) if one.finished_at >= from_at), len(facts.deployments))
    views = {name: repository.view for name, repository in facts.repositories.items()}
    results = list(derive_changes(facts.deployments, start=start, repositories=views, limits=limits))
    pull_requests = _pull_requests(reader, facts, results, start)
    sets: list[Row] = []
    changes: list[Row] = []
    for deployment, result in zip(facts.deployments[start:], results, strict=True):
        repository = facts.repositories.get(deployment.repository)
        rows, times = _change_rows(deployment, result, repository, pull_requests)
        changes.extend(rows)
        sets.append((*_set_row(result, repository, times), None, *facts.taken.get(deployment.id, _NOTHING)))
    sets += [_uncounted(one.id, NotComputed.SOURCE_OFF, None) for one in facts.uncounted if one.finished_at >= from_at]
    sets += [
        _uncounted(one.id, None, release.deployment.id)
        for release in facts.releases.releases
        for one in release.merged
        if one.finished_at >= from_at
    ]
    where: dict[str, Value] = {"service": series.service, "env": series.env, "from_at": from_at}
    return [
        *difference(CHANGE_SET, reader.fetch("series_change_sets", _row, **where), sets),
        *difference(CHANGE, reader.fetch("series_changes", _row, **where), changes),
    ]


def _pull_requests(
    reader: Reader, facts: SeriesFacts, results: Sequence[DeploymentChanges], start: int
) -> dict[tuple[int, int], PullRequest]:
    wanted: dict[int, set[int]] = defaultdict(set)
    for deployment, result in zip(facts.deployments[start:], results, strict=True):
        repository = facts.repositories.get(deployment.repository)
        if repository is not None and repository.row is not None:
            wanted[repository.row.id].update(change.number for change in result.changes if change.number is not None)
    return {
        (repository_id, record.pull_request.number): record.pull_request
        for repository_id, numbers in wanted.items()
        for record in load_pull_requests(reader, repository_id, sorted(numbers))
    }


def _change_rows(
    deployment: Deployment,
    result: DeploymentChanges,
    repository: SeriesRepository | None,
    pull_requests: dict[tuple[int, int], PullRequest],
) -> tuple[list[Row], list[Duration]]:
    if repository is None or repository.row is None:
        return [], []
    rows: list[Row] = []
    times: list[Duration] = []
    memo: dict[tuple[Instant | None, int | None], ChangeLeadTime] = {}
    history, repository_id = repository.view.history, repository.row.id
    for position, change in enumerate(result.changes):
        at = history.graph.index(change.sha)
        commit_at = None if at is None else commit_instant(
            history.authored_at(at), history.committed_at(at), started_at=deployment.started_at
        )
        time = memo.get((commit_at, change.number))
        if time is None:
            time = memo[commit_at, change.number] = lead_time(
                commit_at, started_at=deployment.started_at, finished_at=deployment.finished_at,
                has_duration=deployment.source not in NO_DURATION_SOURCES,
                pull_request=pull_requests.get((repository_id, change.number)) if change.number is not None else None,
            )
        if time.total is not None:
            times.append(time.total)
        rows.append(_change_row(deployment.id, position, repository_id, change, time))
    return rows, times


def _change_row(deployment_id: str, position: int, repository_id: int, change: CarriedCommit, time: ChangeLeadTime) -> Row:
    return (
        deployment_id, change.sha, position, repository_id, change.original_of, change.number, int(change.redeployed),
        int(change.first_delivery), time.total, *time.stages, ",".join(reason or "" for reason in time.absent),
    )


def _set_row(result: DeploymentChanges, repository: SeriesRepository | None, times: Sequence[Duration]) -> Row:
    flags = result.flags
    if repository is not None and repository.patterns.flag:
        flags = (*flags, repository.patterns.flag)
    ordered = sorted(times)
    mean = _rounded(sum(ordered), len(ordered)) if ordered else None
    middle = _rounded(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2], 2) if ordered else None
    return (
        result.deployment_id, result.predecessor, result.not_computed, _flags(flags), _counts(tuple(result.dropped.items())),
        len(result.changes), sum(change.redeployed for change in result.changes), len(times), mean, middle,
        ordered[0] if ordered else None, ordered[-1] if ordered else None,
    )


def _uncounted(id: str, not_computed: NotComputed | None, merged_into: str | None) -> Row:
    return (id, None, not_computed, "[]", "{}", 0, 0, 0, None, None, None, None, merged_into, *_NOTHING)


@lru_cache(1_000)
def _flags(flags: tuple[str, ...]) -> str:
    return json.dumps(sorted(set(flags)))


@lru_cache(10_000)
def _counts(dropped: tuple[tuple[Dropped, int], ...]) -> str:
    return json.dumps({reason.value: count for reason, count in sorted(dropped) if count})


def _rounded(total: int, count: int) -> int:
    """Integer division, half up: equal on every machine."""
    return (2 * total + count) // (2 * count)


def _row(*columns: object) -> Row:
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in columns)  # type: ignore[misc]


