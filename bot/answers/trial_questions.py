"""What can be asked of rules: which one to try, over which deployments of the last days."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from bot.answers.questions import Asker, Filters, Form, InvalidParameterError, parse_filters
from bot.dora.instants import DAY, Instant
from bot.dora.metrics import Formula, Window
from bot.dora.rules import Field, Rule, RuleSet, check_rule
from bot.dora.simulation import Proposal, Tried, is_linked

SCOPE = ("days", "service")
PARAMETERS = (*SCOPE, "env", "formula", "kind", "id", "field", "pattern", "blame")
FIELDS: tuple[str, ...] = get_args(Field)
DEFAULT_DAYS, MOST_DAYS = 90, 36_500
NEW_RULE = "tried"
"""The id of a rule that was given none."""
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A rule as it was asked for; `None` where nothing was said."""

    id: str | None = None
    kind: str | None = None
    field: str | None = None
    pattern: str | None = None
    blame: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialQuestion:
    """Over which deployments to try what: `proposal` (rules that were read already), else what `parts` make."""

    filters: Filters
    days: int
    now: Instant
    formula: Formula | None = None
    parts: Parts = Parts()
    proposal: Proposal = None

    @property
    def window(self) -> Window:
        """The last `days` days."""
        return Window(start=max(0, self.now - self.days * DAY), end=self.now)


def parse_scope(parameters: Sequence[tuple[str, str]], asker: Asker) -> TrialQuestion:
    """Which deployments, without a rule. Raises QuestionError."""
    return _scope(Form(parameters, known=SCOPE), asker)


def parse_trial(parameters: Sequence[tuple[str, str]], asker: Asker) -> TrialQuestion:
    """A question for a trial. Raises QuestionError."""
    form = Form(parameters, known=PARAMETERS)
    id = form.text("id")
    if id is not None and _ID.fullmatch(id) is None:
        raise InvalidParameterError("id", "id is 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first.")
    # As it was typed: a blank at an end of a pattern means something.
    pattern = next((value for name, value in parameters if name == "pattern" and value), None)
    return replace(
        _scope(form, asker),
        formula=cast("Formula | None", form.choice("formula", ("all", "excluding_rollbacks"))),
        parts=Parts(
            id=id, kind=form.choice("kind", ("linked", "static")), field=form.choice("field", FIELDS), pattern=pattern,
            blame=form.choice("blame", ("previous", "none")),
        ),
    )  # fmt: skip


def _scope(form: Form, asker: Asker) -> TrialQuestion:
    kept = [(name, value) for name in ("service", "env") if (value := form.text(name)) is not None]
    days = form.whole("days", most=MOST_DAYS)
    filters = parse_filters(Form(kept, known=("service", "env")), asker)
    return TrialQuestion(filters=filters, days=DEFAULT_DAYS if days is None else days, now=asker.now)


def proposal_of(question: TrialQuestion, today: RuleSet) -> Proposal:
    """What is to be tried beside today's rules: of a known rule what is not given stays as it is. Raises QuestionError."""
    parts = question.parts
    if question.proposal is not None:
        return question.proposal
    known = {rule.id: (linked, rule) for linked, rules in ((True, today.linked), (False, today.static)) for rule in rules}
    was_linked, base = known.get(parts.id or "", (False, None))
    if parts == Parts():
        return None
    if base is None and parts.pattern is None:
        raise InvalidParameterError("pattern", f"There is no rule {parts.id}: a new one needs a pattern." if parts.id else "A rule needs a pattern.")
    if base is None and parts.field is None:
        raise InvalidParameterError("field", f"A new rule needs a field: one of {', '.join(FIELDS)}.")
    pattern = parts.pattern if parts.pattern is not None or base is None else base.pattern
    linked = parts.kind == "linked" if parts.kind else is_linked(pattern or "") if parts.pattern else was_linked
    rule = Rule(
        id=parts.id or NEW_RULE,
        field=cast(Field, parts.field or (base.field if base is not None else "")),
        pattern=pattern or "",
        blame=cast('Literal["previous", "none"]', parts.blame or (base.blame if base is not None and not linked else "previous")),
    )
    if linked and rule.blame == "none":
        raise InvalidParameterError("blame", "A linked rule blames what it points to: blame is for static rules.")
    told = check_rule(rule, linked=linked)
    if told is not None:
        raise InvalidParameterError("pattern", told)
    return Tried(rule=rule, linked=linked)
