"""Which commits a folder's log tells for sure, against all ways through the history, and against git itself."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.pipeline.listing import certain
from tests.support.gitrepo import GitRepo, git


@st.composite
def histories(draw: st.DrawFn) -> dict[bytes, tuple[bytes, ...]]:
    """Commits with up to three parents among the earlier ones; some parents are not there."""
    size = draw(st.integers(1, 9))
    graph: dict[bytes, tuple[bytes, ...]] = {}
    for at in range(size):
        count = draw(st.integers(0 if draw(st.integers(0, 5)) == 0 else min(at, 1), min(at, 3)))
        parents = draw(st.lists(st.integers(0, at - 1), min_size=count, max_size=count, unique=True)) if at else []
        graph[bytes([at])] = tuple(bytes([parent]) for parent in parents)
    if draw(st.booleans()):
        cut = bytes([draw(st.integers(0, size - 1))])
        graph[cut] = (*graph[cut], b"\xff")
    return graph


def ways(sha: bytes, graph: dict[bytes, tuple[bytes, ...]]) -> Iterator[set[bytes]]:
    """Every way from a commit down to where the history begins, or is cut."""
    parents = graph[sha]
    if not parents or any(parent not in graph for parent in parents):
        yield {sha}
    for parent in parents:
        if parent in graph:
            for way in ways(parent, graph):
                yield {sha} | way


@given(histories())
@settings(max_examples=400, deadline=None)
def test_certain_is_what_every_way_leads_through(graph: dict[bytes, tuple[bytes, ...]]) -> None:
    tip = max(graph)
    assert certain(tip, graph) == set.intersection(*ways(tip, graph))


def test_an_unknown_tip_makes_nothing_certain() -> None:
    assert certain(b"x", {b"y": ()}) == set()


@given(moves=st.lists(st.tuples(st.sampled_from(["main", "side"]), st.sampled_from("ab"), st.integers(0, 2)), min_size=3, max_size=14))
@settings(max_examples=25, deadline=None)
def test_git_tells_what_is_certain(tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, str, int]]) -> None:
    path = tmp_path_factory.mktemp("listing") / "r.git"
    with GitRepo(path) as repo:
        repo.commit("root", files={"a/f": "0", "b/f": "0"})
        begun = False
        for at, (branch, folder, value) in enumerate(moves):
            if branch == "side" and not begun:
                repo.commit(f"{at}", branch="side", parents=[repo.tips["main"]], files={f"{folder}/f": f"{value}"})
                begun = True
            else:
                repo.commit(f"{at}", branch=branch, files={f"{folder}/f": f"{value}"})
            if begun and value == 0:
                repo.merge("side")
                begun = False
    log = git(path, "log", "--format=%H %P", "main").split("\n")
    graph = {bytes.fromhex(line.split()[0]): tuple(map(bytes.fromhex, line.split()[1:])) for line in log if line}
    sure = certain(bytes.fromhex(git(path, "rev-parse", "main").strip()), graph)
    for folder in "ab":
        told = set(git(path, "log", "--format=%H", "main", "--", folder).split())
        changed = set(git(path, "log", "--full-history", "--no-merges", "--format=%H", "main", "--", folder).split())
        assert {sha for sha in changed if bytes.fromhex(sha) in sure} == {
            sha for sha in told if bytes.fromhex(sha) in sure and sha in changed
        }

