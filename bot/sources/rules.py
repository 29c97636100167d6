"""`rules.yaml`: the rules that recognise remediations, read and checked; what it leaves out stays as shipped."""

from collections.abc import Iterable
from typing import cast

from bot.dora.definitions import Problem
from bot.dora.rules import DEFAULT_RULES, Field, Options, Rule, RuleSet, check_rule
from bot.guard import GuardError, YamlList, YamlMap, YamlNode, YamlText, load_yaml
from bot.sources.schema_check import check_schema, error_at, shown

RULES_FILE = "rules.yaml"


def read_rules(file: str, text: bytes | None) -> tuple[RuleSet, tuple[Problem, ...]]:
    """The rules in `text`, and its mistakes (then the rules are the shipped ones); a missing file (None) is no mistake.

    A section that is left out is the shipped one; an empty list (`linked: []`) means none.
    """
    if text is None:
        return DEFAULT_RULES, ()
    try:
        documents = load_yaml(text)
    except GuardError as error:
        problem = Problem(file=file, line=error.line or 1, column=error.column or 1, severity="error", message=error.detail)
        return DEFAULT_RULES, (problem,)
    if len(documents) != 1 or not isinstance(documents[0], YamlMap):
        place = documents[-1] if documents else YamlText(1, 1, "", True)
        return DEFAULT_RULES, (error_at(file, place, "the rules are one document, a mapping that begins with version: 1"),)
    document = documents[0]
    problems = check_schema(file, document, "rules")
    if not problems:
        problems = [*_doubled(file, document), *_checked(file, document)]
    if problems:
        return DEFAULT_RULES, tuple(problems)
    return _rule_set(document), ()


def _rule_set(document: YamlMap) -> RuleSet:
    linked, static, options = document.get("linked"), document.get("static"), document.get("options")
    return RuleSet(
        linked=DEFAULT_RULES.linked if linked is None else tuple(map(_rule, _maps(linked))),
        static=DEFAULT_RULES.static if static is None else tuple(map(_rule, _maps(static))),
        options=_options(options) if isinstance(options, YamlMap) else DEFAULT_RULES.options,
    )


def _rule(node: YamlMap) -> Rule:
    return Rule(
        id=_text(node, "id"),
        field=cast(Field, _text(node, "field")),  # the schema has checked it
        pattern=_text(node, "pattern"),
        enabled=_text(node, "enabled") != "false",
        blame="none" if _text(node, "blame") == "none" else "previous",
    )


def _options(node: YamlMap) -> Options:
    given = {key.text: value.text for key, value in node.entries if isinstance(value, YamlText)}
    formula = given.get("formula")
    return Options(
        rollback="literal" if given.get("rollback") == "literal" else "strict",
        reland="literal" if given.get("reland") == "literal" else "parity",
        formula="excluding_rollbacks" if formula == "excluding_rollbacks" else "incidents" if formula == "incidents" else "all",
    )


def _checked(file: str, document: YamlMap) -> Iterable[Problem]:
    """What only the rules themselves know: variables, and what RE2 takes."""
    for section in ("linked", "static"):
        for node in _maps(document.get(section)):
            told = check_rule(_rule(node), linked=section == "linked")
            if told:
                yield error_at(file, node.get("pattern") or node, told)


def _doubled(file: str, document: YamlMap) -> Iterable[Problem]:
    first: dict[str, YamlNode] = {}
    for section in ("linked", "static"):
        for node in _maps(document.get(section)):
            name = node.get("id") or node
            other = first.setdefault(_text(node, "id"), name)
            if other is not name:
                yield error_at(file, name, f"the rule {shown(_text(node, 'id'))} stands here twice (first in line {other.line})")


def _maps(node: YamlNode | None) -> tuple[YamlMap, ...]:
    items = node.items if isinstance(node, YamlList) else ()
    return tuple(item for item in items if isinstance(item, YamlMap))


def _text(node: YamlMap, key: str) -> str:
    value = node.get(key)
    return value.text if isinstance(value, YamlText) else ""
