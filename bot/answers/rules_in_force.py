"""The rules in force as people read them: in order of precedence, with what each decided lately, and what is wrong with their newest file."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

from bot.answers.trial_questions import TrialQuestion
from bot.dora.definitions import Problem
from bot.dora.instants import Instant
from bot.dora.overrides import OVERRIDE
from bot.dora.remediation import ROLLBACK
from bot.dora.rules import NO_RULES, OwnRule, Rule, RuleSet, ServiceRules, left_out, rules_of
from bot.facts.catalog import RULES, load_catalog_states, load_definitions, load_rules
from bot.store import Reader, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleInForce:
    """A rule: how many deployments it decided in the window, and when the last of these finished."""

    kind: str
    id: str
    field: str
    pattern: str
    enabled: bool
    blame: str
    deployments: int
    last_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRuleShown:
    """What the definition of a service says of one rule; `None` stays as it is. `new`: the rules of all have none of that id."""

    kind: str
    id: str
    field: str | None
    pattern: str | None
    enabled: bool | None
    blame: str | None
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesOfService:
    """What the definition of a service says of the rules, and where."""

    service: str
    location: str
    rules: tuple[OwnRuleShown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesInForce:
    """The rules in their order of precedence (rollbacks come before all of them) and what they are read with.

    `rollbacks` and `overrides` (what people said) count deployments like a rule's; `last_rollback_at` is when the last one finished. `problems` are those of the newest file; `kept`
    says whether what was in force before stays so.
    """

    from_: Instant
    to: Instant
    days: int
    rollbacks: int
    last_rollback_at: Instant | None
    overrides: int
    rules: tuple[RuleInForce, ...]
    services: tuple[RulesOfService, ...]
    options: Mapping[str, str]
    problems: tuple[Problem, ...]
    kept: bool


class _Decided(NamedTuple):
    rule: str
    deployments: int
    last_at: Instant


def show_rules_in_force(reader: Reader, question: TrialQuestion) -> RulesInForce:
    """The rules in force, those of one service where the question names it; counts are over the question's days, all envs."""
    window, service = question.window, question.filters.service
    where: dict[str, Value] = {"from_at": window.start, "to_at": window.end, "service": service or ""}
    decided = {one.rule: one for one in reader.fetch("answer_rule_counts", _Decided, **where)}
    everywhere = load_rules(reader)
    own = {one.service: one for one in load_definitions(reader) if one.rules != NO_RULES}
    mine = own[service].rules if service in own else NO_RULES
    problems = next((state.problems for state in load_catalog_states(reader) if state.kind == RULES), ())

    def shown(kind: str, rule: Rule) -> RuleInForce:
        found = decided.get(rule.id)
        return RuleInForce(
            kind=kind, **asdict(rule), deployments=found.deployments if found is not None else 0,
            last_at=found.last_at if found is not None else None,
        )  # fmt: skip

    rules = rules_of(everywhere, mine)
    counts = Counter({name: one.deployments for name, one in decided.items()})
    return RulesInForce(
        from_=window.start,
        to=window.end,
        days=question.days,
        rollbacks=counts[ROLLBACK],
        last_rollback_at=decided[ROLLBACK].last_at if ROLLBACK in decided else None,
        overrides=counts[OVERRIDE],
        rules=(*(shown("linked", rule) for rule in rules.linked), *(shown("static", rule) for rule in rules.static)),
        services=tuple(
            RulesOfService(service=one.shown, location=one.location, rules=tuple(_own(one.rules, everywhere)))
            for name, one in own.items()
            if service in (None, name)
        ),
        options=asdict(rules.options),
        problems=problems,
        kept=any(problem.severity == "error" for problem in problems),
    )


def entries_left_out(reader: Reader, service: str) -> dict[tuple[str, str], str]:
    """What a service's definition says of rules and is left out, by kind and id, with the reason."""
    said = next((one.rules for one in load_definitions(reader) if one.service == service), NO_RULES)
    return {(one.section, one.id): one.reason for one in left_out(load_rules(reader), said)}


def _own(said: ServiceRules, rules: RuleSet) -> list[OwnRuleShown]:
    known = {rule.id for rule in (*rules.linked, *rules.static)}

    def shown(kind: str, one: OwnRule) -> OwnRuleShown:
        return OwnRuleShown(kind=kind, **asdict(one), new=one.id not in known)

    return [shown("linked", one) for one in said.linked] + [shown("static", one) for one in said.static]
