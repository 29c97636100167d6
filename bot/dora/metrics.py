"""The metrics of a group of deployments and failures in a window (semantics §4 headline, §5 formulas, §6, §8).

Rules of this file:
- Percentiles are exact, over the values themselves, interpolated linearly; never an average of averages unless the unit says so.
- What has no value is not a 0: it is left out and counted in `not_counted` under its reason.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Literal

from bot.dora.changes import RangeFlag
from bot.dora.failure_metrics import FailureCounts, MeasuredFailure, comparable, count_failures
from bot.dora.instants import DAY, SECOND, Duration, Instant
from bot.dora.lead_time import STAGES
from bot.dora.reasons import Dropped, NoRestore, NotComputed, NotRemediation, NoValue

Interval = Literal["day", "week", "month"]
Unit = Literal["commit", "deployment"]
Formula = Literal["all", "excluding_rollbacks", "incidents"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Half-open: an instant t lies in it when start <= t < end."""

    start: Instant
    end: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What stands for many durations, in nanoseconds; all `None` when `count` is 0."""

    median: float | None = None
    mean: float | None = None
    p75: float | None = None
    p90: float | None = None
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredChange:
    """One change of a deployment: its lead time and stages (in the order of `STAGES`) in nanoseconds, and why they are absent."""

    lead_time: Duration | None
    stages: tuple[Duration | None, ...]
    absent: tuple[str, ...] = ()
    redeployed: bool = False
    first_delivery: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One deployment as the metrics see it. `type` and `failed` are `None` where unknown; `lost` counts commits by reason.

    `service` and `team` are canonical, "" for none.
    """

    finished_at: Instant
    service: str = ""
    team: str = ""
    type: str | None
    failed: bool | None
    recovery_time: Duration | None = None
    rework: bool = False
    not_computed: str | None = None
    has_identity: bool = True
    changes: tuple[MeasuredChange, ...] = ()
    lost: Mapping[str, int] | None = None
    incomplete: bool = False
    """Whether it may have carried more changes than are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFrequency:
    """Deployments per day of the window; `median_gap` in nanoseconds, `None` below two deployments."""

    per_day: float
    days_with_deployment: int
    median_gap: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadTime:
    """The headline by its unit, and the stages, always by commit. `redeployed` of the `commits` had been deployed before."""

    summary: Summary
    commits: int
    redeployed: int
    stages: Mapping[str, Summary]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRate:
    """`value` is a share (it may exceed 1 by some formulas), `None` without deployments to divide by.

    By the formula `incidents`, `failed` are failure events, and both numbers are of services (else teams) that have both.
    """

    value: float | None
    failed: int
    deployments: int
    formula: Formula


@dataclass(frozen=True, slots=True, kw_only=True)
class Rework:
    """The share of deployments that are rollbacks or rollforwards."""

    value: float | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Time to restore, over the failures that have one; `open` are those that are not over."""

    summary: Summary
    open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The five metrics and time to restore, with what could not be counted by reason."""

    deployments: int
    frequency: DeploymentFrequency
    lead_time: LeadTime
    failure_rate: FailureRate
    recovery: Summary
    unrecovered: int
    rework: Rework
    restore: Restored
    failures: FailureCounts
    incidents: FailureRate
    """By failure events, whatever formula was asked for."""
    not_counted: Mapping[str, int]


def percentile(ordered: Sequence[int], percent: int) -> float:
    """The exact percentile of sorted values, interpolated linearly: the 50th of 1 and 100 is 50.5."""
    below, rest = divmod((len(ordered) - 1) * percent, 100)
    low = ordered[below]
    return low if rest == 0 else low + (ordered[below + 1] - low) * rest / 100


def summarise(values: Iterable[int]) -> Summary:
    """Median, mean, p75, p90 and count of durations in nanoseconds."""
    ordered = sorted(values)
    if not ordered:
        return Summary()
    return Summary(
        median=percentile(ordered, 50),
        mean=sum(ordered) / len(ordered),
        p75=percentile(ordered, 75),
        p90=percentile(ordered, 90),
        count=len(ordered),
    )


def clip(window: Window, *, now: Instant, first_event: Instant | None) -> Window:
    """The part of a window between the first known event and now; empty when there is none."""
    end = min(window.end, now)
    start = window.start if first_event is None else max(window.start, first_event)
    return Window(start=min(start, end), end=end)


def length_in_days(window: Window) -> float:
    """How many days to divide by: never less than one, so that a part of a day is not extrapolated."""
    return max(1.0, (window.end - window.start) / DAY)


def buckets(window: Window, *, interval: Interval | None, tz: tzinfo) -> tuple[Window, ...]:
    """A window cut at local midnights, Mondays or firsts of the month; the outer buckets are what the window leaves of them."""
    if interval is None or window.end <= window.start:
        return (window,)
    edges = [window.start]
    day = _first_day(local_date(window.start, tz), interval)
    while (edge := midnight(day := _next_day(day, interval), tz)) < window.end:
        if edge > edges[-1]:  # Samoa had no 30 December 2011: two midnights at one instant
            edges.append(edge)
    edges.append(window.end)
    return tuple(Window(start=start, end=end) for start, end in pairwise(edges))


def bucket_index(windows: Sequence[Window], at: Instant) -> int:
    """Which of the adjoining windows an instant inside them belongs to."""
    return bisect_right(windows, at, key=lambda window: window.start) - 1


def local_date(at: Instant, tz: tzinfo) -> date:
    """The calendar day of an instant in a time zone."""
    return datetime.fromtimestamp(at // SECOND, tz).date()


def midnight(day: date, tz: tzinfo) -> Instant:
    """The instant at which a calendar day begins in a time zone (daylight saving included)."""
    begin = datetime(day.year, day.month, day.day, tzinfo=tz).astimezone(UTC)
    return int(begin.timestamp()) * SECOND


def _first_day(day: date, interval: Interval) -> date:
    if interval == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if interval == "week" else day


def _next_day(day: date, interval: Interval) -> date:
    if interval == "month":
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day + timedelta(days=7 if interval == "week" else 1)


def is_rework(type_: str | None, tags: Iterable[str]) -> bool:
    """Whether a deployment is unplanned: a detected rollback or rollforward, unless the tag `rework:true|false` says otherwise."""
    tagged = {tag for tag in tags if tag in ("rework:true", "rework:false")}
    if len(tagged) == 1:
        return tagged == {"rework:true"}
    return type_ in ("rollback", "rollforward")


def measure(
    deployments: Sequence[Measured],
    failures: Sequence[MeasuredFailure] = (),
    *,
    window: Window,
    tz: tzinfo = UTC,
    unit: Unit = "commit",
    formula: Formula = "all",
    first_delivery: bool = False,
) -> Metrics:
    """The metrics of what finished (failures: began) in a (clipped) window. A deployment whose source is off counts nowhere."""
    not_counted: Counter[str] = Counter()
    for deployment in deployments:
        if deployment.not_computed is not None:
            not_counted[deployment.not_computed] += 1
        if deployment.incomplete:
            not_counted[RangeFlag.SHALLOW_BOUNDARY] += 1
    counted = [one for one in deployments if one.not_computed != NotComputed.SOURCE_OFF]
    lead_time = _lead_time(counted, unit=unit, first_delivery=first_delivery, not_counted=not_counted)
    failed = [one for one in counted if one.failed]
    recovery = summarise(one.recovery_time for one in failed if one.recovery_time is not None)
    _count_group(counted, failed=failed, lead_time=lead_time, recovery=recovery, not_counted=not_counted)
    restore = _restored(failures, not_counted=not_counted)
    rework = sum(one.rework for one in counted)
    incidents = _incident_rate(counted, failures)
    return Metrics(
        deployments=len(counted),
        frequency=_frequency(counted, window=window, tz=tz),
        lead_time=lead_time,
        failure_rate=incidents if formula == "incidents" else _failure_rate(counted, failed=len(failed), formula=formula),
        recovery=recovery,
        unrecovered=len(failed) - recovery.count,
        rework=Rework(value=rework / len(counted) if counted else None, count=rework),
        restore=restore,
        failures=count_failures(failures),
        incidents=incidents,
        not_counted={reason: not_counted[reason] for reason in sorted(not_counted)},
    )


def _frequency(deployments: Sequence[Measured], *, window: Window, tz: tzinfo) -> DeploymentFrequency:
    instants = sorted(one.finished_at for one in deployments)
    gaps = sorted(later - earlier for earlier, later in pairwise(instants))
    return DeploymentFrequency(
        per_day=len(instants) / length_in_days(window),
        days_with_deployment=len({local_date(at, tz) for at in instants}),
        median_gap=percentile(gaps, 50) if gaps else None,
    )


def _lead_time(
    deployments: Sequence[Measured], *, unit: Unit, first_delivery: bool, not_counted: Counter[str]
) -> LeadTime:
    values: list[int] = []
    means: list[float] = []
    stages: tuple[list[int], ...] = tuple([] for _ in STAGES)
    redeployed = 0
    for deployment in deployments:
        for reason in (Dropped.PATHS_UNKNOWN, Dropped.TRUNCATED):
            if deployment.lost and (lost := deployment.lost.get(reason, 0)):
                not_counted[reason] += lost
        own: list[int] = []
        for change in deployment.changes:
            if first_delivery and not change.first_delivery:
                continue
            reasons = {reason for reason in change.absent if reason}
            if change.lead_time is None:
                reasons.add(Dropped.BAD_DATE)
            else:
                own.append(change.lead_time)
                redeployed += change.redeployed
            not_counted.update(reasons)
            for gathered, stage in zip(stages, change.stages, strict=True):
                if stage is not None:
                    gathered.append(stage)
        if own:
            means.append(sum(own) / len(own))
            values += own
    return LeadTime(
        summary=summarise(values) if unit == "commit" else _summarise_means(means),
        commits=len(values),
        redeployed=redeployed,
        stages={name: summarise(gathered) for name, gathered in zip(STAGES, stages, strict=True)},
    )


def _summarise_means(means: Sequence[float]) -> Summary:
    # Whole nanoseconds keep the interpolation in integers; nobody measures a commit finer than its second.
    return summarise(round(mean) for mean in means)


def _failure_rate(deployments: Sequence[Measured], *, failed: int, formula: Formula) -> FailureRate:
    of = len(deployments)
    if formula == "excluding_rollbacks":
        of -= sum(one.type == "rollback" for one in deployments)
    return FailureRate(value=failed / of if of else None, failed=failed, deployments=of, formula=formula)


def _incident_rate(deployments: Sequence[Measured], failures: Sequence[MeasuredFailure]) -> FailureRate:
    failed, of = comparable(((one.service, one.team) for one in deployments), failures)
    return FailureRate(value=failed / of if of else None, failed=failed, deployments=of, formula="incidents")


def _restored(failures: Sequence[MeasuredFailure], *, not_counted: Counter[str]) -> Restored:
    summary = summarise(one.time_to_restore for one in failures if one.time_to_restore is not None)
    still_open = sum(one.is_open for one in failures)
    for reason, number in (
        (NoValue.NO_FAILURES, int(not failures)),
        (NoRestore.OPEN, still_open),
        (NoRestore.NEVER_ACTIVE, len(failures) - still_open - summary.count),
    ):
        if number:
            not_counted[reason] += number
    return Restored(summary=summary, open=still_open)


def _count_group(
    deployments: Sequence[Measured],
    *,
    failed: Sequence[Measured],
    lead_time: LeadTime,
    recovery: Summary,
    not_counted: Counter[str],
) -> None:
    no_identity = sum(not one.has_identity for one in deployments)
    for reason, number in (
        (NotRemediation.NO_IDENTITY, no_identity),
        (NoValue.NO_DEPLOYMENTS, int(not deployments)),
        (NoValue.NO_CHANGES, int(lead_time.commits == 0)),
        (NoValue.UNRECOVERED, len(failed) - recovery.count),
    ):
        if number:
            not_counted[reason] += number
