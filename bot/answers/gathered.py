"""The deployments and failures that metrics are made of: read from the store, grouped, and cut into buckets.

Rules: the filter `source` and the group `source` speak of deployments, whose sources are others than those of failures: that filter leaves
failures as they are, and by that group they stand under `null`. The filter `severity` concerns failures alone. A failure with several
services (teams, envs) counts once in the group of each, and once in a group that holds several of them. A group of deployments that do not count, and no failures, is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from bot.answers.deployments import change_failure, recovery_time
from bot.answers.failures import EVERYTHING, FailureRow, stream_failures
from bot.answers.questions import Filters, MetricsQuestion
from bot.answers.rows import DeploymentRow, load_deployments, load_pending, load_remedies_between
from bot.dora.changes import COMPUTED, RangeFlag
from bot.dora.failure_metrics import MeasuredFailure
from bot.dora.failures import State
from bot.dora.metrics import Measured, MeasuredChange, Window, bucket_index
from bot.dora.reasons import NotComputed
from bot.store import Reader

Group = tuple[tuple[str, str | None], ...]
"""The values of the names that were grouped by; an env that was not given is `None`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A deployment with what the metrics need of it."""

    row: DeploymentRow
    measured: Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureEntry:
    """A failure with what the metrics need of it."""

    row: FailureRow
    measured: MeasuredFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a question's metrics are made of, or the part of it that belongs to a group or bucket; newest first."""

    deployments: list[Entry] = field(default_factory=list)
    failures: list[FailureEntry] = field(default_factory=list)


def gather(reader: Reader, question: MetricsQuestion, window: Window) -> Gathered:
    """The deployments and failures of a window that match the question's filters."""
    return Gathered(
        deployments=_gather_deployments(reader, question, window), failures=_gather_failures(reader, question, window)
    )


def _gather_failures(reader: Reader, question: MetricsQuestion, window: Window) -> list[FailureEntry]:
    filters = replace(question.filters, from_at=window.start, to_at=window.end, source=None)
    rows = stream_failures(reader, filters, severity=question.severity, chunk=EVERYTHING)
    return [FailureEntry(row=row, measured=_measured_failure(row)) for row in rows]


def _measured_failure(row: FailureRow) -> MeasuredFailure:
    return MeasuredFailure(
        started_at=row.started_at,
        services=row.said.named,
        teams=row.said.owners,
        has_env=bool(row.said.envs),
        time_to_restore=row.time_to_restore,
        is_open=row.time_to_restore is None and row.state != State.RESOLVED,
    )


def _gather_deployments(reader: Reader, question: MetricsQuestion, window: Window) -> list[Entry]:
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
            service=row.service,
            team=_canonical(row.team),
            type=row.type,
            failed=change_failure(row, remedy),
            recovery_time=recovery_time(row, remedy),
            rework=row.rework,
            not_computed=not_computed,
            has_identity=row.has_identity or row.failed is not None,
            changes=() if not_computed == NotComputed.PENDING else tuple(changes.get(row.id, ())),
            lost=row.dropped_counts,
            incomplete=not_computed in COMPUTED and RangeFlag.SHALLOW_BOUNDARY in row.flags,
        )
        entries.append(Entry(row=row, measured=measured))
    return entries


def group(gathered: Gathered, names: Sequence[str], filters: Filters) -> dict[Group, Gathered]:
    """What was gathered by the values of `names`, in the order of these values (what is not given comes first)."""
    groups: dict[Group, Gathered] = {}
    for entry in gathered.deployments:
        key = tuple((name, _value(entry.row, name)) for name in names)
        groups.setdefault(key, Gathered()).deployments.append(entry)
    for failure in gathered.failures:
        for values in product(*(_failure_values(failure.row, name, filters) for name in names)):
            groups.setdefault(tuple(zip(names, values, strict=True)), Gathered()).failures.append(failure)
    return {key: groups[key] for key in sorted(groups, key=_order) if groups[key].failures or last_counted(groups[key])}


def last_counted(members: Gathered) -> Entry | None:
    """The newest deployment whose source is on."""
    return next((entry for entry in members.deployments if entry.measured.not_computed != NotComputed.SOURCE_OFF), None)


def cut(gathered: Gathered, windows: Sequence[Window]) -> list[Gathered]:
    """What was gathered by the adjoining windows that it belongs to; what began or finished before them is left out."""
    parts = [Gathered() for _ in windows]
    for entry in gathered.deployments:
        if entry.row.finished_at >= windows[0].start:
            parts[bucket_index(windows, entry.row.finished_at)].deployments.append(entry)
    for failure in gathered.failures:
        if failure.row.started_at >= windows[0].start:
            parts[bucket_index(windows, failure.row.started_at)].failures.append(failure)
    return parts


def shown_name(members: Gathered, name: str, value: str | None) -> str | None:
    """A group's name as it was first written."""
    if value is None or name not in ("service", "team", "env"):
        return value
    if members.deployments:
        first = min((entry.row for entry in members.deployments), key=lambda row: (row.received_at, row.id))
        if name == "service":
            return first.defined_name or first.service_shown
        return first.team.strip() if name == "team" else first.env_shown
    told = min((entry.row for entry in members.failures), key=lambda row: (row.received_at, row.id, row.source))
    spellings = {"service": told.services_shown, "team": told.teams, "env": told.envs_shown}[name]
    return next((spelling.strip() for spelling in spellings if _canonical(spelling) == value), value)


def _value(row: DeploymentRow, name: str) -> str | None:
    values = {
        "service": row.service,
        "team": _canonical(row.team),
        "env": row.env,
        "repository": row.repository,
        "source": row.source,
    }
    return values[name] or None


def _failure_values(row: FailureRow, name: str, filters: Filters) -> Sequence[str | None]:
    """The groups by `name` that a failure belongs to; of its several services, teams or envs those that were asked for."""
    if name == "service":
        values, asked = row.services, None if filters.service is None else frozenset({filters.service})
    elif name == "team":
        teams = tuple(dict.fromkeys(map(_canonical, row.teams)))
        values, asked = teams, None if filters.team is None else frozenset({filters.team})
    elif name == "env":
        values, asked = row.envs, filters.envs
    else:
        values, asked = (row.repository if name == "repository" else "",), None
    return [value or None for value in values or ("",) if asked is None or value in asked]


def _canonical(team: str) -> str:
    return team.strip().lower()


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
