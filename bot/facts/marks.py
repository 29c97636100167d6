"""Marks: what has to be derived again, from which instant on."""

import json

from bot.dora.deployments import Series
from bot.dora.instants import Instant
from bot.dora.releases import NEAR
from bot.store import Writer

RULES, INFERENCE, REPOSITORY, REPOSITORIES = "rules", "inference", "repository", "repositories"
EVERY_SERIES = "series"
"""Made by migrations alone: the changes of all series are to be derived again, because they are counted in another way now."""
CHANGES, CLASSIFICATION = "changes", "classification"


def mark(writer: Writer, *, stage: str, key: str, from_at: Instant) -> None:
    """Mark `key` dirty from `from_at` on; an earlier instant of a pending mark stays, its version rises, it is due at once."""
    writer.execute("upsert_mark", stage=stage, key=key, from_at=from_at)


def mark_series(writer: Writer, series: Series, *, from_at: Instant, stage: str = CHANGES) -> None:
    """Mark a series; `CHANGES` implies its classification."""
    mark(writer, stage=stage, key=series_key(series), from_at=from_at)


def mark_deployment(writer: Writer, series: Series, *, started_at: Instant, finished_at: Instant) -> None:
    """Mark what a deployment that came, went or moved may change: from the earliest on that may be the same release."""
    mark_series(writer, series, from_at=max(0, min(started_at, finished_at) - NEAR))


def mark_pull_request(writer: Writer, *, repository_id: int, number: int) -> None:
    """Mark the commits a pull request introduced, and its own flag."""
    mark(writer, stage=REPOSITORY, key=json.dumps([repository_id, number]), from_at=0)


def mark_repository(writer: Writer, repository_id: int) -> None:
    """Mark all pull requests of a repository: one mark, whose instant is the number from which on they are still to be derived."""
    mark(writer, stage=REPOSITORIES, key=json.dumps([repository_id]), from_at=0)


def mark_rules(writer: Writer) -> None:
    """Mark what rules decide: the type of every deployment, the flag of every pull request."""
    mark(writer, stage=RULES, key="[]", from_at=0)


def mark_inference(writer: Writer, *subject: str | int) -> None:
    """Mark the deployments that are inferred from a subject: its kind ("forge", "telemetry") and what names it."""
    mark(writer, stage=INFERENCE, key=json.dumps(subject, ensure_ascii=False), from_at=0)


def series_key(series: Series) -> str:
    """A series as a mark's key."""
    return json.dumps([series.service, series.env], ensure_ascii=False)


def parse_series_key(key: str) -> Series:
    """The series behind a mark's key."""
    service, env = json.loads(key)
    return Series(service=service, env=env)


def outdate_pending(writer: Writer) -> None:
    """A fact about a repository arrived: derivations that are running now read too early, and must not delete their marks."""
    writer.execute("outdate_marks")
