"""Record what events say of a pull request, and mark what that may change."""

from collections.abc import Sequence
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.events import PullRequestSeen
from bot.dora.instants import Instant
from bot.dora.pull_request_records import PullRequestRecord, from_row, merged_record, to_row
from bot.dora.pull_requests import PullRequest
from bot.facts.link_reads import mark_readers, told_by
from bot.facts.marks import mark_pull_request
from bot.facts.reports import forge_to_tell, speaks_differently, want_report
from bot.store import Reader, Writer


def find_pull_request(reader: Reader, repository_id: int, number: int) -> PullRequestRecord | None:
    """The record of a pull request, if it is known."""
    rows = reader.fetch("pull_request_row", _record, repository_id=repository_id, number=number)
    return rows[0] if rows else None


def _record(_: int, *columns: object) -> PullRequestRecord:
    return from_row(*columns)  # type: ignore[arg-type]  # the columns of the table, in its order


def load_pull_requests(reader: Reader, repository_id: int, numbers: Sequence[int]) -> list[PullRequestRecord]:
    """The records of these pull requests, by number."""
    rows = reader.fetch_in("pull_request_rows", _record, sorted(numbers), repository_id=repository_id)
    return sorted(rows, key=lambda record: record.pull_request.number)


class Recorded(NamedTuple):
    """What became of events about one pull request.

    `contested`: two events of one second told different labels, and only the forge can say which is true.
    """

    changed: bool
    contested: bool


def record_pull_requests(
    writer: Writer, repository_id: int, sightings: Sequence[PullRequestSeen], *, now: Instant
) -> Recorded:
    """Merge events about one pull request into its record; if that changed it, it is marked, and so are reverts that were made
    from it and fast-forwards that may begin where it ended. What the bot says under it may change too.

    Whoever records them tells pending marks once (`outdate_pending`) if any record changed.
    """
    number = sightings[0].pull_request.number
    writer.lock("pull_request", repository_id, number)
    known = record = find_pull_request(writer, repository_id, number)
    contested = False
    for seen in sightings:
        contested = contested or _contests(record, seen)
        record = merged_record(record, seen)
    if record is None or record == known:
        return Recorded(changed=False, contested=contested)
    told = record.pull_request
    before = None if known is None else known.pull_request
    forge = forge_to_tell(writer, repository_id) if speaks_differently(before, told) else None
    writer.write_many("pull_request", [(repository_id, *to_row(record))], on_conflict="replace")
    if forge is not None:
        want_report(writer, forge, repository_id=repository_id, number=number, now=now)
    mark_readers(writer, repository_id, told_by(told) | (told_by(before) if before is not None else set()))
    others = {number}
    if before is not None and before.merged_at is not None and _base_of(before) != _base_of(told):
        # A first sight of the merge changes its landing, and that tells them.
        for one in (told, before):
            others.update(number for number, _ in built_upon(writer, repository_id, one))
    for other in sorted(others):
        mark_pull_request(writer, repository_id=repository_id, number=other)
    return Recorded(changed=True, contested=contested)


def _contests(record: PullRequestRecord | None, seen: PullRequestSeen) -> bool:
    """Two labels put on at once are two events with racing lists."""
    if record is None or record.orders.core[:1] != (seen.updated_at,):
        return False
    return set(record.pull_request.labels) != set(seen.pull_request.labels)


def _base_of(told: PullRequest) -> tuple[object, ...]:
    return told.base_ref, told.merge_sha, told.merged_at


def built_upon(reader: Reader, repository_id: int, told: PullRequest | None) -> list[tuple[int, Sha | None]]:
    """Later fast-forwards into the same branch, which may begin where this one ended, with their heads, in order."""
    if told is None or told.merged_at is None:
        return []
    return reader.fetch(
        "fast_forwards_after", _head, repository_id=repository_id, merged_at=told.merged_at, number=told.number,
        base_ref=told.base_ref,
    )


def _head(number: int, sha: Sha | None) -> tuple[int, Sha | None]:
    return number, None if sha is None else bytes(sha)
