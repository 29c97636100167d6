"""What rules make of the deployments of a window: today's against proposed ones, with the metrics under both.

The rules are tried a series at a time by a `TrialSource` (the pipeline's), as their derivation would; nothing is written.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from bot.answers.explain import EvidenceShown
from bot.answers.questions import Filters
from bot.answers.rows import DeploymentRow, load_deployment, load_deployments, load_pending
from bot.answers.trial_questions import TrialQuestion, proposal_of
from bot.dora.deployments import Series
from bot.dora.instants import Duration, Instant
from bot.dora.metrics import Formula, Measured, Window, is_rework, measure
from bot.dora.reasons import NotComputed
from bot.dora.rules import Rule, RuleSet
from bot.dora.series_past import has_identity
from bot.dora.simulation import Confusion, Proposal, Trial, Verdict, changed_rules, confusion
from bot.sources.rule_trial import write_rules
from bot.store import Reader

MOST_SHOWN = 200
"""Deployments and near misses that page and API list; the counts are of all."""

Hurry = Callable[[], None]
"""Called now and then; raises to end the work."""


class TrialSource(Protocol):
    """Tries rules on the stored series."""

    def rules(self, reader: Reader, service: str, proposal: Proposal, /) -> tuple[RuleSet, RuleSet]:
        """A service's rules ("": those where no definition says anything) as they are, and with what is proposed for `rules.yaml`."""
        ...

    def trials(
        self, reader: Reader, series: Series, proposal: Proposal, /, *, since: Instant, focus: frozenset[str] | None,
        outside: bool, hurry: Hurry,
    ) -> Sequence[Trial]:  # fmt: skip
        """Every deployment of the series from `since` on under both."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictShown:
    """What a deployment is under one set of rules; `rules` are those that decided."""

    type: str
    change_failure: bool | None
    mended_by: str | None
    recovery_time: Duration | None
    rules: tuple[str, ...]
    evidence: tuple[EvidenceShown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceShown:
    """A deployment that would be something else."""

    id: str
    service: str
    env: str | None
    version: str | None
    commit_sha: bytes | None
    finished_at: Instant
    today: VerdictShown
    proposed: VerdictShown


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMissShown:
    """What a rule nearly classified, and why it did not."""

    deployment: str
    service: str
    env: str | None
    version: str | None
    finished_at: Instant
    rule: str
    reason: str
    field: str
    value: str
    pull_request: int | None
    sha: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedShown:
    """Rules against what people said of deployments; a share is `None` with the reason where nothing can be said."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    precision: float | None
    no_precision: str | None
    recall: float | None
    no_recall: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTried:
    """A rule, how many deployments it decides today and as proposed, the latest of these, and how it alone agrees with people.

    `change` is new, changed, gone, or "" for a rule that stays.
    """

    kind: str
    id: str
    field: str
    pattern: str
    enabled: bool
    blame: str
    change: str
    today: int
    proposed: int
    last_at: Instant | None
    overrides: ComparedShown


@dataclass(frozen=True, slots=True, kw_only=True)
class RateShown:
    """Failed deployments of all, by the formula."""

    value: float | None
    failed: int
    deployments: int
    formula: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryShown:
    """Times from a failed deployment to what mended it, in nanoseconds."""

    median: float | None
    mean: float | None
    count: int
    unrecovered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReworkShown:
    """Unplanned deployments of all."""

    value: float | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsTried:
    """The metrics that rules can change, and what they count."""

    deployments: int
    rollbacks: int
    rollforwards: int
    change_failure_rate: RateShown
    failed_deployment_recovery_time: RecoveryShown
    deployment_rework_rate: ReworkShown


@dataclass(frozen=True, slots=True, kw_only=True)
class BothMetrics:
    """The metrics of one service (`None`: of all together) under both sets of rules."""

    service: str | None
    today: MetricsTried
    proposed: MetricsTried


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialAnswer:
    """Everything that was found. `differing` and `nearly` count what `differences` and `near_misses` list (at most `MOST_SHOWN` of)."""

    from_: Instant
    to: Instant
    days: int
    tried: tuple[str, ...]
    """The rules that differ from today's, or were chosen; none: today's rules were asked."""
    pending: int
    """Deployments that are about to be derived again: what they carried may change."""
    paths_searched: bool
    """Whether near misses were looked for among the commits that the path filter leaves out; only of one service."""
    metrics: BothMetrics
    services: tuple[BothMetrics, ...]
    differing: int
    differences: tuple[DifferenceShown, ...]
    nearly: int
    near_misses: tuple[NearMissShown, ...]
    overrides_today: ComparedShown
    overrides: ComparedShown
    rules: tuple[RuleTried, ...]
    yaml: str


def answer_trial(
    reader: Reader, source: TrialSource, question: TrialQuestion, *, hurry: Hurry = lambda: None,
    progress: Callable[[str], None] = lambda _: None, most: int | None = MOST_SHOWN,
) -> TrialAnswer:  # fmt: skip
    """Try what is asked for, newest deployments first. Raises QuestionError for a rule that is none, and what `hurry` raises."""
    proposal = proposal_of(question, source.rules(reader, "", None)[0])
    today, proposed = source.rules(reader, "", proposal)
    focus = changed_rules(today, proposed) | {question.parts.id or ""} - {""}
    window, service = question.window, question.filters.service
    filters = _within(question, window)
    rows = {row.id: row for row in load_deployments(reader, filters) if row.merged_into is None}
    pending = load_pending(reader)
    series = sorted({Series(service=row.service, env=row.env) for row in rows.values()})
    entries: list[_Entry] = []
    for at, one in enumerate(series):
        progress(f"trying the rules: {at} of {len(series)} series")
        hurry()
        trials = source.trials(
            reader, one, proposal, since=window.start, focus=focus or None, outside=service is not None, hurry=hurry
        )
        entries += _entries(reader, trials, rows, window)
    entries.sort(key=lambda entry: (entry.row.finished_at, entry.row.id), reverse=True)
    formulas = question.formula or _formula(today), question.formula or _formula(proposed)
    differences = [entry for entry in entries if entry.trial.differs]
    misses = [miss for entry in entries for miss in entry.near_misses]
    return TrialAnswer(
        from_=window.start,
        to=window.end,
        days=question.days,
        tried=tuple(sorted(focus)),
        pending=sum(row.not_computed(pending) == NotComputed.PENDING for row in rows.values()),
        paths_searched=service is not None,
        metrics=_both(None, entries, window, formulas),
        services=tuple(_both(name, members, window, formulas) for name, members in _by_service(entries)),
        differing=len(differences),
        differences=tuple(entry.shown for entry in differences[:most]),
        nearly=len(misses),
        near_misses=tuple(misses[:most]),
        overrides_today=_compared(confusion((one.trial.told, bool(one.trial.today.blamed_by)) for one in entries)),
        overrides=_compared(confusion((one.trial.told, bool(one.trial.proposed.blamed_by)) for one in entries)),
        rules=tuple(_rules_tried(today, proposed, entries)),
        yaml=write_rules(proposed),
    )


def _within(question: TrialQuestion, window: Window) -> Filters:
    return replace(question.filters, from_at=window.start, to_at=window.end)


def _formula(rules: RuleSet) -> Formula:
    """The formula that the rules' options name; what failures of other sources do to a rate no rule changes."""
    return "all" if rules.options.formula == "incidents" else rules.options.formula


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A deployment under both rules, as metrics see it and as it is shown."""

    row: DeploymentRow
    trial: Trial
    today: Measured
    proposed: Measured

    @property
    def shown(self) -> DifferenceShown:
        """The difference, for people."""
        row = self.row
        return DifferenceShown(
            id=row.id, service=row.service_shown, env=row.env_shown or None, version=row.version or None, commit_sha=row.commit_sha,
            finished_at=row.finished_at, today=_verdict(row.id, self.trial.today, self.today),
            proposed=_verdict(row.id, self.trial.proposed, self.proposed),
        )  # fmt: skip

    @property
    def near_misses(self) -> list[NearMissShown]:
        """What rules nearly made of it."""
        row = self.row
        return [
            NearMissShown(
                deployment=row.id, service=row.service_shown, env=row.env_shown or None, version=row.version or None,
                finished_at=row.finished_at, rule=one.rule, reason=one.reason, field=one.field, value=one.value,
                pull_request=one.number, sha=one.sha,
            )
            for one in self.trial.near_misses
        ]  # fmt: skip


def _entries(reader: Reader, trials: Sequence[Trial], rows: Mapping[str, DeploymentRow], window: Window) -> Iterator[_Entry]:
    finished = {trial.deployment.id: trial.deployment.finished_at for trial in trials}

    def measured(trial: Trial, verdict: Verdict, row: DeploymentRow) -> Measured:
        recovery = None
        if verdict.mended_by is not None:
            at = finished.get(verdict.mended_by) or _finished_at(reader, verdict.mended_by)
            recovery = None if at is None or at < row.finished_at else at - row.finished_at
        return Measured(
            finished_at=row.finished_at, type=verdict.type, failed=verdict.failed, recovery_time=recovery,
            rework=is_rework(verdict.type, row.tags), has_identity=has_identity(trial.deployment) or trial.told is not None,
        )  # fmt: skip

    for trial in trials:
        row = rows.get(trial.deployment.id)
        if row is not None:
            yield _Entry(
                row=row, trial=trial, today=measured(trial, trial.today, row), proposed=measured(trial, trial.proposed, row)
            )


def _finished_at(reader: Reader, id: str) -> Instant | None:
    """When a deployment of another series, or of long ago, finished: a person may name any."""
    row = load_deployment(reader, id)
    return None if row is None else row.finished_at


def _verdict(id: str, verdict: Verdict, measured: Measured) -> VerdictShown:
    return VerdictShown(
        type=verdict.type,
        change_failure=verdict.failed,
        mended_by=verdict.mended_by,
        recovery_time=measured.recovery_time,
        rules=verdict.rules,
        evidence=tuple(
            EvidenceShown(
                deployment=id, target=one.target, type=one.type, rule=one.rule, field=one.field, value=one.value, original=one.original
            )
            for one in verdict.mends
        ),
    )  # fmt: skip


def _by_service(entries: Iterable[_Entry]) -> list[tuple[str, list[_Entry]]]:
    groups: dict[str, list[_Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.row.service, []).append(entry)
    return [(groups[name][0].row.service_shown, groups[name]) for name in sorted(groups)]


def _both(service: str | None, entries: Sequence[_Entry], window: Window, formulas: tuple[Formula, Formula]) -> BothMetrics:
    return BothMetrics(
        service=service,
        today=_metrics([entry.today for entry in entries], window, formulas[0]),
        proposed=_metrics([entry.proposed for entry in entries], window, formulas[1]),
    )


def _metrics(measured: Sequence[Measured], window: Window, formula: Formula) -> MetricsTried:
    found = measure(measured, window=window, formula=formula)
    rate, recovery = found.failure_rate, found.recovery
    types = Counter(one.type for one in measured)
    return MetricsTried(
        deployments=found.deployments,
        rollbacks=types["rollback"],
        rollforwards=types["rollforward"],
        change_failure_rate=RateShown(value=rate.value, failed=rate.failed, deployments=rate.deployments, formula=rate.formula),
        failed_deployment_recovery_time=RecoveryShown(
            median=recovery.median, mean=recovery.mean, count=recovery.count, unrecovered=found.unrecovered
        ),
        deployment_rework_rate=ReworkShown(value=found.rework.value, count=found.rework.count),
    )


def _compared(found: Confusion) -> ComparedShown:
    return ComparedShown(
        true_positives=found.true_positives, false_positives=found.false_positives, false_negatives=found.false_negatives,
        true_negatives=found.true_negatives, precision=found.precision, no_precision=found.no_precision, recall=found.recall,
        no_recall=found.no_recall,
    )  # fmt: skip


def _rules_tried(today: RuleSet, proposed: RuleSet, entries: Sequence[_Entry]) -> Iterator[RuleTried]:
    """The proposed rules in their order, then those that are gone; rules that only definitions know are in no list here."""
    before, after = _listed(today), _listed(proposed)
    decided_today = Counter(rule for entry in entries for rule in set(entry.trial.today.rules))
    decided = Counter(rule for entry in entries for rule in set(entry.trial.proposed.rules))
    stays = {rule.id for _, rule in after}
    for kind, rule in [*after, *(one for one in before if one[1].id not in stays)]:
        id = rule.id
        known = next((one for one in before if one[1].id == id), None)
        change = "gone" if id not in stays else "new" if known is None else "" if known == (kind, rule) else "changed"
        yield RuleTried(
            kind=kind, id=id, field=rule.field, pattern=rule.pattern, enabled=rule.enabled, blame=rule.blame, change=change,
            today=decided_today[id], proposed=decided[id],
            last_at=next((entry.row.finished_at for entry in entries if id in entry.trial.proposed.rules), None),
            overrides=_compared(confusion((one.trial.told, id in one.trial.proposed.blamed_by) for one in entries)),
        )  # fmt: skip


def _listed(rules: RuleSet) -> list[tuple[str, Rule]]:
    return [("linked", rule) for rule in rules.linked] + [("static", rule) for rule in rules.static]
