"""Failures: what they are matched by, spans of states, time to restore."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dora.failures import (
    NewFailure,
    Span,
    State,
    StateChange,
    failure_id,
    resolved_at,
    spans_of,
    state_of,
    time_in,
    time_to_restore,
)

A, S, R = State.ACTIVE, State.STABLE, State.RESOLVED
LETTERS = {"a": A, "s": S, "r": R}

FAILURE = NewFailure(
    id="", source="api", services=("Shop", "cart"), teams=("core",), envs=("Prod",), name="Down", severity="High", version="v1",
    repository_url="", repository="", commit_sha=None, started_at=10, finished_at=None, state=A, time_to_restore=None, tags=(),
)  # fmt: skip


def walk(text: str) -> list[StateChange]:
    """`a0 s10` is active from 0, stable from 10; receipts in the order written."""
    return [StateChange(at=int(word[1:]), told_at=100 + n, receipt=n, state=LETTERS[word[0]]) for n, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("text", "restore", "resolved"),
    [
        ("", None, None),
        ("a0", None, None),
        ("a0 s10", 10, None),
        ("a0 r10", 10, 10),
        ("a0 s10 r30", 10, 30),
        # S: "active, stable, active, stable includes all active periods"
        ("a0 s10 a30 s35", 15, None),
        ("a0 s10 a30", None, None),
        ("a0 s10 a30 s35 r50", 15, 50),
        # S: a resolved one that is reactivated is hidden until it is resolved again
        ("a0 r10 a20", None, None),
        ("a0 r10 a20 s25", None, None),
        ("a0 r10 a20 s25 a30 s32", None, None),
        ("a0 r10 a20 s25 r40", 15, 40),
        ("a0 r10 s20", 10, None),
        ("a0 r10 a20 r21 a30 s31", None, None),
        # the same state said again changes nothing
        ("a0 a5 r10 r20", 10, 10),
        # nobody saw it active: unknown, not 0
        ("r10", None, 10),
        ("s5 r10", None, 10),
        ("a5 r5", 0, 5),
        # told late: states are ordered by their own instants
        ("a0 r10 s5", 5, 10),
    ],
)
def test_time_to_restore(text: str, restore: int | None, resolved: int | None) -> None:
    spans = spans_of(walk(text))
    assert time_to_restore(spans) == restore
    assert resolved_at(spans) == resolved


def test_spans_of_one_story() -> None:
    assert spans_of(walk("a0 s10 a30 s35 r50")) == (
        Span(state=A, start=0, end=10), Span(state=S, start=10, end=30), Span(state=A, start=30, end=35),
        Span(state=S, start=35, end=50), Span(state=R, start=50, end=None),
    )  # fmt: skip
    assert state_of(()) is None


def test_changes_at_one_instant_are_ordered_by_what_was_told_last() -> None:
    one = StateChange(at=5, told_at=100, receipt=2, state=R)
    for other in (replace(one, state=A, receipt=1), replace(one, state=A, told_at=99, receipt=3)):
        assert state_of(spans_of([one, other])) is state_of(spans_of([other, one])) is R


CHANGES = st.lists(
    st.builds(
        StateChange, at=st.integers(0, 50), told_at=st.integers(0, 5), receipt=st.integers(0, 10**6), state=st.sampled_from(State)
    ),
    max_size=12,
    unique_by=lambda change: change.receipt,
)


@given(CHANGES, st.randoms(use_true_random=False))
def test_spans_cover_a_walk_once_in_any_order(changes: list[StateChange], random: object) -> None:
    spans = spans_of(changes)
    shuffled = list(changes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert spans_of(shuffled) == spans
    if not changes:
        assert spans == ()
        return
    assert all(one.end == other.start and one.state is not other.state for one, other in pairwise(spans))
    assert spans[0].start == min(change.at for change in changes)
    assert spans[-1].end is None and all(span.end is not None for span in spans[:-1])
    assert sum(time_in(state, spans) for state in State) == spans[-1].start - spans[0].start
    restore = time_to_restore(spans)
    assert restore is None or (restore == time_in(A, spans) and state_of(spans) is not A)


def test_what_a_failure_is_matched_by() -> None:
    id = failure_id(FAILURE)
    assert len(id) == 36
    for same in (
        replace(FAILURE, services=("CART", "shop")), replace(FAILURE, services=("cart", "Shop", "SHOP")), replace(FAILURE, envs=("prod",)),
        replace(FAILURE, teams=("other",)), replace(FAILURE, name="x", finished_at=20, state=R, version="v2"),
    ):  # fmt: skip
        assert failure_id(same) == id
    others = [
        replace(FAILURE, services=("shop",)), replace(FAILURE, envs=()), replace(FAILURE, started_at=11),
        replace(FAILURE, services=()), replace(FAILURE, services=(), teams=("other",)), replace(FAILURE, id="x" * 16),
    ]  # fmt: skip
    assert len({id, *map(failure_id, others)}) == 7
    assert failure_id(replace(FAILURE, services=(), teams=("CORE",))) == failure_id(replace(FAILURE, services=()))
    assert failure_id(others[-1]) == "x" * 16
