"""rules.yaml: the shipped file says the shipped rules, and mistakes are told with their place."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.dora.definitions import Problem
from bot.dora.rules import (
    DEFAULT_RULES,
    NO_RULES,
    Options,
    OwnRule,
    Rule,
    RuleSet,
    ServiceRules,
    compile_rules,
    left_out,
    rules_of,
)
from bot.sources.catalog_api import RefusedError, as_node, read_sent_definitions
from bot.sources.definition_forms import document_of
from bot.sources.definitions import DefinitionsRead, read_definitions, read_document
from bot.sources.rules import read_rules
from bot.sources.validation import validate

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


def test_all_mistakes_are_told_at_once_each_at_its_place() -> None:
    """A mistake in the form hides neither a pattern that is none nor an id that stands twice; each place is told once."""
    text = (
        "version: 1\nlinked:\n  - {id: undo, field: pr_title, pattern: 'x'}\n"
        "static:\n  - {id: undo, fild: pr_title, pattern: '(?=x)'}\n  - {pattern: ''}\n  - {id: [], field: version, pattern: []}\n"
        "options: {rollback: loose}\n"
    )
    rules, problems = read(text)
    assert rules == DEFAULT_RULES
    assert [(one.line, one.column, one.message.partition(":")[0].partition(" in ")[0]) for one in problems] == [
        (3, 42, "a linked rule holds exactly one variable of $pr_title, $pr_number, $version, $commit_sha; this one holds none"),
        (5, 5, "the key 'field' is missing"),
        (5, 10, "the rule 'undo' stands here twice (first"),
        (5, 16, "unknown key 'fild'"),
        (5, 41, "position 1"),
        (6, 5, "the key 'field' is missing"), (6, 5, "the key 'id' is missing"),
        (6, 15, "static[1].pattern"),
        (7, 10, "static[2].id"),
        (7, 39, "static[2].pattern"),
        (8, 21, "options.rollback"),
    ]  # fmt: skip


def test_all_mistakes_of_a_definitions_extension_are_told_at_once() -> None:
    block = f"      static: [{{id: a, fild: x}}, {{id: b, pattern: '(?=x)'}}]\n    source_patterns: [{'a' * 300}, []]\n"
    assert [(one.line, one.column) for one in own(block).problems] == [(6, 24), (6, 51), (7, 23), (7, 325)]


# Rules of one service ---------------------------------------------------------------------------------------------------

HEAD = "schema-version: v2.2\ndd-service: shop\nextensions:\n  datadoghq.com/dora-metrics:\n    rollforward_rules:\n"


def own(block: str, rules: RuleSet | None = None) -> DefinitionsRead:
    """A definition that says this of the rules, from line 6 on."""
    return read_definitions({"shop.yaml": f"{HEAD}{block}".encode()}, rules)


def test_a_definition_extends_the_rules_and_switches_them_off() -> None:
    read = own(
        "      linked: [{id: undo, field: pr_body, pattern: 'Undoes #$pr_number'}]\n"
        "      static:\n        - {id: hotfix-title, enabled: false}\n        - {id: incident-label, enabled: true, pattern: ^p1$}\n"
        "        - {id: chore, field: pr_label, pattern: chore, blame: none}\n"
    )
    assert read.problems == ()
    said = read.definitions[0].rules
    assert said.static[:2] == (OwnRule(id="hotfix-title", enabled=False), OwnRule(id="incident-label", enabled=True, pattern="^p1$"))
    merged = rules_of(DEFAULT_RULES, said)
    assert merged.linked == (*DEFAULT_RULES.linked, Rule(id="undo", field="pr_body", pattern="Undoes #$pr_number"))
    label, title, branch, incident = DEFAULT_RULES.static
    assert merged.static == (
        label, replace(title, enabled=False), branch, replace(incident, enabled=True, pattern="^p1$"),
        Rule(id="chore", field="pr_label", pattern="chore", blame="none"),
    )  # fmt: skip
    assert merged.options == DEFAULT_RULES.options
    compile_rules(merged)
    assert rules_of(DEFAULT_RULES, NO_RULES) == DEFAULT_RULES


@pytest.mark.parametrize(
    ("block", "place", "said"),
    [
        ("      linked: {}\n", (6, 15), "expected a list"),
        ("      links: []\n", (6, 7), "unknown key 'links'"),
        ("      options: {rollback: literal}\n", (6, 7), "unknown key 'options'"),
        ("      static: [{field: pr_title}]\n", (6, 16), "'id' is missing"),
        ("      static: [{id: a, fild: pr_title}]\n", (6, 24), "did you mean field"),
        ("      static: [{id: a, field: title}]\n", (6, 31), "none of pr_title"),
        ("      static: [{id: a, enabled: maybe}]\n", (6, 33), "none of true, false"),
        ("      linked: [{id: revert-sha, blame: none}]\n", (6, 33), "unknown key 'blame'"),
        ("      static: [{id: hotfix-title, pattern: '(?=x)'}]\n", (6, 44), "lookahead is not supported"),
        ("      static: [{id: hotfix-title, pattern: '$pr_number'}]\n", (6, 44), "a static rule holds no variable"),
        ("      linked: [{id: revert-title, pattern: 'x'}]\n", (6, 44), "exactly one variable"),
        ("      linked: [{id: a, field: pr_title, pattern: '$pr_title'}]\n      static:\n        - {id: a}\n", (8, 16), "twice (first in line 6)"),
    ],
)  # fmt: skip
def test_mistakes_in_the_rules_of_a_service_have_their_place(block: str, place: tuple[int, int], said: str) -> None:
    read = own(block)
    assert read.definitions == ()
    assert [(one.line, one.column, one.severity) for one in read.problems] == [(*place, "error")]
    assert said in read.problems[0].message


def test_what_does_not_fit_the_rules_beside_it_is_left_out_and_told_but_no_error(tmp_path: Path) -> None:
    block = (
        "      linked: [{id: hotfix-title, enabled: false}]\n"
        "      static: [{id: hotfix, enabled: false}, {id: new, field: pr_title}, {id: hotfix-branch, enabled: false}]\n"
    )
    read = own(block)
    assert read.problems == (), "of a file alone nobody knows"
    merged = rules_of(DEFAULT_RULES, read.definitions[0].rules)
    label, title, branch, incident = DEFAULT_RULES.static
    assert merged == replace(DEFAULT_RULES, static=(label, title, replace(branch, enabled=False), incident))
    assert [(one.section, one.id) for one in left_out(DEFAULT_RULES, read.definitions[0].rules)] == [
        ("linked", "hotfix-title"), ("static", "hotfix"), ("static", "new"),
    ]  # fmt: skip
    (tmp_path / "shop.yaml").write_text(HEAD + block)
    told = [(one.line, one.column, one.severity, one.message.partition(",")[0]) for one in validate([tmp_path])]
    assert told == [
        (6, 21, "warning", "the rule hotfix-title stands under static in rules.yaml"),
        (7, 21, "warning", "rules.yaml has no rule hotfix under static"),
        (7, 51, "warning", "rules.yaml has no rule new under static"),
    ]
    assert validate([tmp_path / "shop.yaml"]) == []
    static = "static: [{id: hotfix, field: pr_title, pattern: x}, {id: new, field: pr_body, pattern: x}]"
    (tmp_path / "rules.yaml").write_text(f"version: 1\n{static}\n")
    assert [(one.line, one.column) for one in validate([tmp_path])] == [(6, 21), (7, 79)], "both hotfix rules are gone"


def test_a_merged_set_always_compiles_whatever_stands_beside() -> None:
    said = ServiceRules(
        linked=(OwnRule(id="revert-sha", pattern="undo $commit_sha"), OwnRule(id="x", field="pr_body", pattern="$version")),
        static=(OwnRule(id="revert-title", enabled=True), OwnRule(id="x2", enabled=True), OwnRule(id="hotfix-label", field="version")),
    )
    for base in (DEFAULT_RULES, RuleSet(linked=(), static=()), RuleSet(linked=DEFAULT_RULES.linked, static=()),
                 RuleSet(linked=(), static=DEFAULT_RULES.static)):  # fmt: skip
        merged = rules_of(base, said)
        compile_rules(merged)
        ids = [one.id for one in (*merged.linked, *merged.static)]
        assert len(ids) == len(set(ids))
        assert {one.id for one in left_out(base, said)} <= {"revert-sha", "revert-title", "x2", "hotfix-label"}


def test_an_object_may_say_it_too_and_its_mistakes_have_pointers() -> None:
    def sent(rules: object) -> bytes:
        extension = {"datadoghq.com/dora-metrics": {"rollforward_rules": rules}}
        return json.dumps({"schema-version": "v2.2", "dd-service": "shop", "extensions": extension}).encode()

    (entity,) = read_sent_definitions(sent({"static": [{"id": "hotfix-title", "enabled": False}]})).entities
    assert entity.definition is not None
    assert entity.definition.rules == ServiceRules(static=(OwnRule(id="hotfix-title", enabled=False),))
    with pytest.raises(RefusedError) as refused:
        read_sent_definitions(sent({"static": [{"id": "a", "field": "pr_title", "pattern": "(?=x)"}, {"id": "b"}, {"id": "b"}]}))
    where = "/extensions/datadoghq.com~1dora-metrics/rollforward_rules/static"
    first, second = refused.value.details
    assert first.startswith(f"{where}/2/id: the rule 'b' stands here twice") and "line" not in first
    assert second.startswith(f"{where}/0/pattern: position 1: lookahead is not supported")


@pytest.mark.parametrize("version", ["v1", "v2", "v2.1", "v2.2", "v3"])
def test_every_schema_version_carries_them(version: str) -> None:
    definition = own("      static: [{id: hotfix-title, enabled: false}, {id: n, field: version, pattern: x, blame: none}]\n").definitions[0]
    document = document_of(definition, version)
    assert document is not None
    again, problems = read_document("", as_node(dict(document)))
    assert again is not None and problems == []
    assert again.rules == definition.rules


def test_the_document_says_what_is_so() -> None:
    text = (SHIPPED.parents[1] / "docs" / "rules.md").read_text()
    blocks = [block.split("```")[0] for block in text.split("```yaml\n")]
    shipped = next(block for block in blocks if block.startswith("version: 1"))
    example = next(block for block in blocks if block.startswith("schema-version"))
    assert read(shipped) == (DEFAULT_RULES, ())
    found = read_definitions({"shop.yaml": example.encode()}, DEFAULT_RULES)
    assert found.problems == ()
    assert rules_of(DEFAULT_RULES, found.definitions[0].rules).static == (
        replace(DEFAULT_RULES.static[0], pattern="^(?:hotfix|p1)$"),
        replace(DEFAULT_RULES.static[1], enabled=False),
        DEFAULT_RULES.static[2],
        replace(DEFAULT_RULES.static[3], enabled=True),
        Rule(id="rework", field="pr_label", pattern="rework", blame="none"),
    )
