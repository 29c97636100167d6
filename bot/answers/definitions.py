"""The rules in force, as people read them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from bot.dora.rules import Rule
from bot.facts.catalog import load_rules
from bot.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleShown:
    """A rule in force; `kind` is linked or static."""

    kind: str
    id: str
    field: str
    pattern: str
    enabled: bool
    blame: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesShown:
    """The rules in their order of precedence, and the options they are read with."""

    rules: tuple[RuleShown, ...]
    options: Mapping[str, str]


def show_rules(reader: Reader) -> RulesShown:
    """The rules in force."""
    found = load_rules(reader)
    rules = [_shown("linked", rule) for rule in found.linked] + [_shown("static", rule) for rule in found.static]
    return RulesShown(rules=tuple(rules), options=asdict(found.options))


def _shown(kind: str, rule: Rule) -> RuleShown:
    return RuleShown(kind=kind, **asdict(rule))
