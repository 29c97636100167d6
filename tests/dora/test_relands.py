"""Reverts of reverts: parity follows the chain."""

from dataclasses import replace

import pytest

from bot.dora.rules import DEFAULT_RULES, compile_rules
from tests.dora.stories import (
    BY_NUMBER,
    LITERAL_RELAND,
    REGRESSION,
    Story,
    chain,
    sha,
    with_rules,
)

BY_SHA = [{"message": f"This reverts commit {sha(f'{number:02d}aaaaaa').hex()}."} for number in (1, 2, 3, 4)]
BY_BRANCH = [{"branch": f"revert-{number}-cart"} for number in (1, 2, 3, 4)]
BY_TITLE = [
    {"title": 'Revert "Add cart"'},
    {"title": 'Revert "Revert "Add cart""'},
    {"title": 'Revert "Revert "Revert "Add cart"""'},
    {"title": 'Revert "Revert "Revert "Revert "Add cart""""'},
]
AS_GIT_SAYS = [
    {**BY_SHA[0], "title": 'Revert "Add cart"'},
    {**BY_SHA[1], "title": 'Reapply "Add cart"'},
    {**BY_SHA[2], "title": 'Revert "Reapply "Add cart""'},
    {**BY_SHA[3], "title": 'Reapply "Reapply "Add cart""'},
]


@pytest.mark.parametrize(
    "reverts", [BY_NUMBER, BY_SHA, BY_BRANCH, BY_TITLE, AS_GIT_SAYS], ids=["number", "sha", "branch", "title", "git"]
)
def test_an_even_chain_is_a_reland_and_an_odd_one_points_to_what_it_names(reverts: list[dict[str, str]]) -> None:
    """D3 reverts #1: D2 failed. D4 reverts the revert: nothing. D5 reverts the re-land, which D4 carried: D4 failed."""
    story = chain(*reverts)
    assert story.mended() == {"D3": ["rollforward", "D2"], "D5": ["rollforward", "D4"]}
    reasons = story.reasons()
    assert {reason for _, reason in reasons["D4"]} == {"reland"}
    assert {reason for _, reason in reasons["D6"]} == {"reland"}


def test_literal_relands_restore_the_wording() -> None:
    story = chain(*BY_NUMBER[:2])
    assert story.mended(LITERAL_RELAND) == {"D3": ["rollforward", "D2"], "D4": ["rollforward", "D3"]}


def test_a_chain_may_change_its_way_of_naming() -> None:
    story = chain(BY_TITLE[0], BY_SHA[1], BY_NUMBER[2])
    assert story.mended() == {"D3": ["rollforward", "D2"], "D5": ["rollforward", "D4"]}


def test_a_reland_stops_the_decision() -> None:
    story = chain(BY_NUMBER[0])
    story.deploy(story.pull(3, "Cart again", body="Reverts #2", labels=("hotfix",)))
    assert story.mended() == {"D3": ["rollforward", "D2"]}


def test_a_reland_beside_a_revert_does_not_hide_it() -> None:
    story = chain(BY_NUMBER[0])
    story.deploy(story.pull(5))
    story.deploy(story.pull(3, "Cart again", body="Reverts #2"), story.pull(4, "Undo", body="Reverts #5"))
    assert story.mended() == {"D3": ["rollforward", "D2"], "D5": ["rollforward", "D4"]}


@pytest.mark.parametrize("title", ['Reapply "Add cart"', 'Revert "Revert "Add cart""'])
def test_titles_tell_parity_where_the_chain_is_not_known(title: str) -> None:
    """The reverted revert was never seen here."""
    story = chain({"title": title, "message": f"{title}\n\nThis reverts commit fffffff."})
    assert story.mended() == {}
    assert story.reasons()["D3"][0] == ("revert-sha", "reland")


def test_a_reverted_revert_in_one_deployment_mends_nothing() -> None:
    """D2 carried #1; D3 carries its revert and the revert of that: the cart is still there."""
    story = Story()
    one = story.pull(1)
    story.deploy()
    story.deploy(one)
    story.deploy(story.pull(2, "Undo", body="Reverts #1"), story.pull(3, "Redo", body="Reverts #2"))
    assert story.mended() == {}
    assert sorted(story.reasons()["D3"]) == [("revert-number", "reland"), ("revert-number", "same_deployment")]


def test_a_revert_whose_reland_was_reverted_in_the_same_deployment_stands() -> None:
    story = Story()
    one = story.pull(1)
    story.deploy()
    story.deploy(one)
    story.deploy(*(story.pull(number, f"Step {number}", body=f"Reverts #{number - 1}") for number in (2, 3, 4)))
    assert story.mended() == {"D3": ["rollforward", "D2"]}


def test_a_circle_of_reverts_ends() -> None:
    story = chain({"body": "Reverts #3"}, {"body": "Reverts #2"})
    assert len(story.classified()) == 4


def test_a_very_long_chain_in_one_deployment_ends() -> None:
    story = Story()
    story.deploy()
    story.deploy(*(story.pull(number, f"Step {number}", body=f"Reverts #{number - 1}") for number in range(2, 99)))
    assert story.mended() == {}


def test_parity_is_of_reverts_only() -> None:
    """A fix of a fix is a fix."""
    rules = with_rules(linked=[REGRESSION])
    story = chain({"body": "Fixes regression of #1"}, {"body": "Fixes regression of #2"})
    assert story.mended(rules) == {"D3": ["rollforward", "D2"], "D4": ["rollforward", "D3"]}


def test_titles_of_a_known_link_tell_of_what_lies_behind_it() -> None:
    """#2 is known and calls itself a re-land of something unknown: its revert is odd."""
    story = Story()
    story.deploy()
    story.deploy(story.pull(2, 'Reapply "Add cart"', message="This reverts commit fffffff."))
    story.deploy(story.pull(3, "Undo", body="Reverts #2"))
    assert story.mended() == {"D3": ["rollforward", "D2"]}


def test_a_fix_of_a_revert_is_no_reland() -> None:
    rules = compile_rules(replace(DEFAULT_RULES, linked=(*DEFAULT_RULES.linked, REGRESSION)))
    story = chain({"body": "Reverts #1"}, {"body": "Fixes regression of #2"})
    assert story.mended(rules) == {"D3": ["rollforward", "D2"], "D4": ["rollforward", "D3"]}


def test_a_revert_of_a_mere_fix_is_odd() -> None:
    rules = compile_rules(replace(DEFAULT_RULES, linked=(*DEFAULT_RULES.linked, REGRESSION)))
    story = chain({"body": "Fixes regression of #1"}, {"body": "Reverts #2"})
    assert story.mended(rules) == {"D3": ["rollforward", "D2"], "D4": ["rollforward", "D3"]}
