"""The default rules and what they must and must not see; what is said about a rule that cannot be used."""

import pytest
import yaml

from bot.dora.patterns import MAX_TEXT
from bot.dora.rules import (
    DEFAULT_RULES,
    BadRuleError,
    CompiledRule,
    Field,
    Rule,
    RuleSet,
    check_rule,
    compile_rules,
    matches,
    speaks,
)

SPECIFIED = r"""
linked:
  - {id: revert-sha,     field: commit_message, pattern: 'This reverts commit $commit_sha'}
  - {id: revert-mr,      field: commit_message, pattern: 'This reverts merge request !$pr_number'}
  - {id: revert-number,  field: pr_body,        pattern: '(?m)^Reverts (?:\S+)?#$pr_number'}
  - {id: revert-branch,  field: pr_branch,      pattern: '^revert-$pr_number-'}
  - {id: revert-title,   field: pr_title,       pattern: '^Revert "$pr_title"$'}
static:
  - {id: hotfix-label,   field: pr_label,       pattern: '(?i)(?:^|[^a-z])hot[-_ ]?fix(?:es|ed)?(?:$|[^a-z])'}
  - {id: hotfix-title,   field: pr_title,       pattern: '(?i)(?:^|[^a-z])hot[-_ ]?fix(?:es|ed)?(?:$|[^a-z])'}
  - {id: hotfix-branch,  field: pr_branch,      pattern: '(?i)(?:^|[^a-z])hot[-_ ]?fix(?:es|ed)?(?:$|[^a-z])'}
  - {id: incident-label, field: pr_label,       pattern: '(?i)\bincident\b', enabled: false}
options: {rollback: strict, reland: parity, formula: all}
"""
DEFAULTS = {rule.rule.id: rule for part in (compile_rules(DEFAULT_RULES),) for rule in (*part.linked, *part.static)}


def test_the_defaults_are_the_specified_ones() -> None:
    document = yaml.safe_load(SPECIFIED)
    assert DEFAULT_RULES.linked == tuple(Rule(**rule) for rule in document["linked"])
    assert DEFAULT_RULES.static == tuple(Rule(**rule) for rule in document["static"])
    options = DEFAULT_RULES.options
    assert {"rollback": options.rollback, "reland": options.reland, "formula": options.formula} == document["options"]


def test_a_rule_that_is_off_is_not_compiled() -> None:
    assert "incident-label" not in DEFAULTS
    assert len(DEFAULTS) == 8


def values(rule_id: str, text: str) -> list[str]:
    return [hit.value for hit in matches(DEFAULTS[rule_id], [text])]


SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("rule_id", "text", "expected"),
    [
        ("revert-sha", f'Revert "x"\n\nThis reverts commit {SHA}.', [SHA]),
        ("revert-sha", f"This reverts commit {SHA}, reversing\nchanges made to {SHA[::-1]}.", [SHA]),
        ("revert-sha", "This reverts commit abcdef0 (Add x, 2024-01-02).", ["abcdef0"]),
        ("revert-sha", "This reverts commit abcdef0.\nThis reverts commit abcdef1.", ["abcdef0", "abcdef1"]),
        ("revert-sha", f"This reverts commit {SHA}{SHA[:24]}.", [SHA + SHA[:24]]),
        ("revert-sha", "This reverts commit abcdef.", []),
        ("revert-sha", "This reverts commit ABCDEF0.", []),
        ("revert-sha", "this reverts commit abcdef0", []),
        ("revert-mr", "This reverts merge request !12", ["12"]),
        ("revert-mr", "This reverts merge request 12", []),
        ("revert-number", "Reverts #12", ["12"]),
        ("revert-number", "Reverts acme/shop#12", ["12"]),
        ("revert-number", "Oops.\nReverts acme/shop#12\nReverts #13", ["12", "13"]),
        ("revert-number", "It reverts #12", []),
        ("revert-number", "Reverts acme shop #12", []),
        ("revert-branch", "revert-12-add-cart", ["12"]),
        ("revert-branch", "revert-12", []),
        ("revert-branch", "feature/revert-12-add-cart", []),
        ("revert-branch", "revert-1a2b3c4d", []),
        ("revert-title", 'Revert "Add cart"', ["Add cart"]),
        ("revert-title", 'Revert "Revert "Add cart""', ['Revert "Add cart"']),
        ("revert-title", 'Revert "Add "quoted" cart"', ['Add "quoted" cart']),
        ("revert-title", 'Revert "Add cart" (#14)', []),
        ("revert-title", 'Reapply "Add cart"', []),
        ("revert-title", "Revert Add cart", []),
        ("revert-title", 'Revert ""', []),
    ],
)
def test_what_the_linked_defaults_read(rule_id: str, text: str, expected: list[str]) -> None:
    assert values(rule_id, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "hotfix",
        "Hotfix: null cart",
        "fix: HOTFIXES",
        "hot-fix/cart",
        "a hot fix",
        "hot_fix",
        "hotfixed",
        "[hotfix] x",
        "type/hotfix-2",
    ],
)
def test_what_is_a_hotfix(text: str) -> None:
    assert matches(DEFAULTS["hotfix-title"], [text])


@pytest.mark.parametrize(
    "text", ["shotfix", "hotfixture", "hot fixture", "hot  fix", "fix hot path", "photo-hotfixer", "", "ahotfix"]
)
def test_what_is_no_hotfix(text: str) -> None:
    assert not matches(DEFAULTS["hotfix-title"], [text])


def linked(pattern: str, field: Field = "pr_title") -> Rule:
    return Rule(id="mine", field=field, pattern=pattern)


def compiled(pattern: str) -> CompiledRule:
    return compile_rules(RuleSet(linked=(linked(pattern),), static=())).linked[0]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("Undo", "exactly one variable"),
        ("$pr_title $version", "holds $pr_title and $version"),
        ("$pr_number $pr_number", "holds $pr_number and $pr_number"),
        ("$pr_id", "position 1: $pr_id is no variable"),
        ("a $PR_NUMBER", "position 3: $PR_NUMBER is no variable"),
        ("(?<=x)$version", "position 1: lookbehind is not supported"),
        ("$version(?!x)", "position 9: lookahead is not supported"),
        (r"(a)\1 $version", r"position 4: backreferences such as \1 are not supported"),
        ("ab($version", "missing )"),
        ("a**$version", "position 2: bad repetition operator"),
        ("[a$version", "missing ]"),
        ("x{2000}$version", "repetition size"),
        ("(?:(?:x{999}){999})$version", "repetition size"),
        ("$version" + "x" * 993, "1001 characters"),
        ("", "empty"),
        ("a\\", "position 2: a \\ at the end"),
    ],
)
def test_what_is_said_of_a_bad_rule(pattern: str, said: str) -> None:
    message = check_rule(linked(pattern), linked=True)
    assert message is not None
    assert said in message
    with pytest.raises(BadRuleError):
        compile_rules(RuleSet(linked=(linked(pattern),), static=()))


def test_nothing_is_printed_about_a_bad_rule(capfd: pytest.CaptureFixture[str]) -> None:
    assert check_rule(linked("($version"), linked=True)
    assert capfd.readouterr() == ("", "")


def test_a_static_rule_holds_no_variable() -> None:
    message = check_rule(linked("x $version"), linked=False)
    assert message == "a static rule holds no variable; move the rule to `linked` to use $version"
    assert check_rule(linked("x"), linked=False) is None
    assert check_rule(linked("x$"), linked=False) is None


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"cost \$version $version", "cost $version 7", "7"),
        ("[$a-z]+ $version", "$x 7", "7"),
        (r"\Q$version\E $version", "$version 7", "7"),
        ("(?:undo|drop) (release )?$version$", "drop release 7", "7"),
        ("(?P<version>v) $version", "v 7", "7"),
        ("[]$version] $version", "$ 7", "7"),
        ("undo_$pr_number_", "undo_7_", "7"),
        ("é $version", "é 7", "7"),
    ],
)
def test_where_a_variable_is_one(pattern: str, text: str, expected: str) -> None:
    assert [hit.value for hit in matches(compiled(pattern), [text])] == [expected]


def test_a_match_without_its_variable_is_none() -> None:
    assert [hit.value for hit in matches(compiled("undo(?: #$pr_number)?"), ["undo", "undo #3"])] == ["3"]


def test_evidence_is_the_line_that_matched() -> None:
    rule = DEFAULTS["revert-number"]
    (hit,) = matches(rule, ["Bad day.\r\nReverts acme/shop#12 (cart)\nSorry."])
    assert (hit.seen, hit.value, hit.before) == ("Reverts acme/shop#12 (cart)", "12", "Reverts acme/shop#")
    (long,) = matches(rule, ["Reverts #12" + "x" * 1000])
    assert long.seen == "Reverts #12" + "x" * 289


def test_hostile_text_is_matched() -> None:
    assert values("revert-sha", "\ud800\x00 This reverts commit abcdef0") == ["abcdef0"]


def test_of_a_text_its_beginning_is_looked_at() -> None:
    told = "This reverts commit abcdef0"
    assert values("revert-sha", "x" * (MAX_TEXT - len(told)) + told) == ["abcdef0"]
    assert values("revert-sha", "x" * (MAX_TEXT - 6) + told) == []
    assert values("revert-title", f'Revert "{"é" * MAX_TEXT}"') == []


def test_every_revert_of_a_long_text_counts() -> None:
    numbers = [str(number) for number in range(100, 400)]
    assert values("revert-number", "\n".join(f"Reverts acme/shop#{number}" for number in numbers)) == numbers


@pytest.mark.parametrize("pattern", [r"\Qa.b", "x{60}"])
def test_whether_any_rule_speaks_is_asked_at_once(pattern: str) -> None:
    """The first is an open quote, of the second thirty do not fit into one pattern."""
    speaking = compile_rules(DEFAULT_RULES)
    assert speaks(speaking, {"pr_title": ("Add cart",), "pr_label": ("ui", "hotfix")})
    assert speaks(speaking, {"commit_message": ("\ud800 This reverts commit abcdef0",)})
    assert not speaks(speaking, {"pr_title": ("Add cart",), "pr_body": ("hotfix",), "pr_label": ()})
    assert not speaks(speaking, {"version": ("hotfix",)})
    static = tuple(linked(f"{number}{pattern}") for number in range(30))
    awkward = compile_rules(RuleSet(linked=(), static=(*static, linked("cart"))))
    assert len(awkward.any_of["pr_title"]) == (1 if pattern == r"\Qa.b" else 8)
    assert speaks(awkward, {"pr_title": ("Add cart",)})


def test_an_open_quote_swallows_no_other_rule() -> None:
    static = (
        Rule(id="open", field="pr_title", pattern=r"\Qa.b"),
        Rule(id="cart", field="pr_title", pattern=r"cart|\Qx\E"),
    )
    assert speaks(compile_rules(RuleSet(linked=(), static=static)), {"pr_title": ("Add cart",)})
