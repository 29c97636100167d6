"""What the overview and a service's page show: metrics as cards with trend and comparison, from what was gathered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup

from bot.answers.gathered import Gathered, cut, gather
from bot.answers.metrics import measure_gathered
from bot.answers.questions import MetricsQuestion
from bot.dora.bands import DEFAULT_YEAR, BandMetric, band
from bot.dora.instants import DAY
from bot.dora.metrics import Interval, Metrics, Window, buckets
from bot.store import Reader
from bot.web import words
from bot.web.charts import sparkline

Better = Literal["more", "less"]
_SAME_PERCENT, _SAME_POINTS = 2.5, 0.25
"""Below this a change is not worth a colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One of the metrics: how it is called, read, written and judged, and what it is a number of."""

    name: str
    title: str
    group: Literal["Throughput", "Instability"]
    read: Callable[[Metrics], float | None]
    write: Callable[[float | None], tuple[str, str]]
    better: Better
    band: BandMetric | None
    how: str
    of: Literal["deployments", "failures"] = "deployments"

    def value(self, metrics: Metrics) -> float | None:
        """Its value, `None` without anything that it could be a number of."""
        count = metrics.deployments if self.of == "deployments" else metrics.failures.count
        return self.read(metrics) if count else None


def _duration(value: float | None) -> tuple[str, str]:
    return words.duration(value), ""


def _share(value: float | None) -> tuple[str, str]:
    return words.share(value), ""


KINDS: tuple[Kind, ...] = (
    Kind(
        name="deployment_frequency",
        title="Deployment frequency",
        group="Throughput",
        read=lambda metrics: metrics.frequency.per_day,
        write=words.frequency,
        better="more",
        band="deployment_frequency",
        how="Deployments divided by the days of the period; never extrapolated.",
    ),
    Kind(
        name="change_lead_time",
        title="Change lead time",
        group="Throughput",
        read=lambda metrics: metrics.lead_time.summary.median,
        write=_duration,
        better="less",
        band="change_lead_time",
        how="From a commit's author date to the end of the deployment that carried it; the median over commits.",
    ),
    Kind(
        name="failed_deployment_recovery_time",
        title="Failed deployment recovery time",
        group="Throughput",
        read=lambda metrics: metrics.recovery.median,
        write=_duration,
        better="less",
        band="failed_deployment_recovery_time",
        how="From the end of a failed deployment to the end of the one that mended it; the median.",
    ),
    Kind(
        name="time_to_restore",
        title="Time to restore",
        group="Throughput",
        read=lambda metrics: metrics.restore.summary.median,
        write=_duration,
        better="less",
        band=None,
        how="How long failures lasted that somebody told of (of incidents, how long they were active); the median. "
        "Change failures are found in deployments and count under recovery time alone.",
        of="failures",
    ),
    Kind(
        name="change_failure_rate",
        title="Change failure rate",
        group="Instability",
        read=lambda metrics: metrics.failure_rate.value,
        write=_share,
        better="less",
        band="change_failure_rate",
        how="Deployments that a later one had to mend, divided by all deployments.",
    ),
    Kind(
        name="deployment_rework_rate",
        title="Deployment rework rate",
        group="Instability",
        read=lambda metrics: metrics.rework.value,
        write=_share,
        better="less",
        band=None,
        how="Deployments that are rollbacks or rollforwards, divided by all; detected, unless a tag or a person says otherwise.",
    ),
)

_INCIDENTS = "Failures that somebody told of, divided by the deployments of the services (else teams) that have both; it may exceed 100 %."


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """How a metric moved against the period before: `tone` is good, bad or same."""

    tone: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of what a card says of deployments; `asks` are the parameters that list just those, `None` where there are none to list."""

    text: str
    asks: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One metric, ready to be shown."""

    kind: Kind
    how: str
    value: str
    unit: str
    exact: str
    counted: tuple[Part, ...]
    """What it says of deployments; pages link each part to its list."""
    told: str
    """What it says of failures that somebody told of; pages link it to them."""
    band: str | None
    trend: Markup
    axis: tuple[str, str, str]
    """What stands below the trend: its first day, its step, its last day."""
    delta: Delta | None

    @property
    def detail(self) -> str:
        """What it is a number of."""
        return "; ".join(text for text in ("".join(part.text for part in self.counted), self.told) if text)

    @property
    def asks(self) -> Mapping[str, str] | None:
        """The parameters that list the deployments it is a number of; `None` where there are none."""
        return self.counted[0].asks if self.counted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One step of a trend."""

    name: str
    window: Window
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A group of deployments and failures as its page shows it."""

    metrics: Metrics
    cards: tuple[Card, ...]
    trend: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What happened in a period and in the one before (`None` where it is not known in full), and the buckets of the period."""

    question: MetricsQuestion
    window: Window
    before: Window | None
    windows: tuple[Window, ...]
    gathered: Gathered


def load_scene(reader: Reader, question: MetricsQuestion, window: Window, *, first_event: int | None) -> Scene:
    """Gather a period together with the one before it."""
    length = window.end - window.start
    before = Window(start=max(0, window.start - length), end=window.start)
    known = first_event is not None and first_event <= before.start and length >= DAY
    whole = Window(start=before.start, end=window.end) if known else window
    question = replace(question, interval=question.interval or _interval(length))
    return Scene(
        question=question,
        window=window,
        before=before if known else None,
        windows=buckets(window, interval=question.interval, tz=question.tz),
        gathered=gather(reader, question, whole),
    )


def picture(scene: Scene, gathered: Gathered) -> Picture:
    """The cards of a part of a scene."""
    [now] = cut(gathered, [scene.window])
    metrics = measure_gathered(now, scene.question, scene.window)
    earlier = None
    if scene.before is not None:
        older = cut(gathered, [scene.before, scene.window])[0]
        earlier = measure_gathered(older, scene.question, scene.before)
    trend = tuple(
        Bucket(name=_bucket_name(scene, bucket), window=bucket, metrics=measure_gathered(inside, scene.question, bucket))
        for bucket, inside in zip(scene.windows, cut(now, scene.windows), strict=True)
    )
    return Picture(
        metrics=metrics,
        cards=tuple(_card(kind, metrics, earlier, trend, scene) for kind in KINDS),
        trend=trend,
    )


def _card(kind: Kind, metrics: Metrics, earlier: Metrics | None, trend: Sequence[Bucket], scene: Scene) -> Card:
    value = kind.value(metrics)
    told = kind.name == "change_failure_rate" and scene.question.formula == "incidents"
    text, unit = kind.write(value)
    counted, of_failures = _detail(kind, metrics)
    values = [kind.read(bucket.metrics) for bucket in trend]
    label = f"{kind.title}, {scene.question.interval} by {scene.question.interval}: " + ", ".join(
        " ".join(kind.write(one)).strip() for one in values
    )
    return Card(
        kind=kind,
        how=_INCIDENTS if told else kind.how,
        value=text,
        unit=unit,
        exact=words.exact(value) if kind.write is _duration else "",
        counted=counted,
        told=of_failures,
        band=band(kind.band, value, year=DEFAULT_YEAR) if kind.band and not told else None,
        trend=sparkline(values, label=label),
        axis=(
            words.day(scene.window.start, scene.question.tz),
            f"by {scene.question.interval}",
            words.day(scene.window.end - 1, scene.question.tz),
        ),
        delta=None if earlier is None or value is None else _delta(kind, value, kind.read(earlier), scene),
    )


def _detail(kind: Kind, metrics: Metrics) -> tuple[tuple[Part, ...], str]:
    """What a number is made of: in deployments, and in failures."""
    if kind.of == "failures":
        return ((), _restored(metrics)) if metrics.failures.count else ((Part(text="no failure was told"),), "")
    if kind.name == "change_failure_rate" and metrics.deployments:
        return _failure_rate(metrics)
    return _deployed(kind, metrics), ""


_EACH: Mapping[str, str] = {}
_FAILED = {"change_failure": "true"}


def _deployed(kind: Kind, metrics: Metrics) -> tuple[Part, ...]:
    count = metrics.deployments
    if not count:
        return (Part(text="no deployments"),)
    match kind.name:
        case "deployment_frequency":
            days = f" on {_count(metrics.frequency.days_with_deployment, 'day')}"
            return Part(text=_count(count, "deployment"), asks=_EACH), Part(text=days)
        case "change_lead_time":
            lead_time = metrics.lead_time
            if not lead_time.commits:
                return (Part(text="no commit with a lead time", asks=_EACH),)
            again = f", {lead_time.redeployed} of them redeployed" if lead_time.redeployed else ""
            spread = f"{again}; 90\u00a0% within {words.duration(lead_time.summary.p90)}"
            return Part(text=_count(lead_time.commits, "commit"), asks=_EACH), Part(text=spread)
        case "failed_deployment_recovery_time":
            if not metrics.recovery.count + metrics.unrecovered:
                return (Part(text="nothing failed"),)
            open_ = f", {metrics.unrecovered} not yet" if metrics.unrecovered else ""
            return (Part(text=f"{metrics.recovery.count} recovered{open_}", asks=_FAILED),)
        case _:
            rework = metrics.rework.count
            share = Part(text=f"{rework} of {_count(count, 'deployment')}", asks={"rework": "true"} if rework else None)
            return share, Part(text="; detected, tagged or corrected")


def _failure_rate(metrics: Metrics) -> tuple[tuple[Part, ...], str]:
    rate, events = metrics.failure_rate, metrics.incidents
    told = f"{_count(events.failed, 'failure')} told for {_count(events.deployments, 'deployment')}"
    if rate.formula == "incidents":
        return ((), told) if events.deployments else ((Part(text="no service has both failures and deployments"),), "")
    counted = [Part(text=f"{rate.failed} of {_count(rate.deployments, 'deployment')}", asks=_FAILED if rate.failed else None)]
    if rollbacks := metrics.deployments - rate.deployments:
        counted += [Part(text="; "), Part(text=_count(rollbacks, "rollback"), asks={"type": "rollback"}), Part(text=" left out")]
    return tuple(counted), told if events.deployments else ""


def _restored(metrics: Metrics) -> str:
    restored = f"{metrics.restore.summary.count} of {_count(metrics.failures.count, 'failure')} restored"
    return f"{restored}, {metrics.restore.open} still open" if metrics.restore.open else restored


def _delta(kind: Kind, value: float, before: float | None, scene: Scene) -> Delta | None:
    days = round((scene.window.end - scene.window.start) / DAY)
    period = f"the {_count(days, 'day')} before"
    if before is None or (before == 0 and kind.write is not _share):
        return None
    change = (value - before) * 100 if kind.write is _share else (value - before) / before * 100
    if abs(change) < (_SAME_POINTS if kind.write is _share else _SAME_PERCENT):
        return Delta(tone="same", text=f"about the same as in {period}")
    if kind.write is _share:
        text = f"{abs(change):.1f} points {'higher' if change > 0 else 'lower'}"
    elif change >= 100:
        text = f"{value / before:,.1f} times as {'often' if kind.better == 'more' else 'long'}"
        return Delta(tone=_tone(kind, change), text=f"{text} as in {period}")
    else:
        longer, shorter = ("more often", "less often") if kind.better == "more" else ("slower", "faster")
        text = f"{abs(change):.0f}\u00a0% {longer if change > 0 else shorter}"
    return Delta(tone=_tone(kind, change), text=f"{text} than in {period}")


def _tone(kind: Kind, change: float) -> str:
    return "good" if (change > 0) == (kind.better == "more") else "bad"


def _interval(length: int) -> Interval:
    return "day" if length <= 14 * DAY else "week" if length <= 400 * DAY else "month"


def _bucket_name(scene: Scene, bucket: Window) -> str:
    start, last = words.day(bucket.start, scene.question.tz), words.day(bucket.end - 1, scene.question.tz)
    return start if start == last else f"{start} – {last}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def not_compared(scene: Scene, first_event: int | None) -> str:
    """Why nothing is compared with the period before; empty when it is."""
    if scene.before is not None or first_event is None or scene.window.end - scene.window.start < DAY:
        return ""
    days = round((scene.window.end - scene.window.start) / DAY)
    since = words.date(first_event, scene.question.tz)
    return f"Not compared with the {_count(days, 'day')} before: they are not known in full; the first event is of {since}."


def not_counted(metrics: Metrics) -> list[tuple[int, str, str]]:
    """(how many, slug, in words) of what has no value; what concerns the group as a whole comes last, without a number."""
    whole = ("no_deployments", "no_changes", "no_failures")
    rows = [(count, slug, words.reason(slug)) for slug, count in metrics.not_counted.items() if slug not in whole]
    rows.sort(key=lambda row: (-row[0], row[1]))
    return rows
