"""rules.yaml: the shipped file says the shipped rules, and mistakes are told with their place."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.dora.definitions import Problem
from bot.dora.rules import DEFAULT_RULES, Options, Rule, RuleSet
from bot.sources.rules import read_rules

SHIPPED = Path(__file__).parents[2] / "service_definitions" / "rules.yaml"


def read(text: str) -> tuple[RuleSet, tuple[Problem, ...]]:
    return read_rules("rules.yaml", text.encode())


def test_the_shipped_file_is_what_a_missing_one_means() -> None:
    assert read_rules("rules.yaml", SHIPPED.read_bytes()) == (DEFAULT_RULES, ())
    assert read_rules("rules.yaml", None) == (DEFAULT_RULES, ())
    # The shipped file is no accident of falling back: one changed letter shows.
    changed = SHIPPED.read_text().replace("id: hotfix-label", "id: hotfix-tag")
    assert read(changed)[0] == replace(
        DEFAULT_RULES, static=(replace(DEFAULT_RULES.static[0], id="hotfix-tag"), *DEFAULT_RULES.static[1:])
    )


def test_all_of_a_file_is_read() -> None:
    rules, problems = read(
        "version: 1\n"
        "linked:\n  - {id: undo, field: commit_message, pattern: 'Undoes $commit_sha', enabled: false}\n"
        "static:\n  - {id: late, field: pr_label, pattern: urgent, blame: none}\n"
        "options: {rollback: literal, reland: literal, formula: incidents}\n"
    )
    assert problems == ()
    assert rules == RuleSet(
        linked=(Rule(id="undo", field="commit_message", pattern="Undoes $commit_sha", enabled=False),),
        static=(Rule(id="late", field="pr_label", pattern="urgent", blame="none"),),
        options=Options(rollback="literal", reland="literal", formula="incidents"),
    )


def test_a_section_left_out_stays_and_an_empty_one_is_empty() -> None:
    rules, problems = read("version: 1\nstatic: []\n")
    assert problems == ()
    assert rules == replace(DEFAULT_RULES, static=())


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", (1, 1), "version: 1"),
        ("linked: []\n", (1, 1), "'version' is missing"),
        ("version: 2\n", (1, 10), "none of 1"),
        ("version: 1\n---\nversion: 1\n", (3, 1), "one document"),
        ("- x\n", (1, 1), "a mapping"),
        ("version: 1\nlinks: []\n", (2, 1), "unknown key 'links'"),
        ("version: 1\nlinked: {}\n", (2, 9), "expected a list"),
        ("version: 1\nlinked:\n", (2, 8), "expected a list, found nothing"),
        ("version: 1\nstatic:\n  - {id: a, field: title, pattern: x}\n", (3, 20), "none of pr_title"),
        ("version: 1\nstatic:\n  - {id: a, field: pr_title}\n", (3, 5), "'pattern' is missing"),
        ("version: 1\nstatic:\n  - {id: a, field: pr_title, pattern: x, enabled: maybe}\n", (3, 51), "none of true, false"),
        ("version: 1\nlinked:\n  - {id: a, field: pr_title, pattern: '$pr_title', blame: none}\n", (3, 52), "unknown key 'blame'"),
        ("version: 1\noptions: {rollback: loose}\n", (2, 21), "none of strict, literal"),
        ("version: 1\nstatic:\n  - {id: a, field: pr_title, pattern: '(?=x)'}\n", (3, 39), ""),
        ("version: 1\nlinked:\n  - {id: a, field: pr_title, pattern: x}\n", (3, 39), ""),
        ("version: 1\nlinked: [[\n", (3, 1), "not YAML"),
        ("version: 1\na: &x b\n", (2, 4), "anchor"),
        (
            "version: 1\nstatic:\n  - {id: a, field: pr_title, pattern: x}\n  - {id: a, field: pr_body, pattern: y}\n",
            (4, 10),
            "stands here twice (first in line 3)",
        ),
    ],
)
def test_mistakes_are_told_with_their_place_and_the_shipped_rules_stay(text: str, place: tuple[int, int], said: str) -> None:
    rules, problems = read(text)
    assert rules == DEFAULT_RULES
    assert [(problem.line, problem.column, problem.severity) for problem in problems] == [(*place, "error")]
    assert said in problems[0].message
