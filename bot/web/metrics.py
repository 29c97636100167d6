"""Counters of what came in, for Prometheus; labels are our own slugs, never a sender's words."""

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, generate_latest


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
        self.refusals = Counter(
            "rollforward_refusals", "Requests refused, by status and reason.", ("status", "reason"), registry=self.registry
        )

    def render(self) -> bytes:
        """The text format."""
        return generate_latest(self.registry)


METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)
