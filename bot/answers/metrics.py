"""The metrics by group and bucket, from the store's rows; how each number is made lies in `bot/dora/metrics.py`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bot.answers.encode import Json, to_json
from bot.answers.gathered import Gathered, cut, gather, group, shown_name
from bot.answers.questions import InvalidParameterError, MetricsQuestion
from bot.dora.instants import Instant
from bot.dora.lead_time import STAGES
from bot.dora.metrics import Metrics, Summary, Window, buckets, clip, measure
from bot.dora.sources import DEPLOYMENT_SOURCES, FAILURE_SOURCES
from bot.facts.catalog import load_rules
from bot.facts.sources import load_selection
from bot.store import Reader

MAX_ROWS = 20_000


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
    gathered = gather(reader, question, window)
    return MetricsAnswer(question=question, window=window, rows=tuple(_rows(gathered, question, window)))


def clipped(reader: Reader, question: MetricsQuestion) -> Window:
    """The question's window, clipped to now and to the first known event."""
    from_at, to_at = question.filters.from_at, question.filters.to_at
    asked = Window(start=0 if from_at is None else from_at, end=question.now if to_at is None else to_at)
    return clip(asked, now=question.now, first_event=first_event(reader))


def first_event(reader: Reader) -> Instant | None:
    """The instant of the first deployment or failure that counts, before any filter."""
    selection = load_selection(reader, "deployments")
    on = [source for source in DEPLOYMENT_SOURCES if selection.switch(source).on]
    first = reader.fetch_in("answer_first_event", int, on)
    selection = load_selection(reader, "failures")
    for source in FAILURE_SOURCES:
        switch = selection.switch(source)
        if switch.on and switch.selected_from is not None:
            first += reader.fetch("answer_first_failure", int, source=source, from_at=switch.selected_from)
    return min(first, default=None)


def with_formula(reader: Reader, question: MetricsQuestion) -> MetricsQuestion:
    """The question with its formula decided: as asked, else as the rules' options say."""
    return question if question.formula else replace(question, formula=load_rules(reader).options.formula)


def measure_gathered(gathered: Gathered, question: MetricsQuestion, window: Window) -> Metrics:
    """The metrics of what was gathered, over a clipped window."""
    return measure(
        [entry.measured for entry in gathered.deployments],
        [entry.measured for entry in gathered.failures],
        window=window,
        tz=question.tz,
        unit=question.unit,
        formula=question.formula or "all",
        first_delivery=question.first_delivery,
    )


def _rows(gathered: Gathered, question: MetricsQuestion, window: Window) -> Iterator[MetricsRow]:
    groups = group(gathered, question.group_by, question.filters) if question.group_by else {(): gathered}
    windows = buckets(window, interval=question.interval, tz=question.tz)
    if len(groups) * len(windows) > MAX_ROWS:
        detail = f"The answer would have {len(groups) * len(windows)} rows, more than {MAX_ROWS}: ask for less."
        raise InvalidParameterError("interval", detail)
    for key, members in groups.items():
        shown = {name: shown_name(members, name, value) for name, value in key}
        for bucket, inside in zip(windows, cut(members, windows), strict=True):
            yield MetricsRow(group=shown, window=bucket, metrics=measure_gathered(inside, question, bucket))


def metrics_json(answer: MetricsAnswer) -> dict[str, Json]:
    """The answer in the API's shape."""
    question = answer.question
    whole = {
        "from": answer.window.start,
        "to": answer.window.end,
        "tz": question.tz.key,
        "interval": question.interval,
        "filters": {**(question.filters.echo or {}), **({"severity": question.severity} if question.severity else {})},
        "data": [
            {"group": row.group, "from": row.window.start, "to": row.window.end, **_metrics_json(row.metrics)}
            for row in answer.rows
        ],
    }
    return {name: to_json(value, name=name) for name, value in whole.items()}


def _metrics_json(metrics: Metrics) -> dict[str, object]:
    lead_time, recovery, rate, restore = metrics.lead_time, metrics.recovery, metrics.failure_rate, metrics.restore.summary
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
        "time_to_restore": {
            "median": restore.median,
            "mean": restore.mean,
            "count": restore.count,
            "open": metrics.restore.open,
        },
        "deployment_rework_rate": {"value": metrics.rework.value, "count": metrics.rework.count, "basis": "detected"},
        "failures": metrics.failures,
        "not_counted": metrics.not_counted,
    }


def _spread(summary: Summary) -> dict[str, object]:
    return {"median": summary.median, "mean": summary.mean, "p75": summary.p75, "p90": summary.p90}
