"""Takes one mark after the other and derives what it names."""

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from typing import Any, NamedTuple, TypeVar

import structlog

from bot.dora.changes import Limits
from bot.dora.deployments import Series
from bot.dora.instants import DAY, MINUTE, SECOND, Instant
from bot.facts.marks import (
    CHANGES,
    CLASSIFICATION,
    EVERY_SERIES,
    INFERENCE,
    REPOSITORIES,
    REPOSITORY,
    RULES,
    mark_inference,
    mark_pull_request,
    mark_repository,
    mark_series,
    parse_series_key,
)
from bot.pipeline.derive.changes_stage import derive_series_changes
from bot.pipeline.derive.classification_stage import derive_series_classification
from bot.pipeline.derive.difference import apply, slices
from bot.pipeline.derive.inference_stage import Options, derive_inference, inference_keys, write_inferred
from bot.pipeline.derive.pull_request_stage import Derived, derive_pull_request, record_derived
from bot.pipeline.derive.sources import Sources
from bot.pipeline.history import HistoryCache
from bot.settings import Settings
from bot.store import Reader, Store, Value, Writer

T = TypeVar("T")

log = structlog.get_logger(__name__)

AT_ONCE = 100
"""Pull requests of a repository that one step of its mark derives."""
TOGETHER = 50
"""Pull requests with marks of their own that are derived in one step: each transaction waits for the disk."""


class Mark(NamedTuple):
    """What is dirty."""

    stage: str
    key: str
    from_at: Instant
    version: int
    attempts: int


class Result(NamedTuple):
    """What a derivation found out: the mark as it was read, rows to edit, what to mark in turn, and where it goes on (`None`: done)."""

    mark: Mark
    edits: Sequence[object]
    follow: Callable[[Writer], None]
    write: Callable[[Writer, Sequence[Any]], None] = apply
    again_from: Instant | None = None
    pull_requests: Sequence[Derived] = ()


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
        self._others_from: Instant = 0

    def derive_next(self) -> bool:
        """Derive the next due mark, or the next few pull requests; False when there is none."""
        due = self.store.read(lambda reader: reader.fetch("due_marks", Mark, now=self.clock(), n=TOGETHER))
        together = list(takewhile(lambda mark: mark.stage == REPOSITORY, due))
        if len(together) < 2 or not self._derive_together(together):
            for mark in together or due[:1]:
                self._derive_or_postpone(mark)
        if together:
            self._let_others_in()
        return bool(due)

    def _let_others_in(self) -> None:
        """Pull requests may go on coming: what else waits gets about a quarter of the time."""
        begun = self.clock()
        if begun < self._others_from:
            return
        for mark in self.store.read(lambda reader: reader.fetch("due_others", Mark, now=begun)):
            self._derive_or_postpone(mark)
        ended = self.clock()
        self._others_from = ended + 3 * (ended - begun)

    def _derive_or_postpone(self, mark: Mark) -> None:
        try:
            self.derive(mark)
        except Exception as error:
            # One series that cannot be derived must not stop the others; it is tried again and shown in the meantime.
            log.exception("derivation failed", stage=mark.stage, key=mark.key)
            if mark.stage == REPOSITORIES:
                self.store.write(partial(self._one_by_one, mark))
            else:
                self._postpone(mark, f"{type(error).__name__}: {error}"[:300])

    def _one_by_one(self, mark: Mark, writer: Writer) -> None:
        """Mark the next pull requests of a repository each: one of them cannot be derived."""
        (repository_id,) = json.loads(mark.key)
        numbers = writer.fetch("pull_request_numbers", int, repository_id=repository_id, number=mark.from_at, n=AT_ONCE)
        for number in numbers:
            mark_pull_request(writer, repository_id=repository_id, number=number)
        after = numbers[-1] + 1 if numbers else mark.from_at
        writer.execute("advance_mark", stage=mark.stage, key=mark.key, version=mark.version, from_at=after)

    def derive(self, mark: Mark) -> None:
        """Derive one mark; given up silently when it changed meanwhile (it is still there, and comes again)."""
        result = self.store.read(partial(self._compute, mark))
        parts = list(slices(result.edits, rows=self.store.slice_rows))
        for part in parts[:-1]:
            if not self.store.write(partial(_write, result, part), urgent=False):
                return
        last = parts[-1] if parts else ()
        self.store.write(partial(self._finish, [result._replace(edits=last)]), urgent=len(last) < 50)

    def _derive_together(self, marks: Sequence[Mark]) -> bool:
        """Derive pull requests, as many as one transaction takes; whether it could be done."""
        try:
            results = self.store.read(lambda reader: self._fill((self._compute(mark, reader) for mark in marks), _rows_of))
            self.store.write(partial(self._finish, results), urgent=sum(map(_rows_of, results)) < 50)
        except Exception as error:  # noqa: BLE001 - derived one by one it is seen which it was
            log.warning("pull requests are derived one by one", error=type(error).__name__)
            return False
        return True

    def _fill(self, found: Iterator[T], rows_of: Callable[[T], int]) -> list[T]:
        """As many of these as fill a transaction, one at least."""
        taken, rows = [], 0
        for one in found:
            taken.append(one)
            rows += rows_of(one)
            if rows >= self.store.slice_rows:
                break
        return taken

    def _compute(self, due: Mark, reader: Reader) -> Result:
        current = reader.fetch("mark_now", Mark, stage=due.stage, key=due.key)
        if not current:
            return Result(due, (), _nothing)
        mark = current[0]
        if mark.stage == INFERENCE:
            inferred = derive_inference(reader, mark.key, self.options)
            return Result(mark, inferred, _nothing, partial(write_inferred, now=self.clock()))
        if mark.stage == RULES:
            repositories = partial(_mark_repositories, _with_pull_requests(reader))
            return Result(mark, _all_series(reader), repositories, partial(_mark_all, CLASSIFICATION))
        if mark.stage == EVERY_SERIES:
            return Result(mark, _all_series(reader), _nothing, partial(_mark_all, CHANGES))
        if mark.stage in {REPOSITORY, REPOSITORIES}:
            return self._pull_requests(mark, reader)
        series = parse_series_key(mark.key)
        if mark.stage == CHANGES:
            edits = derive_series_changes(reader, self.sources, series, from_at=mark.from_at, limits=self.limits)
            return Result(mark, edits, partial(_follow_changes, series, mark.from_at))
        return Result(mark, derive_series_classification(reader, self.sources, series, from_at=mark.from_at), _nothing)

    def _pull_requests(self, mark: Mark, reader: Reader) -> Result:
        """One pull request, or the next ones of a whole repository."""
        repository_id, *numbers = json.loads(mark.key)
        if numbers:
            found = [derive_pull_request(reader, self.sources, repository_id, numbers[0])]
            again_from = None
        else:
            numbers = reader.fetch("pull_request_numbers", int, repository_id=repository_id, number=mark.from_at, n=AT_ONCE)
            every = (derive_pull_request(reader, self.sources, repository_id, number) for number in numbers)
            found = self._fill(every, lambda derived: len(derived.edits))
            again_from = found[-1].number + 1 if len(found) < len(numbers) or len(numbers) == AT_ONCE else None
        edits = [edit for derived in found for edit in derived.edits]
        return Result(mark, edits, _nothing, again_from=again_from, pull_requests=found)

    def _finish(self, results: Sequence[Result], writer: Writer) -> None:
        """Write what is left of these derivations and take their marks away."""
        held = [result for result in results if _holds(writer, result.mark)]
        for result in held:
            result.write(writer, result.edits)
        for result in held:
            # First: what follows may outdate all marks that are there.
            mark: dict[str, Value] = {"stage": result.mark.stage, "key": result.mark.key, "version": result.mark.version}
            if result.again_from is None:
                writer.execute("delete_mark", **mark)
            else:
                writer.execute("advance_mark", **mark, from_at=result.again_from)
        for result in held:
            result.follow(writer)
            for derived in result.pull_requests:
                record_derived(writer, derived, now=self.clock())

    def _postpone(self, mark: Mark, error: str) -> None:
        wait = min(SECOND * 2**mark.attempts, 5 * MINUTE)
        self.store.write(
            lambda writer: writer.execute(
                "postpone_mark", stage=mark.stage, key=mark.key, error=error, run_at=self.clock() + wait
            )
        )


def _rows_of(result: Result) -> int:
    return len(result.edits)


def _nothing(_: Writer) -> None:
    """Nothing follows."""


def _follow_changes(series: Series, from_at: Instant, writer: Writer) -> None:
    mark_series(writer, series, from_at=from_at, stage=CLASSIFICATION)


def _with_pull_requests(reader: Reader) -> dict[int, int]:
    return dict(reader.fetch("repositories_with_pull_requests", lambda repository_id, n: (repository_id, n)))


def _mark_repositories(repositories: Iterable[int], writer: Writer) -> None:
    for repository_id in repositories:
        mark_repository(writer, repository_id)


def _all_series(reader: Reader) -> list[Series]:
    return reader.fetch("all_series", lambda service, env: Series(service=service, env=env))


def _mark_all(stage: str, writer: Writer, series: Sequence[Series]) -> None:
    for one in series:
        mark_series(writer, one, from_at=0, stage=stage)


def _write(result: Result, edits: Sequence[object], writer: Writer) -> bool:
    if not _holds(writer, result.mark):
        return False
    result.write(writer, edits)
    return True


def _holds(writer: Writer, mark: Mark) -> bool:
    return writer.fetch("mark_version", int, stage=mark.stage, key=mark.key) == [mark.version]


def rebuild(store: Store, *, progress: Callable[[str], None]) -> Generator[None, None, dict[str, int]]:
    """Mark everything; the old rows answer until the new ones differ. Derived rows of what is no more go."""
    series = store.read(_all_series)
    repositories = store.read(_with_pull_requests)
    for subjects in slices(store.read(inference_keys), rows=store.slice_rows):
        store.write(partial(_mark_subjects, subjects), urgent=False)
        yield
    store.write(partial(_mark_repositories, repositories), urgent=False)
    for some in slices(series, rows=store.slice_rows):
        store.write(partial(_mark_all, CHANGES, series=some), urgent=False)
        yield
    for table in ("change_set", "change", "classification", "remediation"):
        orphans = store.read(lambda reader, name=f"orphans_{table}": reader.fetch(name, str))  # type: ignore[misc]
        for gone in slices(orphans, rows=store.slice_rows):
            rows = [{"deployment_id": id} for id in gone]
            store.write(lambda writer, n=f"delete_orphans_{table}", r=rows: writer.execute_many(n, r), urgent=False)  # type: ignore[misc]
            yield
    pull_requests = sum(repositories.values())
    progress(f"{len(series)} series and {pull_requests} pull requests to derive")
    yield
    return {"series": len(series), "pull_requests": pull_requests}


def _mark_subjects(subjects: Sequence[tuple[str | int, ...]], writer: Writer) -> None:
    for subject in subjects:
        mark_inference(writer, *subject)
