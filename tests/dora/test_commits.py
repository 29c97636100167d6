"""Ranges of a commit graph: hand-drawn shapes, and random ones against plain sets."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.dora.commits import CommitGraph, OutOfOrderError, twin
from bot.dora.memo import BoundedMemo
from tests.dora.drawn import sha

SHAPES = {
    "linear": "a: b:a c:b d:c",
    "merge": "a: b:a x:a y:x m:b,y c:m",
    "octopus": "a: b:a x:a y:a z:a m:b,x,y,z c:m",
    "criss-cross": "a: x:a y:a p:x,y q:y,x r:p s:q t:r,s",
    "two roots": "a: b:a u: v:u m:b,v",
    "unrelated": "a: b:a u: v:u",
}

RANGES = [
    ("linear", "a", "d", "b c d"),
    ("linear", "d", "a", ""),
    ("linear", "b", "b", ""),
    ("merge", "b", "c", "x y m c"),
    ("merge", "y", "c", "b m c"),
    ("merge", "b", "y", "x y"),
    ("merge", "a", "m", "b x y m"),
    ("octopus", "b", "c", "x y z m c"),
    ("octopus", "z", "c", "b x y m c"),
    ("criss-cross", "p", "s", "q s"),
    ("criss-cross", "r", "t", "q s t"),
    ("criss-cross", "x", "t", "y p q r s t"),
    ("two roots", "b", "m", "u v m"),
    ("two roots", "v", "b", "a b"),
    ("unrelated", "b", "v", "u v"),
]


def rows(shape: str) -> list[tuple[bytes, list[bytes], int]]:
    drawn = [word.split(":") for word in shape.split()]
    return [(sha(name), [sha(p) for p in parents.split(",") if p], at) for at, (name, parents) in enumerate(drawn)]


@pytest.mark.parametrize(("shape", "a", "b", "expected"), RANGES)
@pytest.mark.parametrize("seed", range(4))
def test_range_of_drawn_shape(shape: str, a: str, b: str, expected: str, seed: int) -> None:
    drawn = rows(SHAPES[shape])
    random.Random(seed).shuffle(drawn)
    graph = CommitGraph.build(drawn)
    since, head = graph.index(sha(a)), graph.index(sha(b))
    assert since is not None
    assert head is not None
    found = graph.between([since], head)
    assert {graph.sha(at) for at in found} == {sha(name) for name in expected.split()}
    assert tuple(found) == graph.compare(since, head)[1]
    assert set(found) == set(graph.compare(head, since)[0])
    children_first = {at: position for position, at in enumerate(found)}
    assert all(children_first[at] < children_first[p] for at in found for p in graph.parents(at) if p in children_first)


@st.composite
def dags(draw: st.DrawFn) -> list[tuple[int, list[int]]]:
    size = draw(st.integers(1, 24))
    reach = draw(st.integers(1, size))
    return [
        (at, draw(st.lists(st.integers(max(0, at - reach), at - 1), max_size=3, unique=True)) if at else [])
        for at in range(size)
    ]


def naive_reach(dag: list[tuple[int, list[int]]], start: int) -> set[int]:
    found: set[int] = set()
    stack = [start]
    while stack:
        at = stack.pop()
        if at not in found:
            found.add(at)
            stack.extend(dag[at][1])
    return found


@settings(deadline=None, max_examples=150)
@given(dags(), st.randoms(use_true_random=False))
def test_random_graphs_agree_with_sets_whatever_the_arrival(dag: list[tuple[int, list[int]]], rnd: random.Random) -> None:
    shuffled = [(sha(str(at)), [sha(str(p)) for p in parents], at) for at, parents in dag]
    rnd.shuffle(shuffled)
    graph = CommitGraph.build(shuffled)
    number = {sha(str(at)): at for at, _ in dag}
    name = [number[graph.sha(at)] for at in range(len(graph))]
    reach = {at: naive_reach(dag, at) for at, _ in dag}
    index = {name[at]: at for at in range(len(graph))}
    picked = [rnd.choice(dag)[0] for _ in range(4)]
    for a in picked:
        for b in picked:
            only_a, only_b = graph.compare(index[a], index[b])
            assert {name[at] for at in only_a} == reach[a] - reach[b]
            assert {name[at] for at in only_b} == reach[b] - reach[a]
            assert len(set(only_a)) == len(only_a)
            assert graph.is_ancestor(index[a], index[b]) == (a in reach[b])
        flags = graph.reach(index[a])
        assert {name[at] for at, flag in enumerate(flags) if flag} == reach[a]
    excluded = picked[:3]
    assert {name[at] for at in graph.between([index[at] for at in excluded], index[picked[3]])} == (
        reach[picked[3]] - set().union(*(reach[at] for at in excluded))
    )
    among = graph.ancestors_among([index[at] for at in picked])
    for at in picked:
        assert {name[other] for other in among[index[at]]} == (reach[at] & set(picked)) - {at}


def test_a_commit_known_before_is_the_same_index() -> None:
    graph = CommitGraph()
    a = graph.add(sha("a"), [], 1)
    b = graph.add(sha("b"), [sha("a")], 2)
    assert graph.add(sha("b"), [sha("a")], 2) == b
    assert (graph.index(sha("a")), graph.index(sha("zzz"))) == (a, None)
    assert sha("b") in graph
    assert len(graph) == 2


def test_late_ancestor_asks_for_a_new_graph() -> None:
    graph = CommitGraph()
    graph.add(sha("b"), [sha("a")], 2)
    with pytest.raises(OutOfOrderError):
        graph.add(sha("a"), [], 1)
    rebuilt = CommitGraph.build([(sha("b"), [sha("a")], 2), (sha("a"), [], 1)])
    assert rebuilt.index(sha("a")) == 0
    assert rebuilt.parents(1) == (0,)


@pytest.mark.parametrize("parents", [[], ["a"], ["x", "a"], ["a", "x", "y"]])
def test_changed_parents_ask_for_a_new_graph(parents: list[str]) -> None:
    graph = CommitGraph()
    graph.add(sha("a"), [], 1)
    graph.add(sha("b"), [sha("a"), sha("x")], 2)
    with pytest.raises(OutOfOrderError):
        graph.add(sha("b"), [sha(name) for name in parents], 2)


def test_a_merge_with_an_unknown_parent_is_a_merge_and_a_boundary() -> None:
    graph = CommitGraph.build([(sha("a"), [], 1), (sha("m"), [sha("gone"), sha("a")], 2)])
    assert graph.is_merge(1)
    assert not graph.is_merge(0)
    assert graph.parents(1) == (0,)
    assert graph.declared_parents(1) == (sha("gone"), sha("a"))
    assert set(graph.cut) == {1}
    assert list(graph.first_parent_chain(1)) == [1]  # its first parent is the unknown one: `a` is on another line


def test_first_parents() -> None:
    graph = CommitGraph.build(rows(SHAPES["merge"]))
    chain = graph.first_parent_chain(5)
    assert [graph.sha(at) for at in chain] == [sha(name) for name in "cmba"]


def test_twins_are_equal_in_author_date_and_subject() -> None:
    same = twin("Ann <a@x>", 10, "Fix")
    assert same == twin("Ann <a@x>", 10, "Fix")
    others = {
        twin("Bob <a@x>", 10, "Fix"),
        twin("Ann <a@x>", 11, "Fix"),
        twin("Ann <a@x>", None, "Fix"),
        twin("Ann <a@x>", 10, "fix"),
        twin("Ann <a@x>", 1, "0Fix"),
    }
    assert len(others) == 5
    assert same not in others
    assert -(2**63) <= same < 2**63
    assert twin("Ann", 1, "\udcff") != twin("Ann", 1, "\udcfe")  # as git's bytes come when they are not UTF-8


def test_twins_of_a_commit() -> None:
    graph = CommitGraph()
    for name, value in zip("abcd", (7, 8, 7, 7), strict=True):
        graph.add(sha(name), [], value)
    assert graph.twins(0) == [2, 3]
    assert graph.twins(2) == [0, 3]
    assert graph.twins(1) == []
    assert graph.twinned == {0, 2, 3}


def test_abbreviations() -> None:
    graph = CommitGraph()
    graph.add(bytes.fromhex("ab12" + "0" * 36), [], 1)
    graph.add(bytes.fromhex("ab13" + "0" * 36), [], 2)
    assert len(graph.unique_prefix("ab1")) == 2
    assert graph.unique_prefix("AB12") == [graph.sha(0)]
    assert graph.unique_prefix("ab12" + "0" * 36) == [graph.sha(0)]
    assert graph.unique_prefix("ab14") == []
    for junk in ("", "xyz", "ab12 ", "ab12" + "0" * 37):
        assert graph.unique_prefix(junk) == []
    graph.add(bytes.fromhex("ab120" + "f" * 35), [], 3)
    assert len(graph.unique_prefix("ab120")) == 2
    assert graph.unique_prefix("ab1200") == [graph.sha(0)]


def test_a_chain_as_long_as_a_history_is_no_recursion() -> None:
    names = [at.to_bytes(20, "big") for at in range(5_000)]
    drawn = [(name, names[at - 1 : at] if at else [], at) for at, name in enumerate(names)]
    graph = CommitGraph.build(reversed(drawn))
    assert [graph.sha(at) for at in range(5_000)] == names
    assert len(graph.between([0], 4_999)) == 4_999


def test_memo_forgets_the_oldest_and_never_keeps_what_is_too_heavy() -> None:
    memo: BoundedMemo[str, int] = BoundedMemo(10)
    memo.put("a", 1, weight=6)
    memo.put("b", 2, weight=4)
    assert (memo.get("a"), memo.get("b")) == (1, 2)
    memo.put("c", 3, weight=5)
    assert (memo.get("a"), memo.get("b"), memo.get("c")) == (None, 2, 3)
    assert memo.put("d", 4, weight=11) == 4
    assert memo.get("d") is None
    assert memo.get("c") == 3
