"""What a deployment carried: hand-drawn histories, each followable on paper."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.dora.changes import DeploymentChanges, Limits, derive_changes, explain_changes
from bot.dora.deployments import Deployment, RepositoryView, series_order
from bot.dora.instants import DAY, HOUR
from bot.dora.introductions import IntroducedRow
from bot.dora.reasons import Dropped, NotComputed
from tests.dora.drawn import EPOCH, Drawing, deployed, deployment, sha


def derive(
    view: RepositoryView, series: list[Deployment], *, limits: Limits | None = None, start: int = 0
) -> list[DeploymentChanges]:
    return list(derive_changes(series, start=start, repositories={"r": view}, limits=limits or Limits()))


def names(drawing: Drawing, result: DeploymentChanges) -> str:
    return drawing.spell(change.sha for change in result.changes)


def flagged(drawing: Drawing, result: DeploymentChanges, flag: str) -> str:
    return drawing.spell(change.sha for change in result.changes if getattr(change, flag))


def test_a_line() -> None:
    drawing = Drawing().line("a b c d")
    first, second, third = derive(drawing.view(), deployed("a", "c", "d"))
    assert (first.not_computed, first.predecessor, first.changes) == (NotComputed.FIRST_DEPLOYMENT, None, ())
    assert (second.not_computed, second.predecessor, names(drawing, second)) == (None, "d0", "c b")
    assert (third.predecessor, names(drawing, third)) == ("d1", "d")
    assert all(change.first_delivery and not change.redeployed for change in second.changes + third.changes)


def test_merges_are_left_out_and_counted() -> None:
    drawing = Drawing().line("a b").commit("x", "a").commit("y", "x").commit("m", "b y").commit("o", "m b y")
    result = derive(drawing.view(), deployed("a", "o"))[1]
    assert names(drawing, result) == "y x b"
    assert result.dropped == {Dropped.MERGE: 2}


def test_a_merge_without_its_second_parent_is_still_a_merge() -> None:
    drawing = Drawing().line("a b").commit("m", "b gone").commit("c", "m")
    result = derive(drawing.view(), deployed("a", "c"))[1]
    assert names(drawing, result) == "c b"
    assert result.flags == ("shallow_boundary",)


def test_a_gap_in_the_mainline_is_not_bridged_and_closes_by_itself() -> None:
    gap = Drawing().line("a b").commit("e", "", None, shallow=True).line("e f g")
    across, beyond = derive(gap.view(), deployed("b", "f", "g"))[1:]
    assert (across.predecessor, across.not_computed, across.changes) == ("d0", NotComputed.COMMIT_UNKNOWN, ())
    assert (across.flags, across.dropped) == (("shallow_boundary",), {})
    assert (beyond.predecessor, beyond.not_computed, beyond.flags, names(gap, beyond)) == ("d1", None, (), "g")
    assert not flagged(gap, beyond, "redeployed")
    explained = explain_changes(deployed("b", "f", "g"), "d1", repositories={"r": gap.view()})
    assert explained is not None
    assert (explained.changes, explained.candidates) == (across, ())
    whole = Drawing().line("a b c d e f g")
    assert [names(whole, one) for one in derive(whole.view(), deployed("b", "f", "g"))] == ["", "f e d c", "g"]


def test_a_commit_before_that_lost_its_parents_tells_nothing_of_what_is_new() -> None:
    drawing = Drawing().line("a b c d").commit("x", "gone")
    assert derive(drawing.view(), deployed("x", "d"))[1].not_computed == NotComputed.COMMIT_UNKNOWN
    back = derive(drawing.view(), deployed("d", "b"))[1]
    assert (back.not_computed, back.flags) == (NotComputed.MOVED_BACKWARDS, ())


def test_a_side_branch_cut_off_on_either_side_is_flagged() -> None:
    drawing = Drawing().line("a b c").commit("s", "", None, shallow=True).commit("m", "b s").commit("n", "c s")
    forward = derive(drawing.view(), deployed("b", "m", "c"))
    assert [(names(drawing, one), one.flags) for one in forward[1:]] == [("s", ("shallow_boundary",)), ("c", ("shallow_boundary",))]
    assert derive(drawing.view(), deployed("m", "n"))[1].flags == ()


def test_two_roots_that_are_whole_are_compared() -> None:
    drawing = Drawing().line("a b").line("u v")
    result = derive(drawing.view(), deployed("b", "v"))[1]
    assert (result.not_computed, result.flags, names(drawing, result)) == (None, (), "v u")


def test_criss_cross_and_two_roots() -> None:
    drawing = Drawing().commit("a").commit("x", "a").commit("y", "a").commit("p", "x y").commit("q", "y x")
    drawing.commit("r", "p").commit("s", "q").commit("t", "r s").commit("u").commit("v", "u").commit("w", "t v")
    series = deployed("x", "r", "s", "t", "w")
    found = [names(drawing, result) for result in derive(drawing.view(), series)]
    assert found == ["", "r y", "s", "r", "v u"]
    again = [flagged(drawing, result, "redeployed") for result in derive(drawing.view(), series)]
    assert again == ["", "", "", "r", ""]  # r was delivered before s, which lacks it


def test_path_filter() -> None:
    drawing = Drawing().commit("a").commit("b", "a", "api/x").commit("c", "b", "web/x").commit("d", "c", "api/y web/y")
    drawing.commit("e", "d", "").commit("u", "e", None)
    result = derive(drawing.view("api/**"), deployed("a", "u"))[1]
    assert names(drawing, result) == "d b"
    assert result.dropped == {Dropped.PATH: 2, Dropped.PATHS_UNKNOWN: 1}
    everything = derive(drawing.view("**"), deployed("a", "u"))[1]
    assert names(drawing, everything) == "u e d c b"
    assert everything.dropped == {}


def test_nothing_matches() -> None:
    drawing = Drawing().line("a b c").commit("m", "c a")
    result = derive(drawing.view("api/**"), deployed("a", "m"))[1]
    assert (result.not_computed, result.changes) == (NotComputed.NO_MATCHING_COMMITS, ())
    assert result.dropped == {Dropped.PATH: 2, Dropped.MERGE: 1}
    only_merge = derive(drawing.view(), deployed("c", "m"))[1]
    assert (only_merge.not_computed, only_merge.dropped) == (NotComputed.NO_MATCHING_COMMITS, {Dropped.MERGE: 1})


def test_same_commit() -> None:
    result = derive(Drawing().line("a b").view(), deployed("a", "b", "b"))[2]
    assert (result.not_computed, result.predecessor, result.changes) == (NotComputed.SAME_COMMIT, "d1", ())


def test_rollback_and_forward_again() -> None:
    drawing = Drawing().line("a b c", paths="api/x").commit("w", "c", "web/x").commit("d", "w", "api/x")
    results = derive(drawing.view("api/**"), deployed("a", "w", "b", "d", "d"))
    back, forward = results[2], results[3]
    assert (back.not_computed, back.changes) == (NotComputed.MOVED_BACKWARDS, ())
    assert drawing.spell(back.taken_back) == "c"
    assert names(drawing, forward) == "d c"
    assert flagged(drawing, forward, "redeployed") == "c"
    assert flagged(drawing, forward, "first_delivery") == "d"
    assert results[4].not_computed is NotComputed.SAME_COMMIT


def test_what_only_a_first_deployment_brought_is_redeployed_but_counted_for_the_first_time() -> None:
    drawing = Drawing().line("a b c")
    result = derive(drawing.view(), deployed("b", "a", "c"))[2]
    assert names(drawing, result) == "c b"
    assert flagged(drawing, result, "redeployed") == "b"
    assert flagged(drawing, result, "first_delivery") == "c b"


def test_hotfix_branch_and_back_to_the_main_line() -> None:
    drawing = Drawing().line("a b c").commit("h", "a").commit("m", "c h").commit("e", "m")
    results = derive(drawing.view(), deployed("a", "c", "h", "e"))
    assert names(drawing, results[2]) == "h"
    assert names(drawing, results[3]) == "e c b"
    assert flagged(drawing, results[3], "redeployed") == "c b"
    assert flagged(drawing, results[3], "first_delivery") == "e"


def test_a_cherry_pick_is_redeployed_and_not_a_first_delivery() -> None:
    drawing = Drawing().line("a b c").commit("b2", "a", same_as="b").commit("r", "b2").commit("other", "r", author="Bob")
    results = derive(drawing.view(), deployed("a", "c", "other"))
    assert names(drawing, results[2]) == "other r b2"
    assert flagged(drawing, results[2], "redeployed") == "b2"
    assert flagged(drawing, results[2], "first_delivery") == "other r"


def test_of_two_twins_in_one_deployment_the_older_is_the_first_delivery() -> None:
    drawing = Drawing().line("a b").commit("b2", "a", same_as="b").commit("m", "b b2")
    result = derive(drawing.view(), deployed("a", "m"))[1]
    assert names(drawing, result) == "b2 b"
    assert flagged(drawing, result, "redeployed") == ""
    assert flagged(drawing, result, "first_delivery") == "b"


def landed(name: str, number: int, *originals: str, merged_at: int = 0) -> list[IntroducedRow]:
    rows: list[IntroducedRow] = [(sha(name), number, "landed", 0, EPOCH + merged_at)]
    return rows + [(sha(one), number, "original", at, EPOCH + merged_at) for at, one in enumerate(originals)]


def squash_drawing() -> Drawing:
    """`s` squashes x y (pull request 1); `t` squashes the stacked y z (pull request 2), whose branch began at y."""
    drawing = Drawing().commit("a").commit("x", "a", "api/x").commit("y", "x", "web/y").commit("z", "y", "lib/z")
    return drawing.commit("s", "a", "api/x web/y").commit("w", "s", "web/w").commit("t", "w", "api/t lib/z")


STACKED = landed("s", 1, "x", "y", merged_at=1) + landed("t", 2, "x", "y", "z", merged_at=2)


def test_a_squashed_commit_gives_way_to_its_originals() -> None:
    drawing = squash_drawing()
    view = drawing.view("api/**", introduced=STACKED, landings=[(1, "squash", ""), (2, "squash", "")])
    result = derive(view, deployed("a", "t"))[1]
    assert names(drawing, result) == "z y x"
    assert [(drawing.names[one.original_of or b""], one.number) for one in result.changes] == [
        ("t", 2),
        ("s", 1),
        ("s", 1),
    ]
    assert result.dropped == {Dropped.SQUASHED: 2, Dropped.PATH: 1}  # y and z are not filtered: their squashed commits matched
    assert flagged(drawing, result, "first_delivery") == "z y x"


def test_a_squashed_commit_that_does_not_match_brings_nothing() -> None:
    drawing = squash_drawing()
    result = derive(drawing.view("lib/**", introduced=STACKED), deployed("a", "w"))[1]
    assert result.not_computed is NotComputed.NO_MATCHING_COMMITS


@pytest.mark.parametrize(("kind", "flags"), [("squash", ("squash_originals_missing",)), ("merge", ()), ("", ())])
def test_without_originals_the_squashed_commit_stands(kind: str, flags: tuple[str, ...]) -> None:
    drawing = squash_drawing()
    view = drawing.view("api/**", introduced=landed("s", 1), landings=[(1, kind, "head_unknown")])
    result = derive(view, deployed("a", "s"))[1]
    assert (names(drawing, result), result.flags, result.dropped) == ("s", flags, {})
    assert result.changes[0].number == 1


def test_a_squashed_commit_whose_originals_all_came_earlier_stands() -> None:
    drawing = squash_drawing()
    rows = landed("s", 1, "x", "y", merged_at=1) + landed("t", 2, "x", "y", merged_at=2)
    result = derive(drawing.view("api/**", introduced=rows), deployed("s", "t"))[1]
    assert (names(drawing, result), result.flags) == ("t", ())


def test_originals_that_are_not_mirrored_are_named_all_the_same() -> None:
    drawing = squash_drawing()
    drawing.names[sha("gone")] = "gone"
    result = derive(drawing.view(introduced=landed("s", 1, "x", "gone")), deployed("a", "s"))[1]
    assert names(drawing, result) == "gone x"
    assert flagged(drawing, result, "first_delivery") == "gone x"


def test_originals_are_redeployed_with_their_squashed_commit() -> None:
    drawing = squash_drawing().commit("pick", "a", "api/x web/y", same_as="s").commit("end", "pick t", "api/e")
    view = drawing.view("api/**", introduced=STACKED)
    results = derive(view, deployed("a", "pick", "t"))
    assert names(drawing, results[1]) == "pick"  # a cherry-pick belongs to no pull request here
    assert names(drawing, results[2]) == "z y x"
    assert flagged(drawing, results[2], "redeployed") == "y x"
    assert flagged(drawing, results[2], "first_delivery") == "z"


def test_originals_deployed_from_their_branch_are_redeployed_after_the_squash() -> None:
    drawing = squash_drawing()
    results = derive(drawing.view(introduced=STACKED), deployed("a", "x", "s"))
    assert [names(drawing, result) for result in results] == ["", "x", "y x"]
    assert flagged(drawing, results[2], "redeployed") == "x"
    assert flagged(drawing, results[2], "first_delivery") == "y"


def test_originals_that_come_themselves_after_their_squash_are_redeployed() -> None:
    drawing = squash_drawing().commit("m", "w z")  # a stacked branch, merged after the squash of what it stands on
    results = derive(drawing.view(introduced=landed("s", 1, "x", "y")), deployed("a", "s", "m"))
    assert [names(drawing, result) for result in results] == ["", "y x", "w z y x"]
    assert flagged(drawing, results[2], "redeployed") == "y x"
    assert flagged(drawing, results[2], "first_delivery") == "w z"


def test_an_original_that_the_range_itself_carries_counts_once() -> None:
    drawing = squash_drawing().commit("m", "s y")
    result = derive(drawing.view(introduced=STACKED), deployed("a", "m"))[1]
    assert names(drawing, result) == "y x"
    assert [change.original_of for change in result.changes] == [None, None]
    assert result.dropped == {Dropped.MERGE: 1, Dropped.SQUASHED: 1}


def test_an_original_kept_behind_its_squashed_commit_is_not_dropped_as_well() -> None:
    drawing = squash_drawing().commit("m", "s y")
    view = drawing.view("api/**", introduced=STACKED)
    # y does not match as itself, x does; with two commits x is cut off as itself.
    for limits in (Limits(), Limits(max_commits=2)):
        result = derive(view, deployed("a", "m"), limits=limits)[1]
        assert result.dropped == {Dropped.MERGE: 1, Dropped.SQUASHED: 1}
        explained = explain_changes(deployed("a", "m"), "d1", repositories={"r": view}, limits=limits)
        assert explained is not None
        listed = {(drawing.names[one.sha], one.reason) for one in explained.candidates}
        assert listed == {("m", Dropped.MERGE), ("s", Dropped.SQUASHED), ("x", None), ("y", None)}
        assert len(explained.candidates) == 4


def test_originals_that_two_landed_commits_stand_for_count_once() -> None:
    drawing = squash_drawing()
    rows: list[IntroducedRow] = [*landed("s", 1, "x", "y"), (sha("w"), 1, "landed", 1, EPOCH)]
    result = derive(drawing.view(introduced=rows), deployed("a", "w"))[1]
    assert names(drawing, result) == "w y x"
    assert result.dropped == {Dropped.SQUASHED: 1}


def test_a_commit_belongs_to_the_earliest_merged_of_its_pull_requests() -> None:
    drawing = Drawing().line("a b")
    rows = landed("b", 7, merged_at=5) + landed("b", 9, merged_at=4) + landed("b", 8, merged_at=4)
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        assert derive(drawing.view(introduced=rows), deployed("a", "b"))[1].changes[0].number == 8


def test_reasons_of_what_cannot_be_computed() -> None:
    drawing = Drawing().line("a b c")
    series = [
        deployment(0, "zzz"),
        deployment(1, None),
        deployment(2, "a"),
        deployment(3, "b"),
        deployment(4 + 60 * 24, "c"),
        deployment(5 + 60 * 24, "c", repository="elsewhere"),
        deployment(6 + 60 * 24, "c", repository="elsewhere"),
    ]
    found = [(one.predecessor, one.not_computed) for one in derive(drawing.view(), series)]
    assert found == [
        (None, NotComputed.COMMIT_UNKNOWN),
        (None, NotComputed.NO_GIT),
        ("d0", NotComputed.PREDECESSOR_COMMIT_UNKNOWN),
        ("d2", None),
        ("d3", NotComputed.PREDECESSOR_TOO_OLD),
        (None, NotComputed.COMMIT_UNKNOWN),
        ("d1445", NotComputed.COMMIT_UNKNOWN),
    ]
    assert derive(drawing.view(), series, limits=Limits(max_gap=None))[4].not_computed is None
    skipped = derive(drawing.view(synced_from=EPOCH + HOUR), series)[2]
    assert (skipped.not_computed, skipped.flags) == (NotComputed.FIRST_DEPLOYMENT, ("predecessor_skipped",))


def test_what_came_before_a_gap_counts_as_delivered() -> None:
    drawing = Drawing().line("a b c d")
    series = [deployment(0, "c"), deployment(61 * 24, "b"), deployment(61 * 24 + 1, "d")]
    results = derive(drawing.view(), series)
    assert results[1].not_computed is NotComputed.PREDECESSOR_TOO_OLD
    assert names(drawing, results[2]) == "d c"
    assert flagged(drawing, results[2], "redeployed") == "c"


def test_an_unknown_commit_in_the_middle_is_skipped_after_a_sync() -> None:
    drawing = Drawing().line("a b c")
    series = deployed("a", "zzz", "c")
    waiting = derive(drawing.view(), series)[2]
    assert (waiting.predecessor, waiting.not_computed) == ("d1", NotComputed.PREDECESSOR_COMMIT_UNKNOWN)
    passed = derive(drawing.view(synced_from=EPOCH + HOUR + 1), series)[2]
    assert (passed.predecessor, passed.flags, names(drawing, passed)) == ("d0", ("predecessor_skipped",), "c b")


def test_two_repositories_of_one_series_do_not_mix_and_two_names_of_one_do() -> None:
    one, two = Drawing().line("a b c"), Drawing().line("a x")
    view = one.view()
    views = {"r": view, "renamed": RepositoryView(history=view.history, matcher=view.matcher), "other": two.view()}
    series = [
        deployment(0, "a"),
        deployment(1, "a", repository="other"),
        deployment(2, "b", repository="renamed"),
        deployment(3, "x", repository="other"),
        deployment(4, "c"),
    ]
    found = [(one.predecessor, len(one.changes)) for one in derive_changes(series, repositories=views)]
    assert found == [(None, 0), (None, 0), ("d0", 1), ("d1", 1), ("d2", 1)]


def test_truncation_takes_the_newest_before_the_path_filter() -> None:
    drawing = Drawing().commit("a").commit("b", "a", "api/x").commit("c", "b", "web/x").commit("d", "c", "api/x")
    drawing.commit("m", "d a")
    view = drawing.view("api/**")
    result = derive(view, deployed("a", "m"), limits=Limits(max_commits=2))[1]
    assert names(drawing, result) == "d"
    assert (result.flags, result.dropped) == (("truncated",), {Dropped.MERGE: 1, Dropped.TRUNCATED: 1, Dropped.PATH: 1})
    assert derive(view, deployed("a", "m"), limits=Limits(max_commits=3))[1].flags == ()
    assert len(derive(view, deployed("a", "m"), limits=Limits(max_commits=None))[1].changes) == 2


def test_a_test_merge_stands_for_the_head_of_its_pull_request() -> None:
    drawing = Drawing().line("a b c")
    view = drawing.view(aliases={sha("test"): sha("c")})
    results = derive(view, deployed("a", "test", "c"))
    assert (results[1].flags, names(drawing, results[1])) == (("test_merge",), "c b")
    assert (results[2].flags, results[2].not_computed) == ((), NotComputed.SAME_COMMIT)


def test_start_leaves_out_the_earlier_ones_but_knows_them() -> None:
    drawing = Drawing().line("a b c d")
    series = deployed("a", "c", "b", "d")
    assert derive(drawing.view(), series, start=3) == derive(drawing.view(), series)[3:]
    assert flagged(drawing, derive(drawing.view(), series, start=3)[0], "redeployed") == "c"


def test_explanation_lists_kept_and_dropped_with_reasons() -> None:
    drawing = squash_drawing().commit("m", "t a", "").commit("u", "m", None)
    view = drawing.view("api/**", introduced=STACKED, landings=[(1, "squash", ""), (2, "squash", "")])
    series = deployed("a", "u", "a")
    explained = explain_changes(series, "d1", repositories={"r": view}, limits=Limits(max_commits=4))
    assert explained is not None
    assert (explained.since, explained.head, explained.patterns) == (sha("a"), sha("u"), ("api/**",))
    listed = [(drawing.names[one.sha], one.reason, drawing.names.get(one.original_of or b"")) for one in explained.candidates]
    assert listed == [
        ("u", Dropped.PATHS_UNKNOWN, None),
        ("m", Dropped.MERGE, None),
        ("t", Dropped.SQUASHED, None),
        ("z", None, "t"),
        ("w", Dropped.PATH, None),
        ("s", Dropped.SQUASHED, None),
        ("y", None, "s"),
        ("x", None, "s"),
    ]
    truncated = explain_changes(series, "d1", repositories={"r": view}, limits=Limits(max_commits=2))
    assert truncated is not None
    assert [one.reason for one in truncated.candidates if drawing.names[one.sha] in "sw"] == [Dropped.TRUNCATED] * 2
    back = explain_changes(series, "d2", repositories={"r": view})
    assert back is not None
    assert (back.since, back.head, back.candidates) == (sha("u"), sha("a"), ())
    assert drawing.spell(back.changes.taken_back) == "t s"
    first = explain_changes(series, "d0", repositories={"r": view})
    assert first is not None
    assert (first.since, first.candidates) == (None, ())
    assert explain_changes(series, "d9", repositories={"r": view}) is None


FOLDERS = ["api/x", "web/x", "api/y web/y", ""]


@st.composite
def stories(draw: st.DrawFn) -> tuple[Drawing, list[str]]:
    """A random history with cherry-picks, and the commits deployed one after the other."""
    drawing = Drawing()
    size = draw(st.integers(2, 14))
    for at in range(size):
        below = [f"c{other}" for other in range(max(0, at - 4), at)]
        parents = draw(st.lists(st.sampled_from(below), max_size=2, unique=True)) if below else []
        paths = draw(st.sampled_from([*FOLDERS, None]))
        same_as = draw(st.sampled_from(["", "", "", *below]))
        drawing.commit(f"c{at}", " ".join(parents), paths, at=draw(st.integers(0, 5)), same_as=same_as)
    heads = draw(st.lists(st.sampled_from([*drawing.rows, "unknown"]), min_size=1, max_size=7))
    return drawing, heads


def naive(drawing: Drawing, heads: list[str], folder: str) -> list[tuple[set[str], set[str], set[str]]]:
    """(kept, redeployed, first deliveries) of each deployment, from plain sets."""

    def reach(name: str) -> set[str]:
        found: set[str] = set()
        stack = [name] if name in drawing.rows else []
        while stack:
            at = stack.pop()
            if at not in found:
                found.add(at)
                stack += [drawing.names[parent] for parent in drawing.rows[at].parents]
        return found

    def matches(name: str) -> bool:
        row = drawing.rows[name]
        paths = {number: path for path, number in drawing.paths.items()}
        return len(row.parents) < 2 and any(paths[one].startswith(folder.encode()) for one in row.path_ids or ())

    twin = {name: row.twin for name, row in drawing.rows.items()}
    answers, delivered, counted = [], set[str](), set[int]()
    known: str | None = None
    for position, head in enumerate(heads):
        waits = position > 0 and heads[position - 1] == "unknown"
        kept = {one for one in reach(head) - reach(known) if matches(one)} if known and not waits else set()
        twins = {twin[one] for one in delivered}
        by_age = sorted(kept, key=lambda one: (drawing.rows[one].committed_at, sha(one)))
        first = set()
        for one in by_age:
            if twin[one] not in counted:
                first.add(one)
            counted.add(twin[one])
        answers.append((kept, {one for one in kept if one in delivered or twin[one] in twins}, first))
        delivered |= reach(head)
        known = head if head in drawing.rows else known
    return answers


@settings(deadline=None, max_examples=200)
@given(stories(), st.randoms(use_true_random=False))
def test_random_series_agree_with_sets_whatever_the_arrival(
    story: tuple[Drawing, list[str]], rnd: random.Random
) -> None:
    drawing, heads = story
    order = list(drawing.rows)
    rnd.shuffle(order)
    arrived = deployed(*heads)
    rnd.shuffle(arrived)
    plain, shuffled = drawing.view("/api/**"), drawing.view("/api/**", order=order)
    results = derive(shuffled, series_order(arrived, {"r": shuffled}))
    assert results == derive(plain, deployed(*heads))
    for result, (kept, redeployed, first) in zip(results, naive(drawing, heads, "api/"), strict=True):
        assert set(names(drawing, result).split()) == kept
        assert set(flagged(drawing, result, "redeployed").split()) == redeployed
        assert set(flagged(drawing, result, "first_delivery").split()) == first
        assert len({change.sha for change in result.changes}) == len(result.changes)
        explained = explain_changes(deployed(*heads), result.deployment_id, repositories={"r": plain})
        assert explained is not None
        assert explained.changes == result
        counts = [one.reason for one in explained.candidates if one.reason]
        assert {reason: counts.count(reason) for reason in counts} == dict(result.dropped)
        assert [one.sha for one in explained.candidates if one.kept] == [change.sha for change in result.changes]


def test_limits_default_to_sixty_days_and_five_thousand() -> None:
    assert Limits() == Limits(max_gap=60 * DAY, max_commits=5_000)
