"""The order of a series, and the deployment that a range starts from."""

import random
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dora.deployments import Deployment, find_predecessor, natural_order, series_order
from bot.dora.instants import DAY, HOUR, SECOND
from bot.dora.reasons import NotComputed
from tests.dora.drawn import EPOCH, Drawing, deployment


@pytest.mark.parametrize(
    ("lesser", "greater"),
    [
        ("v1.9", "v1.10"),
        ("v1.2", "v2"),
        ("", "v1"),
        ("1", "1a"),
        ("a2", "b1"),
        ("v1", "v01x"),
        ("1" * 4_999, "1" * 5_000),
        ("v1.0", "v1.0-rc1"),
        ("01", "1"),
        ("²", "³"),
    ],
)
def test_natural_order(lesser: str, greater: str) -> None:
    assert natural_order(lesser) < natural_order(greater)


@given(st.text(alphabet="ab01.9", max_size=6), st.text(alphabet="ab01.9", max_size=6))
def test_different_versions_never_rank_equal(a: str, b: str) -> None:
    assert (natural_order(a) == natural_order(b)) == (a == b)


def order(deployments: list[Deployment], drawing: Drawing | None = None) -> list[str]:
    views = {} if drawing is None else {"r": drawing.view()}
    return [one.id for one in series_order(deployments, views)]


def test_a_series_is_ordered_by_finish_then_start() -> None:
    late = deployment(1, "a", name="late", finished_at=EPOCH + HOUR, started_at=EPOCH + SECOND)
    early = deployment(1, "a", name="early", finished_at=EPOCH + HOUR, started_at=EPOCH)
    first = deployment(0, "a", name="first", started_at=EPOCH - HOUR)
    for arrival in permutations([late, early, first]):
        assert order(list(arrival)) == ["first", "early", "late"]


def at_once(*pairs: str) -> list[Deployment]:
    """Deployments of one instant, each `name:commit:version`."""
    made = []
    for pair in pairs:
        name, commit, version = pair.split(":")
        made.append(deployment(0, commit or None, name=name, version=version))
    return made


def test_equal_instants_follow_the_commits_then_version_then_id() -> None:
    drawing = Drawing().line("a b c d").commit("x", "a")
    together = at_once("p:c:1", "q:a:9", "r:d:1", "s:x:10", "t:x:2", "u::5", "v:zzz:4")
    # Free at first are q (a), u (no git), v (unknown); the least version goes first. a frees x and c; c frees d.
    expected = ["v", "u", "q", "p", "r", "t", "s"]
    for seed in range(20):
        shuffled = list(together)
        random.Random(seed).shuffle(shuffled)
        assert order(shuffled, drawing) == expected


def test_equal_commits_of_one_instant_hold_back_their_descendants_together() -> None:
    drawing = Drawing().line("a b c")
    together = at_once("p:a:1", "q:a:9", "r:b:2", "s:c:1")
    for arrival in permutations(together):
        assert order(list(arrival), drawing) == ["p", "q", "r", "s"]


def test_a_repository_that_is_not_mirrored_orders_by_version_alone() -> None:
    assert order(at_once("p:b:v1.10", "q:a:v1.9")) == ["q", "p"]


def test_many_deployments_of_one_second_are_one_pass() -> None:
    names = [f"c{at}" for at in range(400)]
    drawing = Drawing().line(" ".join(names))
    together = at_once(*(f"{name}:{name}:" for name in names))
    random.Random(1).shuffle(together)
    assert order(together, drawing) == names


EARLIER = [deployment(0, "a"), deployment(1, "b"), deployment(2, "c", received_at=EPOCH + 5 * HOUR)]


def predecessor(
    indexes: list[int | None], *, synced_from: int | None = None, max_gap: int | None = None, finished: int = 3
) -> tuple[str | None, int | None, NotComputed | None, bool]:
    earlier = list(zip(EARLIER, indexes, strict=False))
    return find_predecessor(deployment(finished, "d"), earlier, synced_from=synced_from, max_gap=max_gap)


def test_predecessor_is_the_nearest() -> None:
    assert predecessor([0, 1, 2]) == ("d2", 2, None, False)


def test_first_deployment() -> None:
    assert predecessor([]) == (None, None, NotComputed.FIRST_DEPLOYMENT, False)


@pytest.mark.parametrize("synced_from", [None, EPOCH, EPOCH + 5 * HOUR])
def test_an_unknown_commit_is_not_skipped_before_a_later_sync(synced_from: int | None) -> None:
    unknown = NotComputed.PREDECESSOR_COMMIT_UNKNOWN
    assert predecessor([0, 1, None], synced_from=synced_from) == ("d2", None, unknown, False)


def test_an_unknown_commit_is_skipped_once_a_sync_that_began_after_its_receipt_is_complete() -> None:
    after = EPOCH + 5 * HOUR + 1
    assert predecessor([0, 1, None], synced_from=after) == ("d1", 1, None, True)
    assert predecessor([0, None, None], synced_from=after) == ("d0", 0, None, True)
    assert predecessor([None, None, None], synced_from=after) == (None, None, NotComputed.FIRST_DEPLOYMENT, True)


def test_skipping_stops_at_one_that_may_still_come() -> None:
    earlier: list[tuple[Deployment, int | None]] = [
        (deployment(0, "a"), 0),
        (deployment(1, "b", received_at=EPOCH + 9 * HOUR), None),
        (deployment(2, "c"), None),
    ]
    found = find_predecessor(deployment(3, "d"), earlier, synced_from=EPOCH + 8 * HOUR, max_gap=None)
    assert found == ("d1", None, NotComputed.PREDECESSOR_COMMIT_UNKNOWN, True)


def test_the_gap_is_measured_from_finish_to_finish() -> None:
    assert predecessor([0, 1, 2], max_gap=HOUR)[2] is None
    assert predecessor([0, 1, 2], max_gap=HOUR - 1) == ("d2", None, NotComputed.PREDECESSOR_TOO_OLD, False)
    assert predecessor([0, 1, 2], max_gap=60 * DAY, finished=2 + 60 * 24)[2] is None
    assert predecessor([0, 1, 2], max_gap=60 * DAY, finished=3 + 60 * 24)[2] is NotComputed.PREDECESSOR_TOO_OLD
    assert predecessor([0, 1, 2], max_gap=None, finished=10**6)[2] is None


def test_too_old_is_final_and_so_comes_before_unknown() -> None:
    too_old = NotComputed.PREDECESSOR_TOO_OLD
    assert predecessor([0, 1, None], max_gap=1) == ("d2", None, too_old, False)
    after = EPOCH + 5 * HOUR + 1
    assert predecessor([0, 1, None], max_gap=HOUR, synced_from=after) == ("d1", None, too_old, True)
