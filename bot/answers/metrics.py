"""The five metrics by group and bucket, from the store's rows; how each number is made lies in `bot/dora/metrics.py`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.answers.deployments import change_failure, recovery_time
from bot.answers.encode import Json, to_json
from bot.answers.questions import InvalidParameterError, MetricsQuestion
from bot.answers.rows import DeploymentRow, load_deployments, load_pending, load_remedies_between
from bot.dora.instants import Instant
from bot.dora.lead_time import STAGES
from bot.dora.metrics import (
    Measured,
    MeasuredChange,
    Metrics,
    Summary,
    Window,
    bucket_index,
    buckets,
    clip,
    measure,
)
from bot.dora.reasons import NotComputed
from bot.dora.sources import DEPLOYMENT_SOURCES
from bot.facts.catalog import load_rules
from bot.facts.sources import load_selection
from bot.store import Reader

MAX_ROWS = 20_000

Group = tuple[tuple[str, str | None], ...]
"""The values of the names that were grouped by; an env that was not given is `None`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A deployment with what the metrics need of it."""

    row: DeploymentRow
    measured: Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsRow:
    """The metrics of one group in one bucket."""

    group: Mapping[str, str | None]
    window: Window
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsAnswer:
    """All groups and buckets, groups in the order of their names, buckets in time."""

    question: MetricsQuestion
    window: Window
    rows: tuple[MetricsRow, ...]


def answer_metrics(reader: Reader, question: MetricsQuestion) -> MetricsAnswer:
    """The metrics that were asked for. Raises QuestionError when the answer would have too many rows."""
    window = clipped(reader, question)
    question = with_formula(reader, question)
    entries = gather(reader, question, window)
    return MetricsAnswer(question=question, window=window, rows=tuple(_rows(entries, question, window)))


def clipped(reader: Reader, question: MetricsQuestion) -> Window:
    """The question's window, clipped to now and to the first known event."""
    from_at, to_at = question.filters.from_at, question.filters.to_at
    asked = Window(start=0 if from_at is None else from_at, end=question.now if to_at is None else to_at)
    return clip(asked, now=question.now, first_event=first_event(reader))


def first_event(reader: Reader) -> Instant | None:
    """The instant of the first known event, before any filter."""
    selection = load_selection(reader, "deployments")
    on = [source for source in DEPLOYMENT_SOURCES if selection.switch(source).on]
    return next(iter(reader.fetch_in("answer_first_event", int, on)), None)


def with_formula(reader: Reader, question: MetricsQuestion) -> MetricsQuestion:
    """The question with its formula decided: as asked, else as the rules' options say."""
    return question if question.formula else replace(question, formula=load_rules(reader).options.formula)


def gather(reader: Reader, question: MetricsQuestion, window: Window) -> list[Entry]:
    """The deployments of a window that match the question's filters, with their changes; newest first."""
    filters = replace(question.filters, from_at=window.start, to_at=window.end)
    rows = load_deployments(reader, filters)
    pending = load_pending(reader)
    remedies = load_remedies_between(reader, from_at=window.start, to_at=window.end)
    changes = _load_changes(reader, window, service=filters.service or "", wanted={row.id for row in rows})
    entries = []
    for row in rows:
        if row.merged_into is not None:
            continue
        not_computed, remedy = row.not_computed(pending), remedies.get(row.id)
        measured = Measured(
            finished_at=row.finished_at,
            type=row.type,
            failed=change_failure(row, remedy),
            recovery_time=recovery_time(row, remedy),
            rework=row.rework,
            not_computed=not_computed,
            has_identity=row.has_identity or row.failed is not None,
            changes=() if not_computed == NotComputed.PENDING else tuple(changes.get(row.id, ())),
            lost=row.dropped_counts,
        )
        entries.append(Entry(row=row, measured=measured))
    return entries


def measure_entries(entries: Iterable[Entry], question: MetricsQuestion, window: Window) -> Metrics:
    """The metrics of some gathered deployments over a clipped window."""
    return measure(
        [entry.measured for entry in entries],
        window=window,
        tz=question.tz,
        unit=question.unit,
        formula=question.formula or "all",
        first_delivery=question.first_delivery,
    )


def group_entries(entries: Iterable[Entry], names: Sequence[str]) -> dict[Group, list[Entry]]:
    """Entries by the values of `names`, in the order of these values (what is not given comes first)."""
    groups: dict[Group, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(tuple((name, _value(entry.row, name)) for name in names), []).append(entry)
    return {group: groups[group] for group in sorted(groups, key=_order)}


def _rows(entries: Sequence[Entry], question: MetricsQuestion, window: Window) -> Iterator[MetricsRow]:
    groups = group_entries(entries, question.group_by)
    if not question.group_by:
        groups.setdefault((), [])
    windows = buckets(window, interval=question.interval, tz=question.tz)
    if len(groups) * len(windows) > MAX_ROWS:
        detail = f"The answer would have {len(groups) * len(windows)} rows, more than {MAX_ROWS}: ask for less."
        raise InvalidParameterError("interval", detail)
    for group, members in groups.items():
        shown = {name: _shown(members, name, value) for name, value in group}
        cut: list[list[Entry]] = [[] for _ in windows]
        for entry in members:
            cut[bucket_index(windows, entry.row.finished_at)].append(entry)
        for bucket, inside in zip(windows, cut, strict=True):
            yield MetricsRow(group=shown, window=bucket, metrics=measure_entries(inside, question, bucket))


def _value(row: DeploymentRow, name: str) -> str | None:
    values = {
        "service": row.service,
        "team": row.team.strip().lower(),
        "env": row.env,
        "repository": row.repository,
        "source": row.source,
    }
    return values[name] or None


def _shown(members: Sequence[Entry], name: str, value: str | None) -> str | None:
    """A group's name as it was first written."""
    if value is None or name not in ("service", "team", "env"):
        return value
    first = min((entry.row for entry in members), key=lambda row: (row.received_at, row.id))
    if name == "service":
        return first.defined_name or first.service_shown
    return first.team.strip() if name == "team" else first.env_shown


def _order(group: Group) -> tuple[str, ...]:
    return tuple(value or "" for _, value in group)


def _load_changes(
    reader: Reader, window: Window, *, service: str, wanted: set[str]
) -> dict[str, list[MeasuredChange]]:
    changes: dict[str, list[MeasuredChange]] = {}
    rows = reader.stream("answer_changes_between", _change, from_at=window.start, to_at=window.end, service=service)
    for deployment_id, change in rows:
        if deployment_id in wanted:
            changes.setdefault(deployment_id, []).append(change)
    return changes


def _change(
    deployment_id: str,
    lead_time: int | None,
    time_to_pr_ready: int | None,
    review_time: int | None,
    merge_time: int | None,
    time_to_deploy: int | None,
    deploy_time: int | None,
    absent: str,
    redeployed: int,
    first_delivery: int,
) -> tuple[str, MeasuredChange]:
    return deployment_id, MeasuredChange(
        lead_time=lead_time,
        stages=(time_to_pr_ready, review_time, merge_time, time_to_deploy, deploy_time),
        absent=tuple(absent.split(",")),
        redeployed=bool(redeployed),
        first_delivery=bool(first_delivery),
    )


def metrics_json(answer: MetricsAnswer) -> dict[str, Json]:
    """The answer in the API's shape."""
    question = answer.question
    whole = {
        "from": answer.window.start,
        "to": answer.window.end,
        "tz": question.tz.key,
        "interval": question.interval,
        "filters": question.filters.echo or {},
        "data": [
            {"group": row.group, "from": row.window.start, "to": row.window.end, **_metrics_json(row.metrics)}
            for row in answer.rows
        ],
    }
    return {name: to_json(value, name=name) for name, value in whole.items()}


def _metrics_json(metrics: Metrics) -> dict[str, object]:
    lead_time, recovery, rate = metrics.lead_time, metrics.recovery, metrics.failure_rate
    return {
        "deployments": metrics.deployments,
        "deployment_frequency": {
            "per_day": metrics.frequency.per_day,
            "days_with_deployment": metrics.frequency.days_with_deployment,
            "median_gap": metrics.frequency.median_gap,
        },
        "change_lead_time": {
            **_spread(lead_time.summary),
            "commits": lead_time.commits,
            "redeployed": lead_time.redeployed,
            "stages": {
                name: {**_spread(lead_time.stages[name]), "commits": lead_time.stages[name].count} for name in STAGES
            },
        },
        "change_failure_rate": {
            "value": rate.value,
            "failed": rate.failed,
            "deployments": rate.deployments,
            "formula": rate.formula,
        },
        "failed_deployment_recovery_time": {
            "median": recovery.median,
            "mean": recovery.mean,
            "count": recovery.count,
            "unrecovered": metrics.unrecovered,
        },
        "time_to_restore": {"median": None, "mean": None, "count": 0, "open": 0},
        "deployment_rework_rate": {"value": metrics.rework.value, "count": metrics.rework.count, "basis": "detected"},
        "not_counted": metrics.not_counted,
    }


def _spread(summary: Summary) -> dict[str, object]:
    return {"median": summary.median, "mean": summary.mean, "p75": summary.p75, "p90": summary.p90}
