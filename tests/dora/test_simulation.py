"""Rules on trial: what would differ, what nearly matched and why not, and what people said about it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dora.overrides import Correction
from bot.dora.remediation import Carried, Classified, classify
from bot.dora.rules import DEFAULT_RULES, CompiledRules, Rule, RuleSet, compile_rules, matches
from bot.dora.simulation import (
    Confusion,
    Ears,
    Outside,
    Trial,
    Tried,
    changed_rules,
    confusion,
    is_linked,
    propose,
    simulate,
)
from tests.dora.stories import RULES, Story, cart, sha, versions

URGENT = Rule(id="urgent", field="pr_label", pattern="^urgent$")


def tried(story: Story, rule: Rule, *, since: int = 0, base: RuleSet = DEFAULT_RULES, **facts: object) -> dict[str, Trial]:
    """Each deployment under the shipped rules and with one more, looking at that one."""
    proposed = compile_rules(propose(base, Tried(rule=rule, linked=is_linked(rule.pattern))))
    ears = Ears(proposed, {rule.id})
    trials = simulate(story.series, compile_rules(base), proposed, lambda _: story.known, since=since, ears=ears, **facts)  # type: ignore[arg-type]
    return {trial.deployment.id: trial for trial in trials}


def misses(story: Story, rule: Rule, **facts: object) -> dict[str, list[tuple[str, str, str]]]:
    """Deployment → its near misses: reason, field, text."""
    found = tried(story, rule, **facts)
    return {id: [(one.reason, one.field, one.value) for one in trial.near_misses] for id, trial in found.items() if trial.near_misses}


def test_a_new_rule_shows_what_it_would_call_and_whom_it_would_blame() -> None:
    story = versions("V1", "V2")
    story.deploy(story.pull(1, labels=("urgent",)), version="V3")
    story.deploy(story.pull(2), version="V4")
    found = tried(story, URGENT)
    assert {id: trial.before != trial.after for id, trial in found.items()} == {"D1": False, "D2": True, "D3": True, "D4": False}
    mender, blamed = found["D3"], found["D2"]
    assert (mender.before.type, mender.after.type, mender.after.rules) == ("standard", "rollforward", ("urgent",))
    assert [(one.target, one.value) for one in mender.after.mends] == [("D2", "urgent")]
    assert (blamed.before.failed, blamed.after.failed, blamed.after.mended_by) == (False, True, "D3")
    assert all(not trial.near_misses for trial in found.values())


def test_a_changed_pattern_frees_what_it_does_not_see_any_more() -> None:
    story = versions("V1")
    story.deploy(story.pull(1, "hotfix: cart"), version="V2")
    story.deploy(story.pull(2, "Emergency hotfix"), version="V3")
    found = tried(story, Rule(id="hotfix-title", field="pr_title", pattern="^hotfix:"))
    assert (found["D2"].before.rules, found["D2"].after.rules) == (("hotfix-title",), ("hotfix-title",))
    assert (found["D3"].before.type, found["D3"].after.type) == ("rollforward", "standard")
    assert (found["D2"].before.failed, found["D2"].after.failed) == (True, False)


def test_a_linked_rule_says_why_it_refused() -> None:
    story = cart()
    story.deploy(story.pull(3, body="Mends #1\nMends #77"))
    found = misses(story, Rule(id="mends", field="pr_body", pattern="(?m)^Mends #$pr_number"))
    assert found == {"D5": [("unknown_original", "pr_body", "Mends #77")]}
    first = Story()
    first.deploy(first.pull(1, labels=("urgent",)))
    assert misses(first, URGENT) == {"D1": [("no_predecessor", "pr_label", "urgent")]}


def test_what_differs_in_one_thing_alone_is_a_near_miss() -> None:
    story = versions("V1")
    again = story.pull(1, labels=("urgent",))
    story.deploy(story.pull(2, labels=("Urgent",)))
    story.deploy(story.pull(3, "urgent"))
    story.deploy(story.pull(4), again=[again])
    story.deploy(story.pull(5, "URGENT"))
    outside = {"D5": [Outside(sha=sha("0e"), message="docs", pull_request=replace(again, number=6))]}
    assert misses(story, URGENT, outside=outside) == {
        "D2": [("case", "pr_label", "Urgent")],
        "D3": [("other_field", "pr_title", "urgent")],
        "D4": [("redeployed", "pr_label", "urgent")],
        "D5": [("path", "pr_label", "urgent")],
    }, "two differences at once (D5's own title) are none"


def test_what_another_rule_decided_first_is_said_to_who_tries_one() -> None:
    story = versions("V1", "V2")
    story.deploy(story.pull(1, "hotfix", labels=("urgent",)), version="V3")
    story.deploy(story.pull(2, labels=("urgent",)), version="V1")
    assert misses(story, URGENT) == {
        "D3": [("earlier_rule", "pr_label", "urgent")],
        "D4": [("earlier_rule", "pr_label", "urgent")],
    }
    everything = simulate(story.series, RULES, RULES, lambda _: story.known, since=0, ears=Ears(RULES))
    assert [trial.near_misses for trial in everything] == [()] * 4


def test_a_rule_that_blames_nobody_is_named_all_the_same() -> None:
    story = versions("V1", "V2")
    story.deploy(story.pull(1, labels=("urgent",)), version="V3")
    found = tried(story, replace(URGENT, blame="none"))
    (evidence,) = found["D3"].after.mends
    assert (found["D3"].after.type, found["D3"].after.rules, evidence.target) == ("rollforward", ("urgent",), "")
    assert found["D2"].after.failed is False


def test_what_nobody_can_recognise_is_neither_failed_nor_mended() -> None:
    story = versions("V1")
    story.deploy(version="V2")
    story.series[1] = replace(story.series[1], deployment=story.series[1].deployment._replace(version=""))
    story.deploy(story.pull(1, labels=("urgent",)), version="V3")
    blamed = tried(story, URGENT)["D2"].after
    assert (blamed.failed, blamed.mended_by, blamed.blamed_by) == (None, None, {"urgent"})


def test_people_are_the_truth_that_rules_are_held_against() -> None:
    story = versions("V1", "V2", "V3")
    story.deploy(story.pull(1, labels=("urgent",)), version="V4")
    said = {
        "D3": Correction(deployment_id="D3", failed=False, order=(1,), by="ann"),
        "D1": Correction(deployment_id="D1", failed=True, order=(1,), by="ann"),
    }
    found = tried(story, URGENT, own=said)
    assert (found["D3"].after.failed, found["D3"].after.blamed_by, found["D3"].told) == (False, {"urgent"}, False)
    assert found["D4"].after.type == "standard", "what it mended did not fail"
    assert found["D1"].after.failed is True
    compared = confusion((trial.told, bool(trial.after.blamed_by)) for trial in found.values())
    assert compared == Confusion(false_positives=1, false_negatives=1)
    assert (compared.precision, compared.recall) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("told", "shares", "why"),
    [
        ([], (None, None), ("no_overrides", "no_overrides")),
        ([(None, True)], (None, None), ("no_overrides", "no_overrides")),
        ([(True, True), (True, True), (False, True), (True, False)], (2 / 3, 2 / 3), (None, None)),
        ([(True, False)], (None, 0.0), ("none_called", None)),
        ([(False, True)], (0.0, None), (None, "none_failed")),
    ],
)
def test_shares_that_cannot_be_said_have_a_reason(
    told: list[tuple[bool | None, bool]], shares: tuple[float | None, ...], why: tuple[str | None, ...]
) -> None:
    found = confusion(told)
    assert (found.precision, found.recall) == shares
    assert (found.no_precision, found.no_recall) == why


def test_a_proposed_rule_takes_its_place() -> None:
    changed = replace(DEFAULT_RULES.static[0], pattern="x")
    assert propose(DEFAULT_RULES, Tried(rule=changed, linked=False)).static[0] == changed
    assert propose(DEFAULT_RULES, Tried(rule=URGENT, linked=False)).static[-1] == URGENT
    moved = propose(DEFAULT_RULES, Tried(rule=replace(changed, pattern="$pr_number"), linked=True))
    assert (moved.linked[-1].id, moved.static[0].id) == (changed.id, "hotfix-title")
    assert changed_rules(DEFAULT_RULES, moved) == {changed.id}
    assert changed_rules(DEFAULT_RULES, DEFAULT_RULES) == frozenset()
    assert propose(DEFAULT_RULES, None) is DEFAULT_RULES


@pytest.mark.parametrize(("pattern", "linked"), [("Mends #$pr_number", True), (r"costs \$5", False), ("$pr_number(", True), ("(", False)])
def test_a_variable_makes_a_rule_linked(pattern: str, linked: bool) -> None:
    assert is_linked(pattern) is linked


TITLES = ("Add cart", 'Revert "Add cart"', 'Reapply "Add cart"', "hotfix", "Hotfix!", "urgent")
BODIES = ("", "Reverts #1", "Reverts #2", "This reverts commit 01aaaaaa.")
LABELS = ((), ("hotfix",), ("urgent",), ("Urgent",))
DRAWN = st.lists(st.tuples(st.sampled_from(TITLES), st.sampled_from(BODIES), st.sampled_from(LABELS), st.sampled_from(("", "V1", "V2"))), max_size=7)


@given(DRAWN, st.integers(0, 700))
def test_both_sides_are_what_the_derivation_says(drawn: list[tuple[str, str, tuple[str, ...], str]], since: int) -> None:
    story = Story()
    for number, (title, body, labels, version) in enumerate(drawn, 1):
        story.deploy(story.pull(number, title, body=body, labels=labels, message=f"{title}\n\n{body}"), version=version)
    proposed = compile_rules(propose(DEFAULT_RULES, Tried(rule=URGENT, linked=False)))
    late = [one if one.deployment.finished_at >= since else replace(one, changes=(), pull_requests=()) for one in story.series]
    trials = simulate(
        late, RULES, proposed, lambda _: story.known, since=since, ears=Ears(proposed),
        recall=lambda _, __: [
            (one.deployment.id, change.sha, change.original_of, change.number) for one in story.series for change in one.changes
        ],
    )  # fmt: skip
    for rules, side in ((RULES, "before"), (proposed, "after")):
        heard = [_heard(one, rules) for one in story.series]
        whole = {one.deployment_id: one for one in classify(heard, rules, lambda _: story.known)}
        for trial in trials:
            verdict, found = getattr(trial, side), whole[trial.deployment.id]
            assert (verdict.type, verdict.mends, verdict.flags) == (found.type, found.remediations, found.flags)
            assert verdict.failed == any(_mends(one, trial.deployment.id) for one in whole.values())
    assert [trial.deployment.id for trial in trials] == [
        one.deployment.id for one in story.series if one.deployment.finished_at >= since
    ]


def _mends(one: Classified, id: str) -> bool:
    return any(each.target == id for each in one.remediations)


def _heard(carried: Carried, rules: CompiledRules) -> Carried:
    """What the stage reads: the messages in which a rule for messages sees something."""
    about = [rule for rule in (*rules.linked, *rules.static) if rule.rule.field == "commit_message"]
    heard = tuple(
        change if any(matches(rule, (change.message,)) for rule in about) else replace(change, message="")
        for change in carried.changes
    )
    return replace(carried, changes=heard)


def test_a_message_that_only_a_near_miss_needs_tells_no_reverts() -> None:
    """The derivation reads the messages in which its own rules see something: `Reapply` is not among them."""
    story = cart()
    story.deploy(story.pull(7, body="Reverts #55", labels=("hotfix",), message='Reapply "Something"'))
    found = tried(story, Rule(id="reapply", field="commit_message", pattern="Reapply"))["D5"]
    assert (found.before.type, found.after.type) == ("rollforward", "standard")
