"""Rules that recognise remediations, read and checked: `rules.yaml`, and what the definition of a service says of them."""

from collections.abc import Iterable, Iterator
from typing import cast

from bot.dora.definitions import Problem
from bot.dora.rules import (
    DEFAULT_RULES,
    Field,
    Options,
    OwnRule,
    Rule,
    RuleSet,
    Section,
    ServiceRules,
    check_rule,
    left_out,
)
from bot.guard import GuardError, YamlList, YamlMap, YamlNode, YamlText, load_yaml
from bot.sources.schema_check import beside, check_schema, error_at, shown, warning_at

RULES_FILE = "rules.yaml"
RULES_KEYS = ("linked", "static", "options")
"""What makes a document rules, whatever its file is called; `version` alone may be anybody's."""
_DEFINITION_KEYS = ("schema-version", "apiVersion", "dd-service", "info")
_MOST_RULES, _LONGEST_PATTERN = 200, 1000
"""As the schema has it."""
_SECTIONS: tuple[Section, ...] = ("linked", "static")


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
    return read_rules_document(file, documents[0])


def rules_elsewhere(text: bytes) -> bool:
    """Whether the text of a file, whatever its name, is rules, or a single one."""
    try:
        documents = load_yaml(text)
    except GuardError:
        return False
    return len(documents) == 1 and (is_rules(documents[0]) or is_rule(documents[0]))


def read_rules_document(file: str, document: YamlMap) -> tuple[RuleSet, tuple[Problem, ...]]:
    """The rules in a document, and its mistakes (then the rules are the shipped ones)."""
    problems = beside(check_schema(file, document, "rules"), [*_doubled(file, document), *_checked(file, document)])
    problems.sort(key=lambda problem: (problem.line, problem.column))
    return (DEFAULT_RULES, tuple(problems)) if problems else (_rule_set(document), ())


def is_rules(document: YamlNode) -> bool:
    """Whether a document looks like rules, and not like a definition."""
    if not isinstance(document, YamlMap) or document.get("schema-version") or document.get("apiVersion"):
        return False
    return any(document.get(key) is not None for key in RULES_KEYS)


def is_rule(document: YamlNode) -> bool:
    """Whether a document looks like a single rule, and not like a definition."""
    if not isinstance(document, YamlMap) or any(document.get(key) is not None for key in _DEFINITION_KEYS):
        return False
    return document.get("id") is not None or document.get("pattern") is not None


def read_service_rules(file: str, node: YamlNode, rules: RuleSet | None = None) -> tuple[ServiceRules, list[Problem]]:
    """What a definition says of the rules (its schema is checked already), and its mistakes.

    Beside `rules`, where they are known, entries that do not fit are warnings: whoever edits rules.yaml takes no definition out of force.
    """
    if not isinstance(node, YamlMap):
        return ServiceRules(), []
    problems = [*_doubled(file, node), *_checked(file, node)]
    if problems:
        return ServiceRules(), problems
    linked, static = (tuple(own for _, own in _own_rules(node, section)) for section in _SECTIONS)
    own = ServiceRules(linked=linked, static=static)
    if rules is not None:
        places = {(section, one.id): place for section in _SECTIONS for place, one in _own_rules(node, section)}
        problems = [warning_at(file, places[one.section, one.id], one.reason) for one in left_out(rules, own)]
    return own, problems


def _own_rules(node: YamlMap, section: Section) -> Iterator[tuple[YamlNode, OwnRule]]:
    """What stands in a section of a definition, each with the node of its id."""
    for one in _maps(node.get(section)):
        rule, enabled = _rule(one), _text(one, "enabled")
        yield one.get("id") or one, OwnRule(
            id=rule.id,
            field=rule.field or None,
            pattern=rule.pattern or None,
            enabled=rule.enabled if enabled else None,
            blame=rule.blame if _text(one, "blame") else None,
        )


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
    """What only the rules themselves know: variables, and what RE2 takes; what the schema refuses is not asked."""
    for section in _SECTIONS:
        for node in _maps(document.get(section))[:_MOST_RULES]:
            pattern = node.get("pattern")
            if not isinstance(pattern, YamlText) or len(pattern.text) > _LONGEST_PATTERN:
                continue
            if told := check_rule(_rule(node), linked=section == "linked"):
                yield error_at(file, pattern, told)


def _doubled(file: str, document: YamlMap) -> Iterable[Problem]:
    first: dict[str, YamlNode] = {}
    for section in _SECTIONS:
        for node in _maps(document.get(section)):
            name = node.get("id")
            if not isinstance(name, YamlText):
                continue
            other = first.setdefault(name.text, name)
            if other is not name:
                first_in = f" (first in line {other.line})" if file else ""  # an object that was sent has no lines
                yield error_at(file, name, f"the rule {shown(_text(node, 'id'))} stands here twice{first_in}")


def _maps(node: YamlNode | None) -> tuple[YamlMap, ...]:
    items = node.items if isinstance(node, YamlList) else ()
    return tuple(item for item in items if isinstance(item, YamlMap))


def _text(node: YamlMap, key: str) -> str:
    value = node.get(key)
    return value.text if isinstance(value, YamlText) else ""
