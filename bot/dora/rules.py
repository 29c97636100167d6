"""Rules that recognise a remediation: linked ones point to what they mend, static ones blame the deployment just before.

Rules of matching: RE2 search, not full match; every match in a text counts, within the bounds of `bot.dora.patterns`; a linked rule's
variable becomes a group before the pattern is compiled.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from bot.dora.pattern_syntax import BadPatternError
from bot.dora.patterns import Found, Pattern, compile_pattern, joined, looked_at

Field = Literal["pr_title", "pr_body", "pr_branch", "pr_label", "commit_message", "version"]
Variable = Literal["pr_title", "pr_number", "version", "commit_sha"]

MAX_SEEN = 300
"""Characters of evidence."""
_GROUPS: dict[str, str] = {"pr_title": ".+", "pr_number": "[0-9]+", "version": r"\S+", "commit_sha": "[0-9a-f]{7,64}"}
_VARIABLES = ", ".join(f"${name}" for name in _GROUPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A field and an RE2 pattern; a linked rule's pattern holds exactly one variable. `blame` is "none" for rework without a failed one."""

    id: str
    field: Field
    pattern: str
    enabled: bool = True
    blame: Literal["previous", "none"] = "previous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the rules are read (semantics §5)."""

    rollback: Literal["strict", "literal"] = "strict"
    reland: Literal["parity", "literal"] = "parity"
    formula: Literal["all", "excluding_rollbacks", "incidents"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """The rules in their order of precedence: linked before static, each in file order."""

    linked: tuple[Rule, ...]
    static: tuple[Rule, ...]
    options: Options = field(default_factory=Options)


Section = Literal["linked", "static"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRule:
    """What the definition of a service says of one rule; `None` stays as it is."""

    id: str
    field: Field | None = None
    pattern: str | None = None
    enabled: bool | None = None
    blame: Literal["previous", "none"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRules:
    """What the definition of a service says of the rules: entries with the id of a rule change that one, others are new."""

    linked: tuple[OwnRule, ...] = ()
    static: tuple[OwnRule, ...] = ()


NO_RULES = ServiceRules()
"""Nothing is said of the rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An entry of a service's rules that is no rule beside those it refers to, and why."""

    section: Section
    id: str
    reason: str


def rules_of(rules: RuleSet, own: ServiceRules) -> RuleSet:
    """The rules of a service: changed where they stand, new ones after them; what `left_out` names is not among them."""
    linked, _ = _merged("linked", rules, own.linked)
    static, _ = _merged("static", rules, own.static)
    return replace(rules, linked=linked, static=static)


def left_out(rules: RuleSet, own: ServiceRules) -> tuple[LeftOut, ...]:
    """The entries that do not fit the rules they are beside, linked before static."""
    return (*_merged("linked", rules, own.linked)[1], *_merged("static", rules, own.static)[1])


def _merged(section: Section, rules: RuleSet, own: Iterable[OwnRule]) -> tuple[tuple[Rule, ...], list[LeftOut]]:
    here, there = (rules.linked, rules.static) if section == "linked" else (rules.static, rules.linked)
    found, elsewhere, left = {rule.id: rule for rule in here}, {rule.id for rule in there}, []
    for one in own:
        base = found.get(one.id)
        if one.id in elsewhere:
            other = "static" if section == "linked" else "linked"
            left.append(LeftOut(section=section, id=one.id, reason=f"the rule {one.id} stands under {other} in rules.yaml"))
        elif base is not None:
            found[one.id] = replace(
                base, field=one.field or base.field, pattern=one.pattern or base.pattern, blame=one.blame or base.blame,
                enabled=base.enabled if one.enabled is None else one.enabled,
            )  # fmt: skip
        elif one.field is None or one.pattern is None:
            why = f"rules.yaml has no rule {one.id} under {section}, and a new one needs field and pattern"
            left.append(LeftOut(section=section, id=one.id, reason=why))
        else:
            found[one.id] = Rule(
                id=one.id, field=one.field, pattern=one.pattern, enabled=one.enabled is not False, blame=one.blame or "previous"
            )
    return tuple(found.values()), left


_HOTFIX = "(?i)(?:^|[^a-z])hot[-_ ]?fix(?:es|ed)?(?:$|[^a-z])"

DEFAULT_RULES = RuleSet(
    linked=(
        Rule(id="revert-sha", field="commit_message", pattern="This reverts commit $commit_sha"),
        Rule(id="revert-mr", field="commit_message", pattern="This reverts merge request !$pr_number"),
        Rule(id="revert-number", field="pr_body", pattern=r"(?m)^Reverts (?:\S+)?#$pr_number"),
        Rule(id="revert-branch", field="pr_branch", pattern="^revert-$pr_number-"),
        Rule(id="revert-title", field="pr_title", pattern='^Revert "$pr_title"$'),
    ),
    static=(
        Rule(id="hotfix-label", field="pr_label", pattern=_HOTFIX),
        Rule(id="hotfix-title", field="pr_title", pattern=_HOTFIX),
        Rule(id="hotfix-branch", field="pr_branch", pattern=_HOTFIX),
        Rule(id="incident-label", field="pr_label", pattern=r"(?i)\bincident\b", enabled=False),
    ),
)
"""What a missing rules file means."""


class BadRuleError(ValueError):
    """A rule cannot be used; the message says why and what to write instead."""

    slug = "bad_rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule that is on, its pattern compiled; `variable` is `None` for a static one."""

    rule: Rule
    variable: Variable | None
    pattern: Pattern

    @property
    def source(self) -> str:
        """The pattern without variables and groups."""
        return self.pattern.source


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRules:
    """The rules that are on, in their order of precedence."""

    linked: tuple[CompiledRule, ...]
    static: tuple[CompiledRule, ...]
    options: Options
    any_of: Mapping[Field, tuple[Pattern, ...]]
    """Of each field that rules read: few patterns, one of which matches wherever a rule does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A match: `seen` is the line that matched (cut to MAX_SEEN), `value` the variable's ("" for a static rule).

    `before` is what the match holds in front of the variable.
    """

    rule: Rule
    variable: Variable | None
    seen: str
    value: str
    before: str


def check_rule(rule: Rule, *, linked: bool) -> str | None:
    """What is wrong with a rule, or `None`."""
    try:
        _compile(rule, linked=linked)
    except BadRuleError as error:
        return str(error)
    return None


def compile_rules(rules: RuleSet) -> CompiledRules:
    """The enabled rules, ready to match; BadRuleError if one of them cannot be."""
    linked = tuple(_compile(rule, linked=True) for rule in rules.linked if rule.enabled)
    static = tuple(_compile(rule, linked=False) for rule in rules.static if rule.enabled)
    by_field: dict[Field, list[Pattern]] = {}
    for compiled in (*linked, *static):
        by_field.setdefault(compiled.rule.field, []).append(compiled.pattern)
    any_of = {name: joined(patterns) for name, patterns in by_field.items()}
    return CompiledRules(linked=linked, static=static, options=rules.options, any_of=any_of)


def speaks(rules: CompiledRules, texts: Mapping[Field, Iterable[str]]) -> bool:
    """Whether any rule sees something: few searches per text, because nearly all texts say nothing."""
    for name, patterns in rules.any_of.items():
        for text in texts.get(name, ()):
            raw = looked_at(text)
            if any(pattern.speaks(raw) for pattern in patterns):
                return True
    return False


def matches(compiled: CompiledRule, texts: Iterable[str]) -> list[Hit]:
    """Every match of a rule in these texts, in their order."""
    hits: list[Hit] = []
    for text in texts:
        raw = looked_at(text)
        hits += (
            _hit(compiled, raw, found)
            for found in compiled.pattern.find(raw)
            if compiled.variable is None or found.value_end > found.value_start
        )
    return hits


def _hit(compiled: CompiledRule, raw: bytes, found: Found) -> Hit:
    linked = compiled.variable is not None
    return Hit(
        rule=compiled.rule,
        variable=compiled.variable,
        seen=_line(raw, found.start, found.end),
        value=raw[found.value_start : found.value_end].decode("utf-8", "replace") if linked else "",
        before=raw[found.start : found.value_start].decode("utf-8", "replace") if linked else "",
    )


def _line(raw: bytes, start: int, end: int) -> str:
    """The whole line or lines that hold a match."""
    while start < end and raw[start] == 0x0A:
        start += 1
    first = raw.rfind(b"\n", 0, start) + 1
    last = raw.find(b"\n", end)
    last = len(raw) if last < 0 else last
    if last - first <= MAX_SEEN * 4:
        line = raw[first:last].decode("utf-8", "replace").strip()
        if len(line) <= MAX_SEEN:
            return line
    return raw[start : start + MAX_SEEN * 4].decode("utf-8", "ignore")[:MAX_SEEN].strip()


def _compile(rule: Rule, *, linked: bool) -> CompiledRule:
    try:
        pattern = compile_pattern(rule.pattern, _GROUPS)
    except BadPatternError as error:
        raise BadRuleError(str(error)) from error
    variables = pattern.variables
    if linked and len(variables) != 1:
        found = " and ".join(f"${name}" for name in variables) or "none"
        bare = next((name for name in _GROUPS if not variables and name in rule.pattern), None)
        hint = "" if bare is None else f"; a variable begins with a dollar sign: ${bare}"
        raise BadRuleError(f"a linked rule holds exactly one variable of {_VARIABLES}; this one holds {found}{hint}")
    if not linked and variables:
        raise BadRuleError(f"a static rule holds no variable; move the rule to `linked` to use ${variables[0]}")
    return CompiledRule(rule=rule, variable=cast(Variable, variables[0]) if variables else None, pattern=pattern)
