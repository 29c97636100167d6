"""Rules to be tried are read from a whole file or a single rule, and rules are written as the file they would stand in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dora.rules import DEFAULT_RULES, Options, Rule, RuleSet, check_rule
from bot.dora.simulation import Tried
from bot.sources.rule_trial import read_proposal, write_rules

NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,9}", fullmatch=True)
ODD = st.sampled_from("'\"\\: #{}[],\n\t\x85\u2028é\U0001f600%&*!|>@`-?")
ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
PATTERNS = st.lists(st.one_of(ODD, ANY), min_size=1, max_size=20).map("".join)


@given(NAMES, PATTERNS.filter(lambda text: check_rule(Rule(id="x", field="version", pattern=text), linked=False) is None), st.booleans())
def test_what_is_written_is_read_again(id: str, pattern: str, on: bool) -> None:
    rule = Rule(id=f"{id}-new", field="pr_title", pattern=pattern, enabled=on, blame="none")
    rules = RuleSet(linked=(), static=(*DEFAULT_RULES.static, rule), options=Options(rollback="literal"))
    assert read_proposal("rules.yaml", write_rules(rules).encode()) == (rules, ())


def test_the_shipped_rules_are_written_as_they_are_shipped() -> None:
    assert read_proposal("rules.yaml", write_rules(DEFAULT_RULES).encode()) == (DEFAULT_RULES, ())
    assert "  - {id: revert-title, field: pr_title, pattern: '^Revert \"$pr_title\"$'}\n" in write_rules(DEFAULT_RULES)


@pytest.mark.parametrize(
    ("text", "linked", "rule"),
    [
        ("{id: a, field: pr_body, pattern: 'Mends #$pr_number'}", True, Rule(id="a", field="pr_body", pattern="Mends #$pr_number")),
        ("{id: a, field: pr_label, pattern: urgent, blame: none}", False, Rule(id="a", field="pr_label", pattern="urgent", blame="none")),
    ],
)
def test_a_single_rule_is_what_its_pattern_says(text: str, linked: bool, rule: Rule) -> None:
    assert read_proposal("one.yaml", text.encode()) == (Tried(rule=rule, linked=linked), ())


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("id: a\npattern: b\n", (1, 1)),
        ("id: a\nfield: pr_body\npattern: '#$pr_number $version'\n", (3, 10)),
        ("id: a\nfield: pr_body\npattern: '#$pr_number'\nblame: none\n", (4, 1)),
        ("version: 2\n", (1, 10)),
        ("- id: a\n", (1, 1)),
    ],
)
def test_mistakes_have_their_place(text: str, place: tuple[int, int]) -> None:
    proposal, problems = read_proposal("one.yaml", text.encode())
    assert proposal is None
    assert [(problem.line, problem.column, problem.severity) for problem in problems] == [(*place, "error")]
