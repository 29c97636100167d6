"""Ranges, path filters and lead times of a real history equal what the git program says of it.

310 tags of a public monorepo stand for deployments (20,372 commits, 2,239 merges, release branches, cherry-picks).
"""

import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from statistics import median

import pytest

from bot.dora.changes import DeploymentChanges, Limits, derive_changes
from bot.dora.commits import twin
from bot.dora.deployments import Deployment, RepositoryView, Series, series_order
from bot.dora.history import CommitRow, History
from bot.dora.instants import DAY, SECOND
from bot.dora.lead_time import commit_instant
from bot.dora.metrics import summarise
from bot.dora.paths import PathMatcher
from bot.dora.reasons import Dropped, NotComputed
from tests.dora.oracle.real import UNPACK, Logged, RealHistory, Tagged

PATTERNS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("backend/**",): ("backend",),
    ("config-ui/src/**", "grafana/**"): ("config-ui/src", "grafana"),
    ("*.go", "!*_test.go"): (":(glob)**/*.go", ":(glob,exclude)**/*_test.go"),
    ("models",): (":(glob)**/models", ":(glob)**/models/**"),
    ("/*.md", ".github/"): (":(glob)*.md", ":(glob)**/.github/**"),
    ("backend/plugins/j*/**", "plugins/j*/**"): (":(glob)backend/plugins/j*/**", ":(glob)plugins/j*/**"),
    ("/docs/**", "backend/server/api/*.go"): ("docs", ":(glob)backend/server/api/*.go"),
}
"""The product's patterns, with the pathspecs that say the same to git."""
NO_LIMITS = Limits(max_gap=None, max_commits=None)


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> RealHistory:
    if not UNPACK.exists():
        pytest.skip(f"the shared real history is missing: {UNPACK}")
    return RealHistory(tmp_path_factory.mktemp("real") / "history.git")


@pytest.fixture(scope="session")
def logged(real: RealHistory) -> dict[str, Logged]:
    return {commit.sha: commit for commit in real.log()}


@pytest.fixture(scope="session")
def history(logged: dict[str, Logged]) -> History:
    """Loaded in git's order, newest first: every child arrives before its parents."""
    paths: dict[bytes, int] = {}
    rows = [
        CommitRow(
            bytes.fromhex(commit.sha),
            [bytes.fromhex(parent) for parent in commit.parents],
            commit.authored * SECOND,
            commit.committed * SECOND,
            twin(commit.author, commit.authored * SECOND, commit.subject),
            [paths.setdefault(path, len(paths) + 1) for path in commit.paths],
        )
        for commit in logged.values()
    ]
    return History.build(rows, [(number, path) for path, number in paths.items()])


@pytest.fixture(scope="session")
def tags(real: RealHistory) -> list[Tagged]:
    found = real.tags()
    assert len(found) == 310
    return found


def series_of(tags: list[Tagged], history: History) -> list[Deployment]:
    """The tags as deployments of one service, in the product's order."""
    deployments = [
        Deployment(
            id=tag.name,
            series=Series(service="lake", env="prod"),
            version=tag.name,
            repository="r",
            commit_sha=bytes.fromhex(tag.sha),
            started_at=tag.at * SECOND,
            finished_at=tag.at * SECOND,
            source="tags",
            received_at=tag.at * SECOND,
        )
        for tag in tags
    ]
    return series_order(reversed(deployments), {"r": RepositoryView(history=history, matcher=PathMatcher(("**",)))})


def derive(
    series: list[Deployment], history: History, *patterns: str, limits: Limits = NO_LIMITS
) -> list[DeploymentChanges]:
    view = RepositoryView(history=history, matcher=PathMatcher(patterns or ("**",)))
    return list(derive_changes(series, repositories={"r": view}, limits=limits))


def hexes(result: DeploymentChanges) -> set[str]:
    return {change.sha.hex() for change in result.changes}


def head(deployment: Deployment) -> str:
    assert deployment.commit_sha is not None
    return deployment.commit_sha.hex()


def pairs_of(series: list[Deployment]) -> list[tuple[Deployment, Deployment]]:
    """Neighbours, and pairs a third and two thirds of the history apart, either way round."""
    far = [(series[at], series[(at + 103) % len(series)]) for at in range(0, len(series), 8)]
    farther = [(series[(at + 206) % len(series)], series[at]) for at in range(0, len(series), 9)]
    return [*pairwise(series), *far, *farther]


def test_the_series_is_ordered_as_time_and_history_have_it(
    real: RealHistory, tags: list[Tagged], history: History
) -> None:
    series = series_of(tags, history)
    assert [one.finished_at for one in series] == sorted(tag.at * SECOND for tag in tags)
    equal = [(a, b) for a, b in pairwise(series) if a.finished_at == b.finished_at]
    assert equal
    for a, b in equal:
        assert head(a) == head(b) or real.between(head(a), head(b))


def test_every_range_equals_rev_list(real: RealHistory, tags: list[Tagged], history: History) -> None:
    graph = history.graph
    pairs = pairs_of(series_of(tags, history))
    assert len(pairs) > 380
    for a, b in pairs:
        since, until = graph.index(a.commit_sha or b""), graph.index(b.commit_sha or b"")
        assert since is not None
        assert until is not None
        expected = real.between(head(a), head(b))
        without_merges = real.carried(head(a), head(b))
        assert {graph.sha(at).hex() for at in graph.between([since], until)} == expected
        span = history.range(since, until, max_commits=None)
        assert {graph.sha(at).hex() for at in span.commits} == without_merges
        assert span.size == len(expected)
        assert graph.is_ancestor(since, until) == (not real.between(head(b), head(a)))


def test_every_deployment_carries_what_rev_list_lists(real: RealHistory, tags: list[Tagged], history: History) -> None:
    series = series_of(tags, history)
    results = derive(series, history)
    assert results[0].not_computed is NotComputed.FIRST_DEPLOYMENT
    for (a, b), result in zip(pairwise(series), results[1:], strict=True):
        assert result.predecessor == a.id
        assert hexes(result) == real.carried(head(a), head(b))
        assert (result.not_computed is NotComputed.SAME_COMMIT) == (head(a) == head(b))


def test_tags_deployed_in_a_wild_order_carry_and_take_back_what_rev_list_lists(
    real: RealHistory, tags: list[Tagged], history: History
) -> None:
    wild = tags[::4]
    random.Random(2).shuffle(wild)
    series = series_of([replace(tag, at=at * 86_400) for at, tag in enumerate(wild)], history)
    assert [one.id for one in series] == [tag.name for tag in wild]
    backwards = 0
    for (a, b), result in zip(pairwise(series), derive(series, history)[1:], strict=True):
        assert hexes(result) == real.carried(head(a), head(b))
        if result.not_computed is NotComputed.MOVED_BACKWARDS:
            assert {sha.hex() for sha in result.taken_back} == real.carried(head(b), head(a))
            assert not real.between(head(a), head(b))
            backwards += 1
    assert backwards > 10


@pytest.mark.parametrize("patterns", PATTERNS, ids=" ".join)
def test_path_filtered_changes_equal_gits_own_pathspecs(
    patterns: tuple[str, ...], real: RealHistory, tags: list[Tagged], history: History
) -> None:
    touching = real.touching(PATTERNS[patterns])
    assert touching
    series = series_of(tags, history)
    kept = 0
    for (a, b), result in zip(pairwise(series), derive(series, history, *patterns)[1:], strict=True):
        without_merges = real.carried(head(a), head(b))
        assert hexes(result) == without_merges & touching
        if without_merges:
            assert result.dropped.get(Dropped.PATH, 0) == len(without_merges - touching)
        kept += len(result.changes)
    assert kept > 50
    a, b = series[40], series[200]
    far = derive([a, b], history, *patterns)[1]
    assert hexes(far) == real.touching(PATTERNS[patterns], f"{head(a)}..{head(b)}")


def test_redeployed_equals_plain_sets(
    real: RealHistory, logged: dict[str, Logged], tags: list[Tagged], history: History
) -> None:
    series = series_of(tags, history)
    delivered: set[str] = set()
    twins: set[tuple[str, int, str]] = set()
    counted: set[tuple[str, int, str]] = set()
    heads: list[str] = []
    redeployed = repeated = 0
    for deployment, result in zip(series, derive(series, history), strict=True):
        expected, first = set(), set()
        for sha in sorted(hexes(result), key=lambda sha: (logged[sha].committed, sha)):
            commit = logged[sha]
            identity = (commit.author, commit.authored, commit.subject)
            if sha in delivered or identity in twins:
                expected.add(sha)
            if identity not in counted:
                first.add(sha)
            counted.add(identity)
        assert {change.sha.hex() for change in result.changes if change.redeployed} == expected
        assert {change.sha.hex() for change in result.changes if change.first_delivery} == first
        redeployed += len(expected)
        repeated += len(result.changes) - len(first)
        news = real.news(head(deployment), heads)
        delivered |= news
        twins |= {(logged[sha].author, logged[sha].authored, logged[sha].subject) for sha in news}
        heads.append(head(deployment))
    assert redeployed > 1_000
    assert repeated > 1_000


@pytest.mark.parametrize("patterns", [("**",), ("backend/**",), ("config-ui/src/**", "grafana/**")], ids=" ".join)
def test_median_lead_times_equal(
    patterns: tuple[str, ...], real: RealHistory, logged: dict[str, Logged], tags: list[Tagged], history: History
) -> None:
    touching = None if patterns == ("**",) else real.touching(PATTERNS[patterns])
    series = series_of(tags, history)
    limits = Limits(max_gap=60 * DAY, max_commits=None)
    everything: list[int] = []
    expected_of_all: list[int] = []
    compared = 0
    results = derive(series, history, *patterns, limits=limits)
    for (a, b), result in zip(pairwise(series), results[1:], strict=True):
        if (b.finished_at - a.finished_at) > 60 * 86_400 * 10**9:
            assert result.not_computed is NotComputed.PREDECESSOR_TOO_OLD
            continue
        carried = real.carried(head(a), head(b))
        expected = []
        for sha in carried if touching is None else carried & touching:
            dates = [logged[sha].authored, logged[sha].committed]
            plausible = [date for date in dates if 631_152_000 <= date * 10**9 // 10**9 <= b.finished_at // 10**9]
            if plausible:
                expected.append(b.finished_at - plausible[0] * 10**9)
        times = []
        for change in result.changes:
            at = history.graph.index(change.sha)
            assert at is not None
            made_at = commit_instant(history.authored_at(at), history.committed_at(at), started_at=b.started_at)
            if made_at is not None:
                times.append(b.finished_at - made_at)
        assert sorted(times) == sorted(expected)
        if times:
            assert summarise(times).median == median(expected)
            compared += 1
        everything += times
        expected_of_all += expected
    assert compared > 100
    assert summarise(everything).median == median(expected_of_all)


def test_truncation_equals_the_newest_by_date_and_sha(
    real: RealHistory, logged: dict[str, Logged], tags: list[Tagged], history: History
) -> None:
    series = series_of(tags, history)
    a, b = series[10], series[300]
    expected = sorted(real.carried(head(a), head(b)), key=lambda sha: (logged[sha].committed, sha))
    assert len(expected) > 1_000
    result = derive([a, b], history, limits=Limits(max_gap=None, max_commits=700))[1]
    assert [change.sha.hex() for change in result.changes] == expected[:-701:-1]
    assert result.dropped[Dropped.TRUNCATED] == len(expected) - 700
