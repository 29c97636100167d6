"""Rules that recognise a remediation: linked ones point to what they mend, static ones blame the deployment just before."""

from dataclasses import dataclass, field
from typing import Literal

Field = Literal["pr_title", "pr_body", "pr_branch", "pr_label", "commit_message", "version"]


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
