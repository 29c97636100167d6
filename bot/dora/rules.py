"""Rules that recognise a remediation: linked ones point to what they mend, static ones blame the deployment just before.

Rules of matching: RE2 search, not full match; every match in a text counts; a linked rule's variable becomes a group before the
pattern is compiled.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, Protocol, cast

import re2

Field = Literal["pr_title", "pr_body", "pr_branch", "pr_label", "commit_message", "version"]
Variable = Literal["pr_title", "pr_number", "version", "commit_sha"]

MAX_PATTERN = 1_000
"""Characters."""
MAX_SEEN = 300
"""Characters of evidence."""

MAX_MATCHES = 1_000
"""Per text: a hostile text of short matches would cost the square of its length."""

_GROUPS: dict[str, str] = {"pr_title": ".+", "pr_number": "[0-9]+", "version": r"\S+", "commit_sha": "[0-9a-f]{7,64}"}
_GROUP = "rollforward_variable"
"""A name that no pattern uses by accident: RE2 keeps the first of two equal ones and says nothing."""
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


class _Match(Protocol):
    def group(self, group: int = 0, /) -> str | None: ...
    def start(self, group: int = 0, /) -> int: ...
    def end(self, group: int = 0, /) -> int: ...


class _Pattern(Protocol):
    @property
    def groupindex(self) -> dict[str, int]: ...
    def finditer(self, text: str, /) -> Iterator[_Match]: ...
    def search(self, text: str, /) -> _Match | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule that is on, its pattern compiled; `variable` is `None` for a static one, and `group` 0."""

    rule: Rule
    variable: Variable | None
    group: int
    source: str
    pattern: _Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRules:
    """The rules that are on, in their order of precedence."""

    linked: tuple[CompiledRule, ...]
    static: tuple[CompiledRule, ...]
    options: Options
    any_of: Mapping[Field, "_Pattern | None"]
    """Of each field that rules read: what matches wherever one of them does; `None` where they are too large for one pattern."""


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
    sources: dict[Field, list[str]] = {}
    for compiled in (*linked, *static):
        sources.setdefault(compiled.rule.field, []).append(compiled.source)
    any_of = {name: _any_of(patterns) for name, patterns in sources.items()}
    return CompiledRules(linked=linked, static=static, options=rules.options, any_of=any_of)


def speaks(rules: CompiledRules, texts: Mapping[Field, Iterable[str]]) -> bool:
    """Whether any rule sees something: one search per text, because nearly all texts say nothing."""
    for name, pattern in rules.any_of.items():
        for text in texts.get(name, ()):
            if pattern is None or pattern.search(_readable(text)) is not None:
                return True
    return False


def matches(compiled: CompiledRule, texts: Iterable[str]) -> list[Hit]:
    """Every match of a rule in these texts, in their order."""
    hits = []
    group = compiled.group
    for text in texts:
        readable = _readable(text)
        for match in islice(compiled.pattern.finditer(readable), MAX_MATCHES):
            value = match.group(group)
            if not value and compiled.variable:
                continue
            hits.append(
                Hit(
                    rule=compiled.rule,
                    variable=compiled.variable,
                    seen=_line(readable, match.start(), match.end()),
                    value=value or "" if compiled.variable else "",
                    before=readable[match.start() : match.start(group)],
                )
            )
    return hits


def _readable(text: str) -> str:
    """Lone surrogates, which JSON can hold and UTF-8 cannot, become question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _line(text: str, start: int, end: int) -> str:
    """The whole line or lines that hold a match."""
    while start < end and text[start] == "\n":
        start += 1
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    line = text[first : len(text) if last < 0 else last].strip()
    return line if len(line) <= MAX_SEEN else text[start : start + MAX_SEEN].strip()


def _compile(rule: Rule, *, linked: bool) -> CompiledRule:
    if len(rule.pattern) > MAX_PATTERN:
        raise BadRuleError(f"the pattern has {len(rule.pattern)} characters, at most {MAX_PATTERN} are allowed")
    if not rule.pattern:
        raise BadRuleError("the pattern is empty and would match everything")
    source, variables = _with_groups(rule.pattern)
    if linked and len(variables) != 1:
        found = " and ".join(f"${name}" for name in variables) or "none"
        raise BadRuleError(f"a linked rule holds exactly one variable of {_VARIABLES}; this one holds {found}")
    if not linked and variables:
        raise BadRuleError(f"a static rule holds no variable; move the rule to `linked` to use ${variables[0]}")
    try:
        pattern = _compiled(source)
    except (re2.error, UnicodeEncodeError) as error:
        raise BadRuleError(_explained(rule.pattern, error)) from error
    return CompiledRule(
        rule=rule,
        variable=cast(Variable, variables[0]) if variables else None,
        group=pattern.groupindex[_GROUP] if variables else 0,
        source=source,
        pattern=pattern,
    )


def _compiled(source: str) -> _Pattern:
    options = re2.Options()
    options.max_mem = 1 << 20
    options.log_errors = False
    return cast(_Pattern, re2.compile(source, options))


def _any_of(sources: Sequence[str]) -> _Pattern | None:
    """What matches wherever one of these patterns does."""
    if any(r"\Q" in source for source in sources):
        return None  # A quote that is not closed would swallow the next pattern.
    try:
        return _compiled("|".join(f"(?:{source})" for source in sources))
    except re2.error:
        return None


_TOKENS = re2.compile(r"\\Q(?s:.*?)(?:\\E|\z)|\\(?s:.)|\[\^?\]?(?:\[:\^?[a-z]+:\]|\\(?s:.)|[^\]\\])*\]|\$([A-Za-z_]+)")
"""What can hold a `$` that is no variable (quotes, escapes, classes), or a variable."""


def _with_groups(pattern: str) -> tuple[str, list[str]]:
    """The pattern with a group for each variable, and the variables."""
    parts, variables, done = [], [], 0
    readable = _readable(pattern)
    for match in _TOKENS.finditer(readable):
        name = match.group(1)
        if name is None:
            continue
        known = name if name in _GROUPS else next((each for each in _GROUPS if name == f"{each}_"), None)
        if known is None:
            at = match.start() + 1
            raise BadRuleError(
                f"position {at}: ${name} is no variable, there are {_VARIABLES}; "
                r"a dollar sign is \$, an end of text is (?:$)"
            )
        parts += [readable[done : match.start()], f"(?P<{_GROUP}>{_GROUPS[known]})"]
        variables.append(known)
        done = match.start() + 1 + len(known)
    parts.append(readable[done:])
    return "".join(parts), variables


_UNSUPPORTED = (
    ("(?=", "lookahead is not supported; match the text that follows as part of the pattern"),
    ("(?!", "lookahead is not supported; list what may follow, as in (?:$|[^a-z])"),
    ("(?<=", "lookbehind is not supported; match the text before as part of the pattern, as in (?:^|[^a-z])"),
    ("(?<!", "lookbehind is not supported; list what may stand before, as in (?:^|[^a-z])"),
    ("(?>", "atomic groups are not supported nor needed: matching takes linear time; write (?:"),
    ("(?#", "comments are not supported; leave it out"),
)


def _explained(pattern: str, error: Exception) -> str:
    """RE2's complaint with its place in the pattern and, for what other engines know, what to write instead."""
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    kind, _, piece = text.partition(": ")
    for token, advice in _UNSUPPORTED:
        if token in piece or (token in pattern and kind == "invalid perl operator"):
            return f"position {pattern.find(token) + 1}: {advice}"
    if kind == "invalid escape sequence" and piece[1:2].isdigit():
        return f"position {pattern.find(piece) + 1}: backreferences such as {piece} are not supported; write the text again"
    if kind == "pattern too large - compile failed" or "too large" in kind:
        return "the pattern is too large once its repetitions are written out; use smaller counts"
    at = pattern.find(piece) if piece else -1
    where = f"position {at + 1}: " if at >= 0 else ""
    return f"{where}{kind}{f' in {piece}' if at >= 0 else ''}"
