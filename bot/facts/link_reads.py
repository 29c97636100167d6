"""What was looked up to say where a revert points: when one of these facts changes, what was made from it is made again.

Rules: a reading names the question that was asked, whatever the answer was: what is not there yet is asked for like what is. Readers
are flags of pull requests and classifications of series, as the key of their mark; their rows are derived together with them.
"""

from collections.abc import Collection, Iterable
from hashlib import blake2b

from bot.dora.commits import Sha
from bot.dora.instants import LATEST
from bot.dora.pull_requests import PullRequest
from bot.store import Value, Writer

_SHORTEST = 7
"""Hex digits that every name of a commit has."""

ABOUT_NAMES = "~"
"""Which names the repository ever had: a text may say whose number it means."""


def about_number(number: int) -> str:
    """What a pull request is, and which commits it introduced."""
    return f"#{number}"


def about_title(title: str) -> str:
    """Which pull requests have exactly this title, of any length."""
    return f"={blake2b(title.encode(errors='surrogatepass'), digest_size=16).hexdigest()}"


def about_merge(sha: Sha) -> str:
    """Which pull request was merged as this commit, or has it as it was before its rebase."""
    return f"<{sha.hex()}"


def about_name(name: str) -> str:
    """Which commit this is the full or abbreviated name of."""
    return f"@{name[:_SHORTEST].lower()}"


def told_by(pull_request: PullRequest) -> set[str]:
    """The readings that a pull request's record answers."""
    shas = (sha for sha in (pull_request.merge_sha, pull_request.squash_sha) if sha is not None)
    return {about_number(pull_request.number), about_title(pull_request.title), *map(about_merge, shas)}


def mark_readers(writer: Writer, repository_id: int, abouts: Iterable[str]) -> None:
    """Mark what was made from any of these, also what this transaction itself just wrote."""
    _mark(writer, repository_id, [(about, about) for about in sorted(abouts)])


def mark_namers(writer: Writer, repository_id: int, shas: Collection[Sha] | None) -> None:
    """Mark what named one of these commits (`None`: any at all): when it was made, the commit may not have been there."""
    if not writer.fetch("some_link_read", int, repository_id=repository_id):
        return
    if shas is None:
        _mark(writer, repository_id, [(about_name(""), about_name("~"))])
    else:
        mark_readers(writer, repository_id, {about_name(sha.hex()) for sha in shas})


def _mark(writer: Writer, repository_id: int, ranges: Iterable[tuple[str, str]]) -> None:
    where: dict[str, Value] = {"repository_id": repository_id, "latest": LATEST}
    writer.execute_many("mark_link_readers", [{**where, "first": first, "last": last} for first, last in ranges])
