"""Linked rules: a revert blames the deployment that carried its original."""

from dataclasses import replace

import pytest

from bot.dora.pull_requests import PullRequest
from bot.dora.remediation import (
    CarriedChange,
    flag_pull_request,
)
from bot.dora.rules import DEFAULT_RULES, Rule, compile_rules
from tests.dora.stories import (
    RULES,
    Story,
    cart,
    sha,
    versions,
    with_rules,
)


@pytest.mark.parametrize(
    ("revert", "evidence"),
    [
        (
            {"message": f"Undo\n\nThis reverts commit {sha('01aaaaaa').hex()}."},
            ("revert-sha", "commit_message", f"This reverts commit {sha('01aaaaaa').hex()}.", sha("01aaaaaa").hex()),
        ),
        (
            {"message": "This reverts commit 01aaaaa (Add cart)."},
            ("revert-sha", "commit_message", "This reverts commit 01aaaaa (Add cart).", sha("01aaaaaa").hex()),
        ),
        (
            {"message": "x\n\nThis reverts merge request !1"},
            ("revert-mr", "commit_message", "This reverts merge request !1", "1"),
        ),
        ({"body": "Reverts #1"}, ("revert-number", "pr_body", "Reverts #1", "1")),
        ({"body": "Sorry\nReverts acme/shop#1\n"}, ("revert-number", "pr_body", "Reverts acme/shop#1", "1")),
        ({"body": "Reverts Acme/Shop#1"}, ("revert-number", "pr_body", "Reverts Acme/Shop#1", "1")),
        (
            {"body": "Reverts github.com/acme/shop#1"},
            ("revert-number", "pr_body", "Reverts github.com/acme/shop#1", "1"),
        ),
        ({"branch": "revert-1-cart"}, ("revert-branch", "pr_branch", "revert-1-cart", "1")),
        ({"title": 'Revert "Add cart"'}, ("revert-title", "pr_title", 'Revert "Add cart"', "1")),
    ],
)
def test_a_revert_blames_the_deployment_that_carried_its_original(
    revert: dict[str, str], evidence: tuple[str, ...]
) -> None:
    story = cart(**revert)
    assert story.mended() == {"D4": ["rollforward", "D2"]}
    (found,) = story.classified()[3].remediations
    assert (found.rule, found.field, found.value, found.original) == evidence
    assert story.reasons() == {}


@pytest.mark.parametrize(
    ("revert", "rule"),
    [
        ({"message": "This reverts commit 01aaaaab."}, "revert-sha"),
        ({"body": "Reverts #77"}, "revert-number"),
        ({"body": "Reverts acme/shopping#1"}, "revert-number"),
        ({"body": "Reverts other/shop#1"}, "revert-number"),
        ({"body": "Reverts #9"}, "revert-number"),
        ({"body": "Reverts #" + "1" * 5000}, "revert-number"),
        ({"title": 'Revert "add cart"'}, "revert-title"),
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


def test_what_only_the_first_deployment_brought_is_unknown() -> None:
    """A first deployment has no range, so nothing is known to be carried by it."""
    story = Story()
    story.pull(1, "Add cart")
    story.deploy()
    story.deploy(story.pull(9, "Cart", body="Reverts #1"))
    assert story.reasons() == {"D2": [("revert-number", "unknown_original")]}


def test_the_order_is_sha_number_branch_title() -> None:
    """All four point elsewhere: the sha is believed. Take the rules away one by one, and the next one is."""
    story = Story()
    pulls = [story.pull(number, f"Title {number}") for number in (1, 2, 3, 4)]
    story.deploy()
    for pull in pulls:
        story.deploy(pull)
    story.deploy(
        story.pull(
            9, 'Revert "Title 4"', body="Reverts #2", branch="revert-3-x", message="This reverts commit 01aaaaaa"
        )
    )
    blamed = []
    for left in range(5):
        if left == 1:
            continue  # The rule for merge requests reads messages too and sees nothing here.
        rules = compile_rules(replace(DEFAULT_RULES, linked=DEFAULT_RULES.linked[left:]))
        blamed.append(story.mended(rules)["D6"])
    assert blamed == [["rollforward", "D2"], ["rollforward", "D3"], ["rollforward", "D4"], ["rollforward", "D5"]]


def test_an_unknown_sha_leaves_the_word_to_the_number() -> None:
    story = cart(message="This reverts commit fffffff.", body="Reverts #1")
    assert story.mended() == {"D4": ["rollforward", "D2"]}
    assert story.classified()[3].remediations[0].rule == "revert-number"
    assert story.reasons() == {}


def test_of_equal_titles_the_latest_merged_before_the_revert_is_meant() -> None:
    story = Story()
    first, second = story.pull(1, "Bump deps"), story.pull(2, "Bump deps")
    revert = story.pull(8, 'Revert "Bump deps"')
    later = story.pull(9, "Bump deps")
    story.deploy()
    for pull in (first, second, later, revert):
        story.deploy(pull)
    assert story.mended() == {"D5": ["rollforward", "D3"]}


def test_an_unmerged_pull_request_of_that_title_is_not_meant() -> None:
    story = cart(title='Revert "Add cart"')
    story.known.pulls[3] = PullRequest(number=3, title="Add cart")
    assert story.mended() == {"D4": ["rollforward", "D2"]}


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


def test_the_sha_of_a_merge_without_pull_request_stands_for_its_commits() -> None:
    story = Story()
    c1, c2, merge = story.commit("c1", "one"), story.commit("c2", "two"), story.commit("0eeeeeee", "Merge branch x")
    story.known.merges = {merge: (c1, c2, merge)}
    story.deploy()
    story.deploy(c1, c2)
    story.deploy()
    story.deploy(story.commit("ee", f"This reverts commit {merge.hex()}."))
    assert story.mended() == {"D4": ["rollforward", "D2"]}
    assert story.classified()[3].remediations[0].original == merge.hex()


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


def test_the_latest_earlier_deployment_that_carried_it_failed() -> None:
    """D2 brought #1, D3 rolled back, D4 brought it again (redeployed), D5 reverts it: D4 failed."""
    story = Story()
    one = story.pull(1)
    story.deploy(version="V1")
    story.deploy(one, version="V2")
    story.deploy(version="V1")
    story.deploy(story.pull(2), version="V3", again=[one])
    story.deploy(story.pull(9, "Undo", body="Reverts #1"))
    assert story.mended() == {"D3": ["rollback", "D2"], "D5": ["rollforward", "D4"]}


def test_original_and_revert_in_one_deployment() -> None:
    story = Story()
    one = story.pull(1)
    story.deploy()
    story.deploy(one, story.pull(9, "Undo", body="Reverts #1"))
    assert story.mended() == {}
    assert story.reasons() == {"D2": [("revert-number", "same_deployment")]}


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


def test_static_rules_are_still_asked_after_a_link_that_failed() -> None:
    story = Story()
    one = story.pull(1)
    story.deploy()
    story.deploy(one, story.pull(9, "Undo", body="Reverts #1", labels=("hotfix",)))
    assert story.mended() == {"D2": ["rollforward", "D1"]}
    assert story.reasons() == {"D2": [("revert-number", "same_deployment")]}


def test_two_reverts_in_one_deployment_mend_two() -> None:
    """One by its body, one by its title, and two lines in one message."""
    story = Story()
    pulls = [story.pull(number, f"Title {number}") for number in (1, 2, 3, 4)]
    story.deploy()
    for pull in pulls:
        story.deploy(pull)
    story.deploy(
        story.pull(7, "Undo", body="Reverts #1"),
        story.pull(8, 'Revert "Title 2"'),
        story.pull(9, "More", message="This reverts commit 03aaaaaa.\nThis reverts commit 04aaaaaa."),
    )
    assert story.mended() == {"D6": ["rollforward", "D2", "D3", "D4", "D5"]}


def test_of_two_proofs_for_one_target_the_stronger_is_kept() -> None:
    story = Story()
    one = story.pull(1, "Add cart")
    story.deploy()
    story.deploy(one)
    story.deploy(story.pull(8, 'Revert "Add cart"'), story.pull(9, "Undo", message="This reverts commit 01aaaaaa"))
    (found,) = story.classified()[2].remediations
    assert found.rule == "revert-sha"


def test_redeployed_changes_are_not_asked() -> None:
    story = cart(body="Reverts #1")
    story.deploy(story.pull(5), again=[story.known.pulls[9]])
    assert story.mended() == {"D4": ["rollforward", "D2"]}


def test_a_linked_version_points_to_the_latest_deployment_of_it() -> None:
    rules = with_rules(linked=[Rule(id="mends", field="pr_body", pattern="Mends release $version")])
    story = versions("V1", "V2", "V3")
    story.deploy(story.pull(1, body="Mends release V2"))
    story.deploy(story.pull(2, body="Mends release V7"))
    story.deploy(story.pull(3, body="Mends release V8"), version="V8")
    assert story.mended(rules) == {"D4": ["rollforward", "D2"]}
    assert story.reasons(rules) == {"D5": [("mends", "unknown_original")], "D6": [("mends", "same_deployment")]}
    assert story.classified(rules)[3].remediations[0].original == "V2"


def test_a_version_may_say_what_it_mends() -> None:
    rules = with_rules(linked=[Rule(id="fixes", field="version", pattern="-fixes-$version$")])
    story = versions("1.0", "1.1", "1.2", "1.3-fixes-1.1", "1.3-fixes-1.1")
    assert story.mended(rules) == {"D4": ["rollforward", "D2"]}


def test_a_number_counts_in_its_own_repository() -> None:
    """The series changed its repository: #1 of the old one is not #1 of the new."""
    story = cart(body="Reverts #1")
    moved = replace(story.series[3].deployment, repository="github.com/acme/new")
    story.series[3] = replace(story.series[3], deployment=moved)
    assert story.reasons() == {"D4": [("revert-number", "unknown_original")]}
