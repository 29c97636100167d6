"""Reverts of reverts at their edges; the usual chains stand in docs/change-failures/relands.md."""

from dataclasses import replace

from bot.dora.rules import DEFAULT_RULES, compile_rules
from tests.dora.stories import (
    REGRESSION,
    Story,
    chain,
)


def test_a_circle_of_reverts_ends() -> None:
    story = chain({"body": "Reverts #3"}, {"body": "Reverts #2"})
    assert len(story.classified()) == 4


def test_a_very_long_chain_in_one_deployment_ends() -> None:
    story = Story()
    story.deploy()
    story.deploy(*(story.pull(number, f"Step {number}", body=f"Reverts #{number - 1}") for number in range(2, 99)))
    assert story.mended() == {}


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
