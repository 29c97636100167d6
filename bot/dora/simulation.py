"""What other rules would make of a series: every deployment under today's and under proposed rules, near misses, and people's word.

Rules:
- Both sets classify as the derivation does: each hears only the messages in which it sees something itself.
- A near miss is what a rule saw and may not use, or what differs from what it looks for in one thing alone: new or not, the field,
  upper and lower case.
- People's corrections are the truth; rules are held against them before the corrections are laid over.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

from bot.dora.commits import Sha
from bot.dora.deployments import Deployment
from bot.dora.instants import Instant
from bot.dora.overrides import Correction, correct
from bot.dora.pull_requests import PullRequest
from bot.dora.remediation import ROLLBACK, Carried, Classified, DeploymentType, Remediation, classify
from bot.dora.reverts import Origins
from bot.dora.rules import (
    BadRuleError,
    CompiledRule,
    CompiledRules,
    Field,
    Hit,
    Rule,
    RuleSet,
    Variable,
    check_rule,
    compile_rules,
    matches,
    speaks,
)
from bot.dora.series_past import Recall, has_identity

MOST_NEAR_MISSES = 10
"""Of one deployment."""

Unseen = Literal["redeployed", "path"]
"""Why rules do not see a change: it was deployed before, or the service's paths leave it out."""
Difference = Literal["redeployed", "path", "other_field", "case", "earlier_rule"]
"""What keeps a match from counting; `earlier_rule`: another rule, or a rollback, decided first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A single rule to try: it takes the place of the one with its id, or comes last of its kind."""

    rule: Rule
    linked: bool


Proposal = RuleSet | Tried | None
"""Whole rules, a single one, or none: today's as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A commit of a deployment's range that the path filter left out, with its pull request as far as known."""

    sha: Sha
    message: str
    pull_request: PullRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """What `rule` nearly classified: the reason, and the text with the field that holds it and where that stood."""

    rule: str
    reason: str
    field: str
    value: str
    number: int | None = None
    sha: Sha | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a deployment is under one set of rules, corrections included. `rules` decided; `mended_by` is a deployment's id."""

    type: DeploymentType
    failed: bool | None
    mended_by: str | None
    mends: tuple[Remediation, ...]
    flags: tuple[str, ...]
    rules: tuple[str, ...]
    blamed_by: frozenset[str]
    """The rules that blame it, whatever people say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One deployment under both sets; `told` is what a person said of its failure."""

    deployment: Deployment
    before: Verdict
    after: Verdict
    near_misses: tuple[NearMiss, ...]
    told: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often rules and people agree on what failed, over the deployments that people corrected."""

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    true_negatives: int = 0

    @property
    def precision(self) -> float | None:
        """Of what the rules called failed, the share that did."""
        called = self.true_positives + self.false_positives
        return self.true_positives / called if called else None

    @property
    def recall(self) -> float | None:
        """Of what failed, the share that the rules called so."""
        failed = self.true_positives + self.false_negatives
        return self.true_positives / failed if failed else None

    @property
    def no_precision(self) -> str | None:
        """Why there is no precision."""
        return self._why("none_called") if self.precision is None else None

    @property
    def no_recall(self) -> str | None:
        """Why there is no recall."""
        return self._why("none_failed") if self.recall is None else None

    def _why(self, reason: str) -> str:
        told = self.true_positives + self.false_positives + self.false_negatives + self.true_negatives
        return reason if told else "no_overrides"


def is_linked(pattern: str) -> bool:
    """Whether a pattern is meant as a linked one: it holds a variable."""
    rule = Rule(id="", field="version", pattern=pattern)
    if check_rule(rule, linked=True) is None:
        return True
    return check_rule(rule, linked=False) is not None and any(f"${name}" in pattern for name in get_args(Variable))


def propose(rules: RuleSet, proposal: Proposal) -> RuleSet:
    """The rules with what is proposed."""
    if proposal is None or isinstance(proposal, RuleSet):
        return rules if proposal is None else proposal
    linked, static = _without(rules.linked, proposal, stays=proposal.linked), _without(rules.static, proposal, stays=not proposal.linked)
    return replace(rules, linked=linked, static=static)


def _without(rules: tuple[Rule, ...], tried: Tried, *, stays: bool) -> tuple[Rule, ...]:
    if not stays:
        return tuple(rule for rule in rules if rule.id != tried.rule.id)
    if any(rule.id == tried.rule.id for rule in rules):
        return tuple(tried.rule if rule.id == tried.rule.id else rule for rule in rules)
    return (*rules, tried.rule)


def changed_rules(today: RuleSet, proposed: RuleSet) -> frozenset[str]:
    """The ids of rules that are new, gone, or not the same any more."""
    before = {(linked, rule) for linked, rules in ((True, today.linked), (False, today.static)) for rule in rules}
    after = {(linked, rule) for linked, rules in ((True, proposed.linked), (False, proposed.static)) for rule in rules}
    return frozenset(rule.id for _, rule in before ^ after)


class Ears:
    """The proposed rules as near misses are looked for: those in `focus` (all, if `None`), each also without regard to case."""

    def __init__(self, rules: CompiledRules, focus: Collection[str] | None = None) -> None:
        self.rules = [one for one in (*rules.linked, *rules.static) if focus is None or one.rule.id in focus]
        self.everything = focus is None
        self.loose = {one.rule.id: _loose(one) for one in self.rules}

    @cached_property
    def messages(self) -> CompiledRules:
        """Rules that see something in a commit message wherever one of these sees something in any field."""
        heard = [(one.variable is not None, replace(one.rule, field="commit_message")) for one in self.loose.values()]
        linked = tuple(rule for points, rule in heard if points)
        return compile_rules(RuleSet(linked=linked, static=tuple(rule for points, rule in heard if not points)))

    def hear(self, text: str) -> bool:
        """Whether one of them, or nearly, sees something in a text of any field."""
        return text != "" and speaks(self.messages, {"commit_message": (text,)})


def _loose(compiled: CompiledRule) -> CompiledRule:
    """The same without regard to case; itself where that would be too large."""
    rule = replace(compiled.rule, pattern=f"(?i){compiled.rule.pattern}")
    try:
        if compiled.variable is not None:
            return compile_rules(RuleSet(linked=(rule,), static=())).linked[0]
        return compile_rules(RuleSet(linked=(), static=(rule,))).static[0]
    except BadRuleError:
        return compiled


def simulate(
    series: Sequence[Carried],
    today: CompiledRules,
    proposed: CompiledRules,
    origins: Callable[[str], Origins],
    *,
    since: Instant,
    ears: Ears,
    recall: Recall | None = None,
    own: Mapping[str, Correction] | None = None,
    naming: Sequence[Correction] = (),
    outside: Mapping[str, Sequence[Outside]] | None = None,
) -> list[Trial]:
    """Every deployment of one series (given in its order) that finished at `since` or later, under both sets of rules.

    Those before need no changes if `recall` tells what they carried. `own` and `naming` are people's corrections, as for `correct`;
    `outside` is what the path filter left out, by deployment.
    """
    own, outside = own or {}, outside or {}
    settled = {one.deployment.id for one in series if one.deployment.finished_at < since}
    inside = [one for one in series if one.deployment.id not in settled]
    again = {
        here.deployment.id for before, here in pairwise(series) if before.deployment.version == here.deployment.version
    }

    def judge(rules: CompiledRules) -> tuple[list[Classified], dict[str, Verdict]]:
        heard = [_hear(one, rules) if one.changes else one for one in series]
        found = classify(heard, rules, origins, settled=settled, recall=recall)
        return found, _verdicts(inside, found, own, naming)

    found, before = judge(today)
    after = before
    if proposed is not today:
        found, after = judge(proposed)
    trials = []
    for one, classified in zip(inside, found, strict=True):
        id = one.deployment.id
        sights = _sights(one, outside.get(id, ()), same_version=id in again)
        trials.append(
            Trial(
                deployment=one.deployment,
                before=before[id],
                after=after[id],
                near_misses=_near_misses([sight for sight in sights if ears.hear(sight.text)], classified, after[id], ears),
                told=own[id].failed if id in own else None,
            )
        )
    return trials


def confusion(trials: Iterable[tuple[bool | None, bool]]) -> Confusion:
    """Out of what people said of each deployment (`None`: nothing) and whether rules call it failed."""
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for told, called in trials:
        if told is not None:
            counts[told, called] += 1
    return Confusion(
        true_positives=counts[True, True], false_positives=counts[False, True],
        false_negatives=counts[True, False], true_negatives=counts[False, False],
    )  # fmt: skip


def _hear(carried: Carried, rules: CompiledRules) -> Carried:
    """What was carried, with only those messages in which these rules see something."""

    def is_heard(text: str) -> bool:
        return text == "" or speaks(rules, {"commit_message": (text,)})

    if all(is_heard(change.message) for change in carried.changes) and all(is_heard(text) for _, text in carried.squashed):
        return carried
    changes = tuple(one if is_heard(one.message) else replace(one, message="") for one in carried.changes)
    return replace(carried, changes=changes, squashed=tuple(one for one in carried.squashed if is_heard(one[1])))


def _verdicts(
    inside: Sequence[Carried],
    found: Sequence[Classified],
    own: Mapping[str, Correction],
    naming: Sequence[Correction],
) -> dict[str, Verdict]:
    blamed: dict[str, set[str]] = {}
    for one in found:
        for each in one.remediations:
            blamed.setdefault(each.target, set()).add(each.rule)
    corrected = correct(found, own, naming)
    mended: dict[str, str] = {}
    for one in corrected:
        for each in one.remediations:
            mended.setdefault(each.target, one.deployment_id)
    verdicts = {}
    for carried, one in zip(inside, corrected, strict=True):
        id = one.deployment_id
        word = own.get(id)
        mender = mended.get(id) or (word.remediation_id or None if word is not None else None)
        failed = word.failed if word is not None else mender is not None if has_identity(carried.deployment) else None
        verdicts[id] = Verdict(
            type=one.type, failed=failed, mended_by=mender if failed else None, mends=one.remediations, flags=one.flags,
            rules=tuple(dict.fromkeys(each.rule for each in one.remediations)), blamed_by=frozenset(blamed.get(id, ())),
        )  # fmt: skip
    return verdicts


class _Sight(NamedTuple):
    """A text of a deployment, and why rules do not see it if they do not."""

    field: Field
    text: str
    unseen: Unseen | None
    number: int | None = None
    sha: Sha | None = None


def _sights(carried: Carried, outside: Iterable[Outside], *, same_version: bool) -> Iterator[_Sight]:
    new = {change.number for change in carried.changes if not change.redeployed}
    for pull_request in carried.pull_requests:
        yield from _of_pull_request(pull_request, None if pull_request.number in new else "redeployed")
    fresh = {change.original_of for change in carried.changes if not change.redeployed}
    for sha, text in carried.squashed:
        yield _Sight("commit_message", text, None if sha in fresh else "redeployed", sha=sha)
    for change in carried.changes:
        if change.message:
            yield _Sight("commit_message", change.message, "redeployed" if change.redeployed else None, change.number, change.sha)
    if carried.deployment.version:
        yield _Sight("version", carried.deployment.version, "redeployed" if same_version else None)
    known = {pull_request.number for pull_request in carried.pull_requests}
    for one in outside:
        yield _Sight("commit_message", one.message, "path", sha=one.sha)
        if one.pull_request is not None and one.pull_request.number not in known:
            known.add(one.pull_request.number)
            yield from _of_pull_request(one.pull_request, "path")


def _of_pull_request(one: PullRequest, unseen: Unseen | None) -> Iterator[_Sight]:
    yield _Sight("pr_title", one.title, unseen, one.number)
    yield _Sight("pr_body", one.body, unseen, one.number)
    yield _Sight("pr_branch", one.head_ref, unseen, one.number)
    for label in one.labels:
        yield _Sight("pr_label", label, unseen, one.number)


def _near_misses(sights: Sequence[_Sight], classified: Classified, verdict: Verdict, ears: Ears) -> tuple[NearMiss, ...]:
    rules = {one.rule.id: one.rule for one in ears.rules}
    found = [
        NearMiss(rule=reason.rule, reason=reason.reason.value, field=_field_of(reason.rule, rules), value=reason.value)
        for reason in classified.reasons
        if reason.rule in rules or (reason.rule == ROLLBACK and ears.everything and reason.value)
    ]
    told = {*verdict.rules, *(reason.rule for reason in classified.reasons)}
    decided = classified.type != "standard"
    for compiled in ears.rules:
        name = compiled.rule.id
        for sight in sights:
            difference, hit = _difference(compiled, ears.loose[name], sight)
            # What was classified is no near miss, but that somebody else's rule did it may surprise who tries one.
            wanted = (name not in told and not ears.everything) if difference is None else not decided
            if hit is not None and wanted:
                found.append(
                    NearMiss(
                        rule=name, reason=difference or "earlier_rule", field=sight.field, value=hit.seen, number=sight.number,
                        sha=sight.sha,
                    )
                )
    first: dict[tuple[str, str, str], NearMiss] = {}
    for one in found:
        first.setdefault((one.rule, one.reason, one.value), one)
    return tuple(first.values())[:MOST_NEAR_MISSES]


def _field_of(rule: str, rules: Mapping[str, Rule]) -> str:
    return rules[rule].field if rule in rules else "version"


def _difference(exact: CompiledRule, loose: CompiledRule, sight: _Sight) -> tuple[Difference | None, Hit | None]:
    """In what alone a text differs from what a rule looks for (`None`: in nothing), and the match; no match if in more."""
    loose_hit = _first(loose, sight)
    if loose_hit is None:
        return None, None
    own = sight.field == exact.rule.field
    hit = _first(exact, sight)
    if hit is None:
        return "case", loose_hit if own and sight.unseen is None else None
    if own:
        return sight.unseen, hit
    return "other_field", hit if sight.unseen is None else None


def _first(rule: CompiledRule, sight: _Sight) -> Hit | None:
    return next(iter(matches(rule, (sight.text,))), None)
