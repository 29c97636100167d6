"""Counters of what came in and the state of correspondence, for Prometheus; labels are our own slugs, never a sender's words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.answers.health import HookHealth, Waiting, correspondence_waiting, hook_health
from bot.dora.instants import SECOND, Instant
from bot.store import Reader

MOST_HOOKS = 50
"""Hooks with a series of their own: those of an App, a group or the instance, and single projects only while they alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correspondence:
    """What the store says of forges at one instant."""

    at: Instant
    hooks: Sequence[HookHealth]
    waiting: Waiting


def load_correspondence(reader: Reader, now: Instant) -> Correspondence:
    """What `Metrics.render` shows beside its own counters."""
    return Correspondence(at=now, hooks=hook_health(reader, now), waiting=correspondence_waiting(reader, now))


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.deliveries = Counter(
            "rollforward_deliveries",
            "Webhook deliveries and API writes, by source and outcome (stored, known, refused, unavailable).",
            ("source", "outcome"),
            registry=self.registry,
        )
        self.sightings = Counter(
            "rollforward_telemetry_sightings",
            "Versions seen in bodies of telemetry, by outcome (known, stored, or why they were left out).",
            ("outcome",),
            registry=self.registry,
        )
        self.refusals = Counter(
            "rollforward_refusals", "Requests refused, by status and reason.", ("status", "reason"), registry=self.registry
        )

    def render(self, correspondence: Correspondence | None) -> bytes:
        """The text format; without what the store would say if it did not answer."""
        text = generate_latest(self.registry)
        if correspondence is None:
            return text
        registry = CollectorRegistry()
        registry.register(_Figures(correspondence))
        return text + generate_latest(registry)


class _Figures(Collector):
    """Correspondence as metrics."""

    def __init__(self, told: Correspondence) -> None:
        self.told = told

    def collect(self) -> Iterator[Metric]:
        """What Prometheus scrapes."""
        hooks, waiting = self.told.hooks, self.told.waiting
        quiet = GaugeMetricFamily(
            "rollforward_hook_quiet", "1 while a source of webhooks is silent, failing or switched off.", labels=("forge", "hook")
        )
        shown = [hook for hook in hooks if hook.quiet or not hook.id.startswith("project/")]
        for hook in shown[:MOST_HOOKS]:
            quiet.add_metric((hook.forge, hook.id), float(hook.quiet))
        yield quiet
        yield _counter("rollforward_gaps_found", "Deliveries that never reached us.", sum(hook.gaps for hook in hooks))
        yield _counter("rollforward_gaps_repaired", "Those that were had later.", sum(hook.repaired for hook in hooks))
        yield _gauge("rollforward_errands_waiting", "Questions to forges that are due.", waiting.errands)
        yield _gauge("rollforward_outbox_waiting", "Messages to forges that are due.", waiting.messages)
        oldest = 0.0 if waiting.oldest is None else max(self.told.at - waiting.oldest, 0) / SECOND
        yield _gauge("rollforward_correspondence_oldest_seconds", "How long the oldest of both has been due.", oldest)


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(name, about, value=value)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=value)


METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)
