"""Record what events say of a pull request, and mark what that may change."""

from collections.abc import Sequence

from bot.dora.events import PullRequestSeen
from bot.dora.pull_request_records import PullRequestRecord, from_row, merged_record, to_row
from bot.facts.marks import mark_pull_request, outdate_pending
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


def record_pull_requests(writer: Writer, repository_id: int, sightings: Sequence[PullRequestSeen]) -> None:
    """Merge events about one pull request into its record; if that changed it, it is marked, and so are reverts that may point to it."""
    number = sightings[0].pull_request.number
    writer.lock("pull_request", repository_id, number)
    known = record = find_pull_request(writer, repository_id, number)
    for seen in sightings:
        record = merged_record(record, seen)
    if record is None or record == known:
        return
    writer.write_many("pull_request", [(repository_id, *to_row(record))], on_conflict="replace")
    outdate_pending(writer)
    told = record.pull_request
    pointing = writer.fetch(
        "flags_pointing", int, repository_id=repository_id, number=number, value=f'Revert "{told.title}"',
        merge_sha=told.merge_sha, squash_sha=told.squash_sha,
    )
    for other in (number, *pointing):
        mark_pull_request(writer, repository_id=repository_id, number=other)
