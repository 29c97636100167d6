"""What rules make of the deployments of a window: today's against proposed ones, with the metrics under both.

Rules:
- The rules are tried a series at a time by a `TrialSource` (the pipeline's), as their derivation would; nothing is written.
- A series in which no text of the window is heard by a rule on trial is shown as it is derived: nothing of it can differ.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from bot.answers.deployments import change_failure, recovery_time
from bot.answers.explain import show_evidence
from bot.answers.rows import (
    DeploymentRow,
    Pending,
    load_deployment,
    load_deployments,
    load_pending,
    load_remedies_between,
)
from bot.answers.trial_questions import TrialQuestion, proposal_of
from bot.answers.trial_shown import (
    BothMetrics,
    ComparedShown,
    DifferenceShown,
    MetricsTried,
    NearMissShown,
    RateShown,
    RecoveryShown,
    ReworkShown,
    RuleTried,
    TrialAnswer,
    VerdictShown,
)
from bot.dora.deployments import Series
from bot.dora.instants import Instant
from bot.dora.metrics import Formula, Measured, Window, is_rework, measure
from bot.dora.reasons import NotComputed
from bot.dora.remediation import DeploymentType
from bot.dora.rules import Rule, RuleSet
from bot.dora.series_past import has_identity
from bot.dora.simulation import Confusion, NearMiss, Proposal, Trial, Verdict, changed_rules, confusion
from bot.facts.keys import key_names
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

    def touched(
        self, reader: Reader, proposal: Proposal, /, *, window: Window, service: str, focus: frozenset[str] | None, hurry: Hurry
    ) -> frozenset[Series] | None:
        """The series of which a trial may tell more than what is derived of them; `None`: any."""
        ...

    def trials(
        self, reader: Reader, series: Series, proposal: Proposal, /, *, since: Instant, focus: frozenset[str] | None,
        outside: bool, hurry: Hurry,
    ) -> Sequence[Trial]:  # fmt: skip
        """Every deployment of the series from `since` on under both."""
        ...


def answer_trial(
    reader: Reader, source: TrialSource, question: TrialQuestion, *, hurry: Hurry = lambda: None,
    progress: Callable[[str], None] = lambda _: None, most: int | None = MOST_SHOWN,
) -> TrialAnswer:  # fmt: skip
    """Try what is asked for, newest deployments first. Raises QuestionError for a rule that is none, and what `hurry` raises."""
    proposal = proposal_of(question, source.rules(reader, "", None)[0])
    today, proposed = source.rules(reader, "", proposal)
    focus = changed_rules(today, proposed) | {question.parts.id or ""} - {""}
    window = question.window
    rows = load_deployments(reader, replace(question.filters, from_at=window.start, to_at=window.end))
    pending = load_pending(reader)
    counted = [row for row in rows if row.counted(pending)]
    hurry()
    entries = list(_entries(reader, source, question, proposal, counted, pending, focus or None, hurry, progress))
    entries.sort(key=lambda entry: (entry.row.finished_at, entry.row.id), reverse=True)
    names = key_names(reader)
    formulas = question.formula or _formula(today), question.formula or _formula(proposed)
    differences = [entry for entry in entries if entry.today != entry.proposed]
    misses = [(entry.row, miss) for entry in entries for miss in entry.near_misses]
    return TrialAnswer(
        from_=window.start,
        to=window.end,
        days=question.days,
        tried=tuple(sorted(focus)),
        pending=sum(row.not_computed(pending) == NotComputed.PENDING for row in counted),
        paths_searched=question.filters.service is not None,
        metrics=_both(None, entries, window, formulas),
        services=tuple(_both(name, members, window, formulas) for name, members in _by_service(entries)),
        differing=len(differences),
        differences=tuple(_difference(entry, names) for entry in differences[:most]),
        nearly=len(misses),
        near_misses=tuple(_near_miss(row, miss) for row, miss in misses[:most]),
        overrides_today=_compared(confusion((entry.told, bool(entry.today.blamed_by)) for entry in entries)),
        overrides=_compared(confusion((entry.told, bool(entry.proposed.blamed_by)) for entry in entries)),
        rules=tuple(_rules_tried(today, proposed, entries)),
        yaml=write_rules(proposed),
    )


def _formula(rules: RuleSet) -> Formula:
    """The formula that the rules' options name; what failures of other sources do to a rate no rule changes."""
    return "all" if rules.options.formula == "incidents" else rules.options.formula


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A deployment under both rules, and as the metrics see it."""

    row: DeploymentRow
    today: Verdict
    proposed: Verdict
    measured_today: Measured
    measured: Measured
    near_misses: tuple[NearMiss, ...] = ()
    told: bool | None = None


def _entries(
    reader: Reader, source: TrialSource, question: TrialQuestion, proposal: Proposal, rows: Sequence[DeploymentRow], pending: Pending,
    focus: frozenset[str] | None, hurry: Hurry, progress: Callable[[str], None],
) -> Iterator[_Entry]:  # fmt: skip
    """Every deployment: those of series that a trial may change by trial, the others as they are derived."""
    window, service = question.window, question.filters.service
    series = {Series(service=row.service, env=row.env) for row in rows}
    touched = source.touched(reader, proposal, window=window, service=service or "", focus=focus, hurry=hurry)
    if touched is not None and service is None:
        series &= touched | {Series(service=row.service, env=row.env) for row in rows if _is_unsure(row, pending)}
    yield from _derived(reader, [row for row in rows if Series(service=row.service, env=row.env) not in series], window)
    known = {row.id: row for row in rows}
    for at, one in enumerate(sorted(series)):
        progress(f"trying the rules: {at} of {len(series)} series")
        hurry()
        trials = source.trials(
            reader, one, proposal, since=window.start, focus=focus, outside=service is not None, hurry=hurry
        )
        yield from _tried(reader, trials, known)


def _is_unsure(row: DeploymentRow, pending: Pending) -> bool:
    """Whether what is derived of a deployment may be out of date, or has near misses without a text."""
    if row.type is None or row.not_computed(pending) == NotComputed.PENDING:
        return True
    return row.near_misses not in (None, "[]") and any(value for _, _, value in json.loads(row.near_misses or "[]"))


def _derived(reader: Reader, rows: Sequence[DeploymentRow], window: Window) -> Iterator[_Entry]:
    remedies = load_remedies_between(reader, from_at=window.start, to_at=window.end) if rows else {}
    rules: dict[str, tuple[str, ...]] = {}
    for id, rule in reader.fetch("answer_deciding_rules", _pair, from_at=window.start, to_at=window.end) if rows else ():
        rules[id] = (*rules.get(id, ()), rule)
    for row in rows:
        remedy = remedies.get(row.id)
        failed = change_failure(row, remedy)
        verdict = Verdict(
            type=cast(DeploymentType, row.type or "standard"), failed=failed, mended_by=remedy.id if failed and remedy else None,
            mends=(), flags=(), rules=rules.get(row.id, ()), blamed_by=frozenset(),
        )
        measured = Measured(
            finished_at=row.finished_at, type=row.type, failed=failed, recovery_time=recovery_time(row, remedy), rework=row.rework,
            has_identity=row.has_identity,
        )  # fmt: skip
        yield _Entry(row=row, today=verdict, proposed=verdict, measured_today=measured, measured=measured)


def _tried(reader: Reader, trials: Sequence[Trial], rows: Mapping[str, DeploymentRow]) -> Iterator[_Entry]:
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
                row=row, today=trial.before, proposed=trial.after, measured_today=measured(trial, trial.before, row),
                measured=measured(trial, trial.after, row), near_misses=trial.near_misses, told=trial.told,
            )  # fmt: skip


def _finished_at(reader: Reader, id: str) -> Instant | None:
    """When a deployment of another series, or of long ago, finished: a person may name any."""
    row = load_deployment(reader, id)
    return None if row is None else row.finished_at


def _difference(entry: _Entry, names: Mapping[str, str]) -> DifferenceShown:
    row = entry.row
    return DifferenceShown(
        id=row.id, service=row.service_shown, env=row.env_shown or None, version=row.version or None, commit_sha=row.commit_sha,
        finished_at=row.finished_at, today=_verdict(row.id, entry.today, entry.measured_today, names),
        proposed=_verdict(row.id, entry.proposed, entry.measured, names),
    )  # fmt: skip


def _near_miss(row: DeploymentRow, one: NearMiss) -> NearMissShown:
    return NearMissShown(
        deployment=row.id, service=row.service_shown, env=row.env_shown or None, version=row.version or None,
        finished_at=row.finished_at, rule=one.rule, reason=one.reason, field=one.field, value=one.value, pull_request=one.number,
        sha=one.sha,
    )  # fmt: skip


def _verdict(id: str, verdict: Verdict, measured: Measured, names: Mapping[str, str]) -> VerdictShown:
    return VerdictShown(
        type=verdict.type,
        change_failure=verdict.failed,
        mended_by=verdict.mended_by,
        recovery_time=measured.recovery_time,
        rules=verdict.rules,
        evidence=tuple(show_evidence(id, one, names) for one in verdict.mends),
    )


def _by_service(entries: Iterable[_Entry]) -> list[tuple[str, list[_Entry]]]:
    groups: dict[str, list[_Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.row.service, []).append(entry)
    return [(groups[name][0].row.service_shown, groups[name]) for name in sorted(groups)]


def _both(service: str | None, entries: Sequence[_Entry], window: Window, formulas: tuple[Formula, Formula]) -> BothMetrics:
    return BothMetrics(
        service=service,
        today=_metrics([entry.measured_today for entry in entries], window, formulas[0]),
        proposed=_metrics([entry.measured for entry in entries], window, formulas[1]),
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
    decided_today = Counter(rule for entry in entries for rule in set(entry.today.rules))
    decided = Counter(rule for entry in entries for rule in set(entry.proposed.rules))
    stays = {rule.id for _, rule in after}
    for kind, rule in [*after, *(one for one in before if one[1].id not in stays)]:
        id = rule.id
        known = next((one for one in before if one[1].id == id), None)
        change = "gone" if id not in stays else "new" if known is None else "" if known == (kind, rule) else "changed"
        yield RuleTried(
            kind=kind, id=id, field=rule.field, pattern=rule.pattern, enabled=rule.enabled, blame=rule.blame, change=change,
            today=decided_today[id], proposed=decided[id],
            last_at=next((entry.row.finished_at for entry in entries if id in entry.proposed.rules), None),
            overrides=_compared(confusion((one.told, id in one.proposed.blamed_by) for one in entries)),
        )  # fmt: skip


def _listed(rules: RuleSet) -> list[tuple[str, Rule]]:
    return [("linked", rule) for rule in rules.linked] + [("static", rule) for rule in rules.static]


def _pair(id: str, rule: str) -> tuple[str, str]:
    return id, rule
