"""Takes one mark after the other and derives what it names."""

import json
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import NamedTuple

import structlog

from bot.dora.changes import Limits
from bot.dora.deployments import Series
from bot.dora.instants import DAY, MINUTE, SECOND, Instant
from bot.facts.marks import (
    CHANGES,
    CLASSIFICATION,
    INFERENCE,
    REPOSITORY,
    mark_inference,
    mark_pull_request,
    mark_series,
    parse_series_key,
)
from bot.pipeline.derive.changes_stage import derive_series_changes
from bot.pipeline.derive.classification_stage import derive_series_classification
from bot.pipeline.derive.difference import Edit, apply, slices
from bot.pipeline.derive.inference_stage import Options, derive_inference, inference_keys, write_inferred
from bot.pipeline.derive.pull_request_stage import Derived, derive_pull_request, record_derived
from bot.pipeline.derive.sources import Sources
from bot.pipeline.history import HistoryCache
from bot.settings import Settings
from bot.store import Reader, Store, Writer

log = structlog.get_logger(__name__)


class Mark(NamedTuple):
    """What is dirty."""

    stage: str
    key: str
    from_at: Instant
    version: int
    attempts: int


class Result(NamedTuple):
    """What a derivation found out: the mark as it was read, rows to edit, and what to mark in turn."""

    mark: Mark
    edits: Sequence[Edit]
    follow: Callable[[Writer], None]
    write: Callable[[Writer, Sequence[Edit]], None] = apply


def limits_of(settings: Settings) -> Limits:
    """The limits of a range as set; 0 lifts a limit."""
    days, commits = settings.lead_time_max_gap_days, settings.lead_time_max_commits
    return Limits(max_gap=days * DAY or None, max_commits=commits or None)


def options_of(settings: Settings) -> Options:
    """What the settings say of inference."""
    return Options(telemetry_silence=settings.telemetry_silence_minutes)


class Deriver:
    """Derives what is marked, one mark at a time."""

    def __init__(
        self,
        store: Store,
        histories: HistoryCache,
        *,
        limits: Limits,
        clock: Callable[[], Instant],
        options: Options = Options(),  # noqa: B008 - a constant
    ) -> None:
        self.store, self.limits, self.clock, self.options = store, limits, clock, options
        self.sources = Sources(histories)

    def derive_next(self) -> bool:
        """Derive the next due mark; False when there is none."""
        due = self.store.read(lambda reader: reader.fetch("due_marks", Mark, now=self.clock(), n=1))
        if not due:
            return False
        try:
            self.derive(due[0])
        except Exception as error:
            # One series that cannot be derived must not stop the others; it is tried again and shown in the meantime.
            log.exception("derivation failed", stage=due[0].stage, key=due[0].key)
            self._postpone(due[0], f"{type(error).__name__}: {error}"[:300])
        return True

    def derive(self, mark: Mark) -> None:
        """Derive one mark; given up silently when it changed meanwhile (it is still there, and comes again)."""
        result = self.store.read(partial(self._compute, mark))
        for part in slices(result.edits, rows=self.store.slice_rows):
            if not self.store.write(partial(_write, result, part), urgent=len(part) < 50):
                return
        self.store.write(partial(_finish, result))

    def _compute(self, due: Mark, reader: Reader) -> Result:
        current = reader.fetch("mark_now", Mark, stage=due.stage, key=due.key)
        if not current:
            return Result(due, (), _nothing)
        mark = current[0]
        if mark.stage == INFERENCE:
            inferred = derive_inference(reader, mark.key, self.options)
            return Result(mark, inferred, _nothing, partial(write_inferred, now=self.clock()))
        if mark.stage == REPOSITORY:
            repository_id, number = json.loads(mark.key)
            derived = derive_pull_request(reader, self.sources, repository_id, number)
            return Result(mark, derived.edits, partial(self._follow_pull_request, derived))
        series = parse_series_key(mark.key)
        if mark.stage == CHANGES:
            edits = derive_series_changes(reader, self.sources, series, from_at=mark.from_at, limits=self.limits)
            return Result(mark, edits, partial(_follow_changes, series, mark.from_at))
        return Result(mark, derive_series_classification(reader, self.sources, series, from_at=mark.from_at), _nothing)

    def _follow_pull_request(self, derived: Derived, writer: Writer) -> None:
        record_derived(writer, derived, now=self.clock())

    def _postpone(self, mark: Mark, error: str) -> None:
        wait = min(SECOND * 2**mark.attempts, 5 * MINUTE)
        self.store.write(
            lambda writer: writer.execute(
                "postpone_mark", stage=mark.stage, key=mark.key, error=error, run_at=self.clock() + wait
            )
        )


def _nothing(_: Writer) -> None:
    """Nothing follows."""


def _follow_changes(series: Series, from_at: Instant, writer: Writer) -> None:
    mark_series(writer, series, from_at=from_at, stage=CLASSIFICATION)


def _write(result: Result, edits: Sequence[Edit], writer: Writer) -> bool:
    if not _holds(writer, result.mark):
        return False
    result.write(writer, edits)
    return True


def _finish(result: Result, writer: Writer) -> None:
    if not _holds(writer, result.mark):
        return
    # First: what follows may outdate all marks that are there.
    writer.execute("delete_mark", stage=result.mark.stage, key=result.mark.key, version=result.mark.version)
    result.follow(writer)


def _holds(writer: Writer, mark: Mark) -> bool:
    return writer.fetch("mark_version", int, stage=mark.stage, key=mark.key) == [mark.version]


def rebuild(store: Store, *, progress: Callable[[str], None]) -> Generator[None, None, dict[str, int]]:
    """Mark everything; the old rows answer until the new ones differ. Derived rows of what is no more go."""

    def work(writer: Writer) -> tuple[int, int]:
        series = writer.fetch("all_series", lambda service, env: Series(service=service, env=env))
        pull_requests = writer.fetch("all_pull_requests", lambda repository_id, number: (repository_id, number))
        inferences = inference_keys(writer)
        for subject in inferences:
            mark_inference(writer, *subject)
        for repository_id, number in pull_requests:
            mark_pull_request(writer, repository_id=repository_id, number=number)
        for one in series:
            mark_series(writer, one, from_at=0, stage=CHANGES)
        for table in ("change_set", "change", "classification", "remediation"):
            writer.execute(f"delete_orphans_{table}")
        return len(series), len(pull_requests)

    series, pull_requests = store.write(work, urgent=False)
    progress(f"{series} series and {pull_requests} pull requests to derive")
    yield
    return {"series": series, "pull_requests": pull_requests}
