"""Rollbacks: what going back blames, strict and by the letter."""

from dataclasses import replace

from bot.dora.remediation import (
    Remediation,
)
from tests.dora.stories import (
    LITERAL_ROLLBACK,
    Story,
    sha,
    versions,
)


def test_going_back_blames_the_first_deployment_after_the_target() -> None:
    story = versions("V1", "V2", "V3", "V1")
    assert story.mended() == {"D4": ["rollback", "D2"]}
    assert story.classified()[3].remediations == (
        Remediation(target="D2", type="rollback", rule="rollback", field="version", value="V1", original="D1"),
    )


def test_the_same_again_is_nothing() -> None:
    assert versions("V1", "V1").mended() == {}
    assert versions("V1", "V2", "V2", "V2").mended() == {}


def test_the_target_is_the_most_recent_one() -> None:
    assert versions("V1", "V2", "V1", "V3", "V1").mended() == {"D3": ["rollback", "D2"], "D5": ["rollback", "D4"]}


def test_strict_sees_that_a_replaced_deployment_is_reinstated() -> None:
    story = versions("V1", "V2", "V1", "V2")
    assert story.mended() == {"D3": ["rollback", "D2"]}
    assert [found.flags for found in story.classified()] == [(), (), (), ("reinstated",)]


def test_literal_calls_every_return_a_rollback() -> None:
    story = versions("V1", "V2", "V1", "V2")
    assert story.mended(LITERAL_ROLLBACK) == {"D3": ["rollback", "D2"], "D4": ["rollback", "D3"]}


def test_strict_means_any_deployment_between_the_rollback_and_its_target() -> None:
    story = versions("V1", "V2", "V3", "V1", "V2")
    assert story.mended() == {"D4": ["rollback", "D2"]}
    assert story.classified()[4].flags == ("reinstated",)


def test_strict_means_just_before() -> None:
    """V3 came in between: going back to V2 follows the letter."""
    assert versions("V1", "V2", "V1", "V3", "V2").mended() == {"D3": ["rollback", "D2"], "D5": ["rollback", "D3"]}


def test_after_a_reinstatement_the_letter_holds_again() -> None:
    assert versions("V1", "V2", "V1", "V2", "V1").mended() == {"D3": ["rollback", "D2"], "D5": ["rollback", "D4"]}


def test_older_than_the_target_is_a_rollback_too() -> None:
    assert versions("V0", "V1", "V2", "V1", "V0").mended() == {"D4": ["rollback", "D3"], "D5": ["rollback", "D2"]}


def test_reinstating_is_seen_by_the_sha_too() -> None:
    story = Story()
    for commit in ("aa", "bb", "aa", "bb"):
        story.deploy(commit=commit)
    assert story.mended() == {"D3": ["rollback", "D2"]}


def test_with_git_on_both_the_sha_decides() -> None:
    story = Story()
    story.deploy(version="V1", commit="aa")
    story.deploy(version="V2", commit="bb")
    story.deploy(version="V1", commit="cc")
    assert story.mended() == {}
    story.deploy(version="V9", commit="bb")
    assert story.mended() == {"D4": ["rollback", "D3"]}
    (evidence,) = story.classified()[3].remediations
    assert (evidence.field, evidence.value, evidence.original) == ("commit_sha", sha("bb").hex(), "D2")


def test_where_one_has_no_git_the_version_decides() -> None:
    story = Story()
    story.deploy(version="V1")
    story.deploy(version="V2", commit="bb")
    story.deploy(version="V1", commit="cc")
    story.deploy(version="V2")
    assert story.mended(LITERAL_ROLLBACK) == {"D3": ["rollback", "D2"], "D4": ["rollback", "D3"]}


def test_an_empty_version_is_no_version() -> None:
    story = Story()
    for commit in ("aa", "bb", "cc"):
        story.deploy(commit=commit)
    assert story.mended() == {}


def test_neither_git_nor_version_is_no_identity() -> None:
    story = versions("V1", "V2")
    story.deploy()
    nameless = replace(story.series[2].deployment, version="")
    story.series[2] = replace(story.series[2], deployment=nameless)
    assert story.mended() == {}
    assert story.reasons() == {"D3": [("rollback", "no_identity")]}


def test_a_nameless_deployment_just_before_may_have_been_the_same() -> None:
    story = versions("V1", "V2", "")
    story.series[2] = replace(story.series[2], deployment=replace(story.series[2].deployment, version=""))
    story.deploy(version="V1")
    assert story.mended() == {}
    assert story.reasons() == {"D3": [("rollback", "no_identity")], "D4": [("rollback", "no_identity")]}


def test_going_back_to_what_was_never_deployed_is_only_flagged() -> None:
    story = versions("V2", "V1")
    story.series[1] = replace(story.series[1], moved_backwards=True)
    assert story.mended() == {}
    assert story.classified()[1].flags == ("moved_backwards",)


def test_a_rollback_comes_before_the_rules() -> None:
    story = versions("V1", "V2")
    story.deploy(story.pull(1, "hotfix"), version="V1")
    assert story.mended() == {"D3": ["rollback", "D2"]}
