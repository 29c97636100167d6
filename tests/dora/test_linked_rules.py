"""Linked rules at their edges; what they say of usual series stands in docs/change-failures."""

from dataclasses import replace

import pytest

from bot.dora.pull_requests import PullRequest
from bot.dora.remediation import (
    CarriedChange,
    flag_pull_request,
)
from tests.dora.stories import (
    RULES,
    Story,
    cart,
    sha,
)


@pytest.mark.parametrize(
    ("revert", "rule"),
    [
        ({"message": "This reverts commit 01aaaaab."}, "revert-sha"),
        ({"body": "Reverts #9"}, "revert-number"),
        ({"body": "Reverts #" + "1" * 5000}, "revert-number"),
        ({"title": 'Revert "Add carts"'}, "revert-title"),
    ],
)
def test_an_unknown_original_classifies_nothing_and_says_so(revert: dict[str, str], rule: str) -> None:
    story = cart(**revert)
    assert story.mended() == {}
    assert story.reasons() == {"D4": [(rule, "unknown_original")]}


def test_an_ambiguous_abbreviation_is_unknown() -> None:
    story = cart(message="This reverts commit 01aaaaa.")
    story.commit("01aaaaab", "another")
    assert story.reasons() == {"D4": [("revert-sha", "unknown_original")]}


def test_the_sha_of_a_merge_commit_stands_for_its_pull_request() -> None:
    """#1 was merged by merge commit 0e, its own commits are c1 and c2; D2 carried c1, D3 c2: the latest counts."""
    story = Story()
    merge = story.commit("0eeeeeee", "Merge pull request #1")
    story.known.pulls[1] = PullRequest(number=1, title="Add cart", merged_at=1_000, merge_sha=merge)
    c1, c2 = story.commit("c1", "one"), story.commit("c2", "two")
    story.deploy()
    story.deploy(c1)
    story.deploy(c2)
    for at, commit in ((1, c1), (2, c2)):
        story.series[at] = replace(story.series[at], changes=(CarriedChange(sha=commit, message="", number=1),))
    revert = f"Revert\n\nThis reverts commit {merge.hex()}, reversing\nchanges made to {sha('dd').hex()}."
    story.deploy(story.commit("ee", revert))
    assert story.mended() == {"D4": ["rollforward", "D3"]}


def rebased() -> Story:
    """#1 was a1, a2 in its head and landed as b1, b2, the last of which is what it was merged as; D2 carries both."""
    story = Story()
    a1, a2, b1, b2 = (story.commit(name, name) for name in ("a1", "a2", "b1", "b2"))
    story.known.rebased = {a1: b1, a2: b2}
    story.known.pulls[1] = PullRequest(number=1, title="Cart", merged_at=1_000, merge_sha=b2)
    story.deploy()
    story.deploy(b1, b2)
    changes = tuple(CarriedChange(sha=each, message="", number=1) for each in (b1, b2))
    story.series[1] = replace(story.series[1], changes=changes)
    return story


@pytest.mark.parametrize(("named", "landed"), [("a1", "b1"), ("a2", "b2")])
def test_a_commit_as_it_was_before_its_rebase_is_what_it_became(named: str, landed: str) -> None:
    story = rebased()
    story.deploy(story.commit("ee", f"This reverts commit {sha(named).hex()}."))
    assert story.mended() == {"D3": ["rollforward", "D2"]}
    assert [one.original for found in story.classified() for one in found.remediations] == [sha(landed).hex()]
    flag = flag_pull_request(PullRequest(number=2), [f"This reverts commit {sha(named).hex()}."], RULES, story.known)
    assert flag is not None and flag.target_sha == sha(landed)
    assert flag.target == (1 if named == "a2" else None), "what a pull request was merged as stands for it"


def test_what_was_deployed_before_its_rebase_is_found_where_nothing_else_is() -> None:
    """A series that deploys the branch: D2 carried a1, which is b1 elsewhere."""
    story = rebased()
    a2 = CarriedChange(sha=sha("a2"), message="")
    story.series[1] = replace(story.series[1], changes=(a2,))
    revert = story.commit("ee", f"This reverts commit {sha('a2').hex()}.")
    story.deploy(revert)
    assert story.mended() == {"D3": ["rollforward", "D2"]}
    story.series[1] = replace(story.series[1], changes=())
    story.series[2] = replace(story.series[2], changes=(*story.series[2].changes, a2))
    assert story.reasons() == {"D3": [("revert-sha", "same_deployment")]}


@pytest.mark.parametrize("named", ["5aaaaaaa", "c1"])
def test_a_squashed_commit_and_its_originals_both_point_home(named: str) -> None:
    """D2 carried c1 in place of the squashed 5a, and D4 a squashed revert whose own message names either."""
    story = Story()
    squashed, original = story.commit("5aaaaaaa", "Add cart (#1)"), story.commit("c1", "wip cart")
    revert, work = (
        story.commit("5bbbbbbb", f"Undo (#2)\n\nThis reverts commit {sha(named).hex()}"),
        story.commit("c2", "undo"),
    )
    for _ in range(4):
        story.deploy()
    one = CarriedChange(sha=original, message="wip cart", original_of=squashed, number=1)
    two = CarriedChange(sha=work, message="undo", original_of=revert, number=2)
    story.series[1] = replace(story.series[1], changes=(one,))
    story.series[3] = replace(story.series[3], changes=(two,), squashed=((revert, story.known.messages[revert]),))
    assert story.mended() == {"D4": ["rollforward", "D2"]}
    lone = replace(story.series[3], changes=(replace(two, number=None),))
    story.series[3] = lone
    assert story.mended() == {"D4": ["rollforward", "D2"]}
    story.series[3] = replace(lone, changes=(replace(two, number=None, redeployed=True),))
    assert story.mended() == {}


def test_a_squashed_original_in_the_same_deployment() -> None:
    story = Story()
    squashed, original = story.commit("5aaaaaaa", "Add cart (#1)"), story.commit("c1", "wip cart")
    story.deploy()
    story.deploy(story.commit("ee", "This reverts commit 5aaaaaaa."))
    one = CarriedChange(sha=original, message="wip cart", original_of=squashed)
    story.series[1] = replace(story.series[1], changes=(*story.series[1].changes, one))
    assert story.reasons() == {"D2": [("revert-sha", "same_deployment")]}


def test_a_pull_request_that_reverts_a_commit_of_its_own() -> None:
    story = Story()
    wip, undo = story.commit("c1", "wip"), story.commit("c2", f"This reverts commit {sha('c1').hex()}.")
    story.deploy()
    story.deploy()
    changes = tuple(CarriedChange(sha=each, message=story.known.messages[each], number=1) for each in (wip, undo))
    story.series[1] = replace(story.series[1], changes=changes)
    assert story.mended() == {}
    assert story.reasons() == {"D2": [("revert-sha", "same_deployment")]}
    pull = PullRequest(number=1, title="Cart")
    messages = [change.message for change in changes]
    assert flag_pull_request(pull, messages, RULES, story.known, [wip, undo]) is None
    rebased = story.pull(2)
    assert flag_pull_request(rebased, ("This reverts commit 02aaaaaa.",), RULES, story.known) is None


def test_a_number_counts_in_its_own_repository() -> None:
    """The series changed its repository: #1 of the old one is not #1 of the new."""
    story = cart(body="Reverts #1")
    moved = story.series[3].deployment._replace(repository="github.com/acme/new")
    story.series[3] = replace(story.series[3], deployment=moved)
    assert story.reasons() == {"D4": [("revert-number", "unknown_original")]}
