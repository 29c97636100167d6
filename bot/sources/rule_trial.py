"""Rules to be tried: a whole `rules.yaml`, or a file with a single rule; and rules written as the file they would stand in."""

from dataclasses import asdict

from bot.dora.definitions import Problem
from bot.dora.rules import Rule, RuleSet
from bot.dora.simulation import Proposal, Tried, is_linked
from bot.guard import GuardError, YamlList, YamlMap, YamlNode, YamlText, load_yaml
from bot.sources.rules import is_rule, read_rules, read_rules_document


def read_proposal(file: str, text: bytes) -> tuple[Proposal, tuple[Problem, ...]]:
    """What `text` proposes: whole rules, or a single one (a mapping with id, field and pattern); or nothing, and its mistakes."""
    single = _single(text)
    if single is None:
        rules, problems = read_rules(file, text)
        return (None, problems) if problems else (rules, ())
    pattern = single.get("pattern")
    linked = is_linked(pattern.text if isinstance(pattern, YamlText) else "")
    rules, problems = read_rules_document(file, _alone(single, linked=linked))
    if problems:
        return None, problems
    return Tried(rule=(rules.linked if linked else rules.static)[0], linked=linked), ()


def write_rules(rules: RuleSet) -> str:
    """`rules.yaml` with these rules."""
    lines = ["version: 1"]
    for name, section in (("linked", rules.linked), ("static", rules.static)):
        lines += [f"{name}:", *map(_written, section)] if section else [f"{name}: []"]
    given = ", ".join(f"{name}: {value}" for name, value in asdict(rules.options).items())
    return "\n".join([*lines, f"options: {{{given}}}", ""])


def _single(text: bytes) -> YamlMap | None:
    try:
        documents = load_yaml(text)
    except GuardError:
        return None  # Whoever reads it as whole rules says what is wrong.
    document = documents[0] if len(documents) == 1 else None
    return document if isinstance(document, YamlMap) and is_rule(document) else None


def _alone(rule: YamlMap, *, linked: bool) -> YamlMap:
    """The document in which a rule stands alone."""

    def word(text: str) -> YamlText:
        return YamlText(rule.line, rule.column, text, True)

    rules: YamlNode = YamlList(rule.line, rule.column, (rule,))
    section = word("linked" if linked else "static"), rules
    return YamlMap(rule.line, rule.column, ((word("version"), word("1")), section))


def _written(rule: Rule) -> str:
    off = "" if rule.enabled else ", enabled: false"
    blame = "" if rule.blame == "previous" else f", blame: {rule.blame}"
    return f"  - {{id: {rule.id}, field: {rule.field}, pattern: {_quoted(rule.pattern)}{off}{blame}}}"


def _quoted(text: str) -> str:
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    escaped = (c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(escaped)}"'
