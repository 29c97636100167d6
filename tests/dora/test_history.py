"""A history in memory: which commits touch which paths while it grows, and ranges that do not depend on the arrival."""

import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bot.dora.history as history_module
from bot.dora.commits import OutOfOrderError, twin
from bot.dora.history import CommitRow, History
from bot.dora.paths import PathMatcher
from bot.dora.reasons import Dropped
from tests.dora.drawn import Drawing, sha


def touching(history: History, *patterns: str) -> set[str]:
    return {history.graph.sha(at).hex()[:8] for at in history.touching(PathMatcher(patterns))}


def hexes(*names: str) -> set[str]:
    return {sha(name).hex()[:8] for name in names}


def test_commits_that_touch_patterns() -> None:
    drawing = Drawing()
    drawing.commit("a", "", "api/x web/y").commit("b", "a", "api/z").commit("c", "b", "").commit("d", "c", None)
    history = drawing.history()
    assert touching(history, "api/**") == hexes("a", "b")
    assert touching(history, "web/**", "api/z") == hexes("a", "b")
    assert touching(history, "docs/**") == set()
    assert touching(history, "**") == hexes("a", "b", "c", "d")
    assert history.paths_unknown == {3}
    assert [history.path_ids(at) for at in range(4)] == [[1, 2], [3], [], None]
    assert history.path(3) == b"api/z"


PATHS = ["api/a", "api/b", "web/a", "web/b", "lib/deep/c", "x"]
PATTERNS = [("api/**",), ("web/**", "x"), ("**", "!api/**"), ("*/a",), ("lib/deep/c",)]


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.one_of(st.none(), st.lists(st.sampled_from(range(6)), max_size=3, unique=True)), max_size=20),
    st.sets(st.integers(0, 20)),
)
def test_touching_stays_right_while_the_history_grows(commits: list[list[int] | None], asked: set[int]) -> None:
    history = History()
    matchers = [PathMatcher(patterns) for patterns in PATTERNS]
    expected: list[set[int]] = [set() for _ in matchers]
    for at, paths in enumerate([*commits, []]):
        if at in asked or at == len(commits):
            assert [set(history.touching(matcher)) for matcher in matchers] == expected
        for number in paths or ():
            history.add_path(number, PATHS[number].encode())
        parents = [sha(str(at - 1))] if at else []
        index = history.add_commit(sha(str(at)), parents, at, at, at, paths)
        for found, matcher in zip(expected, matchers, strict=True):
            if any(matcher.matches(PATHS[number].encode()) for number in paths or ()):
                found.add(index)
    assert [set(history.touching(matcher)) for matcher in matchers] == expected


def test_touching_forgets_patterns_when_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "_REMEMBERED_TOUCHES", 2)
    drawing = Drawing().line("a b", paths="api/x web/y lib/z")
    history = drawing.history()
    for _ in range(2):
        for folder in ("api", "web", "lib"):
            assert touching(history, f"{folder}/**") == hexes("a", "b")
    assert len(history._touched) == 1


def test_the_same_commit_again_changes_nothing_and_a_changed_one_asks_for_a_new_history() -> None:
    drawing = Drawing().commit("a").commit("s", "", None, shallow=True)
    history = drawing.history()
    assert history.add_commit(*drawing.rows["a"]) == 0
    assert history.add_commit(*drawing.rows["s"]) == 1
    assert len(history.graph) == 2
    for changed in (
        drawing.rows["s"]._replace(shallow=False),
        drawing.rows["s"]._replace(path_ids=[1]),
        drawing.rows["s"]._replace(committed_at=None),
        drawing.rows["a"]._replace(parents=[sha("s")]),
        CommitRow(sha("b"), [sha("late")], 1, 1, 1, []),
        CommitRow(sha("late"), [], 1, 1, 1, []),
    ):
        if changed.sha == sha("b"):
            history.add_commit(*changed)
            continue
        with pytest.raises(OutOfOrderError):
            history.add_commit(*changed)


def test_absent_instants_are_none() -> None:
    history = History.build([CommitRow(sha("a"), [], None, None, 1, []), CommitRow(sha("b"), [], 0, 5, 2, [])])
    assert (history.authored_at(0), history.committed_at(0)) == (None, None)
    assert (history.authored_at(1), history.committed_at(1)) == (0, 5)


def test_range_counts_what_it_leaves_out() -> None:
    drawing = Drawing().line("a b c d").commit("x", "a").commit("m", "d x").commit("u", "m", None)
    history = drawing.history()
    index = {name: history.graph.index(sha(name)) or 0 for name in drawing.rows}
    span = history.range(index["a"], index["u"], max_commits=None)
    assert span.commits == {index[name] for name in "bcdxu"}
    assert (span.size, span.behind, span.truncated, span.boundary) == (6, False, False, False)
    assert span.unmatched == {Dropped.MERGE: 1, Dropped.PATH: 4, Dropped.PATHS_UNKNOWN: 1}
    cut = history.range(index["a"], index["u"], max_commits=2)
    assert cut.commits == {index["x"], index["u"]}  # the newest by date: x was drawn after d, the merge does not count
    assert cut.unmatched == {Dropped.MERGE: 1, Dropped.TRUNCATED: 3, Dropped.PATH: 1, Dropped.PATHS_UNKNOWN: 1}
    assert cut.truncated
    assert not history.range(index["a"], index["u"], max_commits=5).truncated


def test_truncation_falls_back_on_the_sha_when_the_dates_are_equal() -> None:
    drawing = Drawing().commit("a")
    for name in ("b", "c", "d", "e"):
        drawing.commit(name, "a", at=1)
    drawing.commit("m", "b c d e")
    newest = sorted((sha(name) for name in "bcde"), reverse=True)[:2]
    for seed in range(5):
        order = list(drawing.rows)
        random.Random(seed).shuffle(order)
        history = drawing.history(order)
        a, m = history.graph.index(sha("a")), history.graph.index(sha("m"))
        assert a is not None
        assert m is not None
        span = history.range(a, m, max_commits=2)
        assert [history.graph.sha(at) for at in history.newest_first(span.commits)] == newest


def test_a_missing_parent_inside_a_range_is_told() -> None:
    drawing = Drawing().line("a b").commit("s", "", None, shallow=True).commit("m", "b s").commit("n", "m")
    drawing.commit("t", "n gone")
    history = drawing.history()
    index = {name: history.graph.index(sha(name)) or 0 for name in drawing.rows}
    assert not history.range(index["a"], index["b"], max_commits=None).boundary
    assert history.range(index["b"], index["m"], max_commits=None).boundary
    assert not history.range(index["m"], index["n"], max_commits=None).boundary
    assert history.range(index["n"], index["t"], max_commits=None).boundary


def test_a_large_history_fits_into_memory() -> None:
    size = 10_000
    rows = [
        CommitRow(
            at.to_bytes(20, "big"),
            [(at - 1).to_bytes(20, "big")] if at else [],
            at * 10**9,
            at * 10**9,
            twin("a", at, "s"),
            [at % 2_000, at % 1_999, at % 7],
        )
        for at in range(size)
    ]
    paths = [(number, b"folder/%d/file" % number) for number in range(2_000)]
    tracemalloc.start()
    try:
        history = History.build(iter(rows), paths)
        history.touching(PathMatcher(("folder/1*/**",)))
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert used / size < 700, f"{used / size:.0f} bytes per commit"  # 50,000 commits stay under 35 MB
