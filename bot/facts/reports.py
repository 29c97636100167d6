"""Wishes for reports: what the bot says under a pull request is to be said anew, where it may speak."""

from bot.dora.instants import Instant
from bot.dora.pull_requests import PullRequest
from bot.facts.outbox import REPORT, want_said
from bot.facts.registry import RepositoryRow
from bot.facts.switches import reports_enabled
from bot.store import Reader, Writer


def speaks_differently(before: PullRequest | None, told: PullRequest) -> bool:
    """Whether a record that changed may change the report of it; of one that is not open there is none."""
    return told.state == "open" and (before is None or _reported(before) != _reported(told))


def _reported(told: PullRequest) -> tuple[object, ...]:
    """Body and commits matter by the rules alone, and what those find is derived."""
    return told.state, told.head_sha, told.base_ref, told.title, told.labels


def forge_to_tell(reader: Reader, repository_id: int) -> str | None:
    """The forge of a repository, if reports are on for it."""
    rows = reader.fetch("repository_by_number", RepositoryRow, id=repository_id)
    return rows[0].forge if rows and reports_enabled(reader, rows[0].forge) else None


def want_report(writer: Writer, forge: str, *, repository_id: int, number: int, now: Instant) -> None:
    """Wish for the report of a pull request."""
    want_said(
        writer, key=f"report:{repository_id}:{number}", kind=REPORT, forge=forge, repository_id=repository_id,
        subject=str(number), now=now,
    )
