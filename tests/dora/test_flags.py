"""Pull requests that are flagged by themselves, before any deployment."""

from dataclasses import replace

from bot.dora.pull_requests import PullRequest
from bot.dora.remediation import (
    PullRequestFlag,
    flag_pull_request,
)
from tests.dora.stories import (
    BY_NUMBER,
    RULES,
    Story,
    chain,
    sha,
)


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
