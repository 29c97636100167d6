"""The changes stage: which deployments of a series count, and what each of them carried, with lead times and stages."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from bot.dora.changes import CarriedCommit, DeploymentChanges, Limits, derive_changes
from bot.dora.commits import Sha
from bot.dora.deployments import Deployment, Series, series_order
from bot.dora.history import History
from bot.dora.instants import Duration, Instant
from bot.dora.lead_time import ChangeLeadTime, commit_instant, lead_time
from bot.dora.pull_requests import PullRequest
from bot.dora.reasons import Dropped, NotComputed
from bot.dora.releases import Releases, find_releases
from bot.facts.names import Meanings
from bot.facts.pull_requests import load_pull_requests
from bot.facts.repositories import RepositoryRow
from bot.facts.sources import load_selection
from bot.pipeline.derive.difference import CHANGE, CHANGE_SET, Edit, difference
from bot.pipeline.derive.sources import SeriesRepository, Sources
from bot.store import Reader, Row, Value

NO_DURATION_SOURCES = frozenset({"apm", "tags"})
"""Sources whose deployments are an instant: their deploy time is absent."""


_NOTHING: Row = ("", "", None)
_NO_TIMES = (None, None, None, None)
_REASONS: Mapping[NotComputed | None, str | None] = {None: None, **{reason: reason.value for reason in NotComputed}}
"""As bare text: what is not of a plain type is looked at twice by a driver, for each row."""


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
    rows = reader.fetch("series_deployments", partial(Deployment, series), service=series.service, env=series.env)
    known, named = _under_one_name(reader, rows)
    counted, uncounted = _counted(reader, known)
    releases = find_releases(counted)
    deployments = [release.deployment for release in releases.releases]
    names = sorted({one.repository for one in deployments if one.repository})
    repositories = {
        name: _with_test_merges(reader, sources.view(reader, series.service, named.get(name)), deployments, name)
        for name in names
    }
    ordered = series_order(deployments, {name: repository.view for name, repository in repositories.items()})
    return SeriesFacts(
        series=series, deployments=tuple(ordered), repositories=repositories, releases=releases, uncounted=tuple(uncounted),
        taken=_taken(releases, {row.id: row for row in rows}) if releases.clusters else {},
    )


def _under_one_name(
    reader: Reader, rows: Sequence[Deployment]
) -> tuple[Sequence[Deployment], Mapping[str, RepositoryRow]]:
    """The deployments and their repositories: whatever a deployment's sender called one, all names of it are one here."""
    names = {row.repository for row in rows} - {""}
    meanings = Meanings(reader, names)
    ever = {name: meanings.ever(name) for name in names}
    named = {row.name: row for known in ever.values() for row in known}
    others = {name for name, known in ever.items() if any(row.name != name for row in known)}
    if not others:
        return rows, named
    meant = [meanings.at(row.repository, row.finished_at) if row.repository in others else None for row in rows]
    return [
        row if found is None else row._replace(repository=found.name) for row, found in zip(rows, meant, strict=True)
    ], named


def _counted(reader: Reader, known: Sequence[Deployment]) -> tuple[list[Deployment], list[Deployment]]:
    """The deployments that count, and the others."""
    selection = load_selection(reader, "deployments")
    counts_from = {source: selection.counts_from(source) for source in {one.source for one in known}}
    counted: list[Deployment] = []
    uncounted: list[Deployment] = []
    for one in known:
        first = counts_from[one.source]
        (uncounted if first is None or one.finished_at < first else counted).append(one)
    return counted, uncounted


def _taken(releases: Releases, rows: Mapping[str, Deployment]) -> dict[str, Row]:
    """What deployments have from those that were merged into them; `rows` are as they were sent."""
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
        times: list[Duration] = []
        if result.changes and repository is not None and repository.row is not None:
            times = _add_changes(changes, deployment, result, repository.view.history, repository.row.id, pull_requests)
        sets.append(_set_row(result, repository, times, facts.taken.get(deployment.id, _NOTHING)))
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
        repository = facts.repositories.get(deployment.repository) if result.changes else None
        if repository is not None and repository.row is not None:
            wanted[repository.row.id].update(change.number for change in result.changes if change.number is not None)
    return {
        (repository_id, record.pull_request.number): record.pull_request
        for repository_id, numbers in wanted.items()
        for record in load_pull_requests(reader, repository_id, sorted(numbers))
    }


def _add_changes(
    rows: list[Row],
    deployment: Deployment,
    result: DeploymentChanges,
    history: History,
    repository_id: int,
    pull_requests: dict[tuple[int, int], PullRequest],
) -> list[Duration]:
    """Add the rows of a deployment's changes; their lead times."""
    times: list[Duration] = []
    memo: dict[tuple[Instant | None, int | None], ChangeLeadTime] = {}
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
    return times


def _change_row(deployment_id: str, position: int, repository_id: int, change: CarriedCommit, time: ChangeLeadTime) -> Row:
    return (
        deployment_id, change.sha, position, repository_id, change.original_of, change.number, int(change.redeployed),
        int(change.first_delivery), time.total, *time.stages, ",".join(reason or "" for reason in time.absent),
    )


def _set_row(result: DeploymentChanges, repository: SeriesRepository | None, times: list[Duration], taken: Row) -> Row:
    id, predecessor, not_computed, flags, dropped, changes, _ = result
    if repository is not None and repository.patterns.flag:
        flags = (*flags, repository.patterns.flag)
    return (
        id, predecessor, _REASONS[not_computed], _flags(flags), _counts(tuple(dropped.items())),
        len(changes), sum([change.redeployed for change in changes]), len(times), *(_summary(times) if times else _NO_TIMES),
        None, *taken,
    )


def _summary(times: Sequence[Duration]) -> tuple[Duration, ...]:
    """Mean, median, least and greatest."""
    ordered = sorted(times)
    middle = ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]
    return _rounded(sum(ordered), len(ordered)), _rounded(middle, 2), ordered[0], ordered[-1]


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


