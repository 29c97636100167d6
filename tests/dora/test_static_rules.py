"""Static rules, and pull requests that are flagged by themselves."""

from dataclasses import replace

import pytest

from bot.dora.pull_requests import PullRequest
from bot.dora.remediation import (
    PullRequestFlag,
    flag_pull_request,
)
from bot.dora.rules import Rule
from tests.dora.stories import (
    BY_NUMBER,
    RULES,
    Story,
    cart,
    chain,
    sha,
    versions,
    with_rules,
)


@pytest.mark.parametrize(
    ("pull", "rule"),
    [
        ({"labels": ("type/hotfix",)}, "hotfix-label"),
        ({"title": "HOTFIX: null cart"}, "hotfix-title"),
        ({"branch": "hotfix/cart"}, "hotfix-branch"),
    ],
)
def test_a_hotfix_blames_the_deployment_just_before(pull: dict[str, object], rule: str) -> None:
    story = versions("V1", "V2")
    story.deploy(story.pull(1, **pull), version="V3")  # type: ignore[arg-type]
    assert story.mended() == {"D3": ["rollforward", "D2"]}
    (found,) = story.classified()[2].remediations
    assert (found.rule, found.original) == (rule, "V2")


@pytest.mark.parametrize(
    "pull", [{"labels": ("incident",)}, {"body": "hotfix"}, {"message": "hotfix"}, {"title": "Photo fixture"}]
)
def test_what_is_no_hotfix(pull: dict[str, object]) -> None:
    story = versions("V1", "V2")
    story.deploy(story.pull(1, **pull))  # type: ignore[arg-type]
    assert story.mended() == {}


def test_without_a_deployment_before_there_is_nobody_to_blame() -> None:
    story = Story()
    story.deploy(story.pull(1, "hotfix"))
    assert story.mended() == {}
    assert story.reasons() == {"D1": [("hotfix-title", "no_predecessor")]}


def test_linked_rules_come_before_static_ones() -> None:
    story = cart(body="Reverts #1", title="Hotfix: undo the cart")
    assert story.mended() == {"D4": ["rollforward", "D2"]}


def test_static_rules_decide_in_their_order() -> None:
    rules = with_rules(
        static=[
            Rule(id="second", field="pr_label", pattern="b"),
            Rule(id="first", field="pr_label", pattern="a"),
        ]
    )
    story = versions("V1")
    story.deploy(story.pull(1, labels=("a", "b")))
    assert story.classified(rules)[1].remediations[0].rule == "second"


def test_a_static_rule_may_read_the_version_once() -> None:
    """The second 1.1-hotfix is the first one deployed again: it brings nothing."""
    rules = with_rules(static=[Rule(id="patch", field="version", pattern="-hotfix$")])
    assert versions("1.1", "1.1-hotfix", "1.1-hotfix").mended(rules) == {"D2": ["rollforward", "D1"]}


def test_blame_none_is_rework_without_a_failed_deployment() -> None:
    rules = with_rules(static=[Rule(id="rework", field="pr_label", pattern="^rework$", blame="none")])
    story = Story()
    story.deploy(story.pull(1, labels=("rework",)))
    (found,) = story.classified(rules)
    assert (found.type, found.remediations, found.flags) == ("rollforward", (), ("rework",))


def test_a_commit_without_pull_request_has_a_message_only() -> None:
    rules = with_rules(static=[Rule(id="urgent", field="commit_message", pattern="(?m)^Urgent: yes$")])
    story = versions("V1")
    story.deploy(story.commit("aa", "Mend\n\nUrgent: yes"))
    assert story.mended(rules) == {"D2": ["rollforward", "D1"]}


def test_one_failure_may_be_mended_twice() -> None:
    """The reader of these rows takes the earliest by the order of the series: D3."""
    story = chain({"body": "Reverts #1"}, {"body": "Undo once more\nReverts #1"})
    assert story.mended() == {"D3": ["rollforward", "D2"], "D4": ["rollforward", "D2"]}


# A pull request alone ----------------------------------------------------------------------------------------------


def flagged(story: Story, pull: PullRequest) -> PullRequestFlag | None:
    return flag_pull_request(pull, story.known.messages_of(pull), RULES, story.known)


def test_a_pull_request_is_flagged_before_any_deployment() -> None:
    story = Story()
    story.pull(1, "Add cart")
    opened = PullRequest(number=9, title='Revert "Add cart"', body="Reverts acme/shop#1", head_ref="revert-1-cart")
    assert flagged(story, opened) == PullRequestFlag(
        rule="revert-number", field="pr_body", value="Reverts acme/shop#1", target=1
    )
    by_message = replace(opened, number=10)
    story.known.pull_messages[10] = ("x\n\nThis reverts commit 01aaaaaa.",)
    found = flagged(story, by_message)
    assert found is not None
    assert (found.rule, found.target, found.target_sha) == ("revert-sha", 1, sha("01aaaaaa"))


def test_a_flag_may_not_know_its_target() -> None:
    opened = PullRequest(number=9, title='Revert "Something"')
    assert flagged(Story(), opened) == PullRequestFlag(
        rule="revert-title", field="pr_title", value='Revert "Something"'
    )


def test_a_hotfix_is_flagged() -> None:
    assert flagged(Story(), PullRequest(number=9, labels=("hotfix",))) == PullRequestFlag(
        rule="hotfix-label", field="pr_label", value="hotfix"
    )


def test_what_is_neither_is_not_flagged() -> None:
    story = chain(BY_NUMBER[0])
    assert flagged(story, PullRequest(number=9, title="Add a cart")) is None
    assert flagged(story, PullRequest(number=9, title="Hotfix: cart again", body="Reverts #2")) is None
