"""Backfill out of forges: the pull requests of all repositories that we may read, with reviews and times in draft; their issues.

Rules: each repository is an errand of its own, so the organisations take turns, an interruption repeats one page, and one
repository that refuses keeps no other from being read.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bot.dora.instants import Instant
from bot.facts.errands import ISSUES, NEVER, PULL_REQUESTS, REFUSED, REPOSITORIES, find_errands, owner_of, want_errand
from bot.facts.repositories import RepositoryRow
from bot.facts.sources import load_selection
from bot.store import Reader, Writer

HOPELESS = 3
"""An errand that failed so often is told as failed to whoever waits for it; it is tried on all the same."""


class _Readable(NamedTuple):
    id: int
    name: str
    forge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far errands are: pull requests (or issues) recorded, how many there are as far as forges say, and what keeps some from ending."""

    done: int
    total: int
    waiting: int
    errors: tuple[tuple[str, str], ...]
    """(errand's key, what is wrong) of those that will not end soon."""
    paused: str
    """What the others wait for, "" while they do not."""


def wish_for_repositories(writer: Writer, forges: Collection[str], *, now: Instant) -> list[str]:
    """Ask what may be read; the errands' keys."""
    return [want_errand(writer, kind=REPOSITORIES, forge=forge, owner="", now=now) for forge in sorted(forges)]


def wish_for_pull_requests(
    writer: Writer, forges: Collection[str], *, repository: str | None, since: Instant | None, now: Instant
) -> dict[str, str]:
    """Ask for the pull requests of a repository, or of all that may be read; repositories' names by errand."""
    return _wish_for(PULL_REQUESTS, writer, forges, repository=repository, since=since, now=now)


def wish_for_issues(
    writer: Writer, forges: Collection[str], *, repository: str | None = None, since: Instant | None = None, now: Instant
) -> dict[str, str]:
    """The same for issues and incidents."""
    return _wish_for(ISSUES, writer, forges, repository=repository, since=since, now=now)


def issue_sources(reader: Reader, forges: Collection[str]) -> tuple[str, ...]:
    """Those of the forges whose issues are a source of failures that is on."""
    selection = load_selection(reader, "failures")
    return tuple(forge for forge in sorted(forges) if selection.switch(forge).on)


def _wish_for(
    kind: str, writer: Writer, forges: Collection[str], *, repository: str | None, since: Instant | None, now: Instant
) -> dict[str, str]:
    rows = writer.fetch("repositories_readable", _Readable)
    if repository is not None:
        name = repository.strip().lower()
        rows = [row for row in rows if row.name == name] or [row for row in rows if row.name.endswith("/" + name)]
    return {
        want_errand(
            writer, kind=kind, forge=row.forge, owner=owner_of(row.name), repository_id=row.id, since=since, now=now
        ): row.name
        for row in rows
        if row.forge in forges
    }


def wish_for_deliveries(writer: Writer, row: RepositoryRow, *, kind: str, since: Instant | None, now: Instant) -> str:
    """Ask for the deployments or releases (the errand's kind) of a repository; the errand's key."""
    return want_errand(
        writer, kind=kind, forge=row.forge, owner=owner_of(row.name), repository_id=row.id, since=since, now=now
    )


def progress_of(reader: Reader, keys: Sequence[str]) -> Progress:
    """How far these errands are; one that is not there any more is done."""
    found = find_errands(reader, list(keys))
    failed = [one for one in found if one.error.startswith(REFUSED) or (one.error and one.attempts >= HOPELESS)]
    waiting = [one for one in found if one.run_at != NEVER and one not in failed]
    return Progress(
        done=sum(one.done for one in found),
        total=sum(max(one.total or 0, one.done) for one in found),
        waiting=len(waiting),
        errors=tuple(sorted((one.key, one.error) for one in failed)),
        paused=next((one.error for one in waiting if one.error), ""),
    )
