"""The commits that a push lists, which both forges spell alike."""

from msgspec import Struct

from bot.dora.commits import Commit
from bot.dora.instants import Instant
from bot.forges import PayloadError, fields
from bot.forges.fields import LONGEST_NAME, LONGEST_TEXT
from bot.guard import scrub


class Person(Struct):
    """Who wrote a commit."""

    name: str | None = None
    email: str | None = None


class PushedCommit(Struct):
    """A commit in a push; `None` lists tell nothing of its paths."""

    id: str
    message: str | None = None
    timestamp: str | None = None
    author: Person | None = None
    added: list[str] | None = None
    modified: list[str] | None = None
    removed: list[str] | None = None


def pushed_commit(told: PushedCommit, *, cut_at: int | None = None) -> Commit:
    """A commit as a push tells it: no parents, no author date; to be replaced by the mirror's.

    Lists of `cut_at` paths in all may have been cut there, and tell nothing.
    """
    sha = fields.sha(told.id)
    if sha is None:
        raise PayloadError("bad_sha", "a pushed commit has no id")
    subject, body = _split_message(scrub(told.message or ""))
    author = told.author or Person()
    return Commit(
        sha=sha,
        parents=(),
        authored_at=None,
        committed_at=_plausible(told.timestamp),
        author=f"{fields.name(author.name)} <{fields.name(author.email)}>",
        subject=subject[:LONGEST_NAME],
        body=body[:LONGEST_TEXT],
        paths=_paths(told, cut_at=cut_at),
    )


def _paths(told: PushedCommit, *, cut_at: int | None) -> tuple[bytes, ...] | None:
    if told.added is None or told.modified is None or told.removed is None:
        return None
    paths = [*told.added, *told.modified, *told.removed]
    if cut_at is not None and len(paths) >= cut_at:
        return None
    return tuple(dict.fromkeys(path.encode() for path in paths))


def _plausible(timestamp: str | None) -> Instant | None:
    try:
        return fields.instant(timestamp)
    except PayloadError:
        return None


def _split_message(message: str) -> tuple[str, str]:
    """Subject and body as git tells them apart: the first paragraph on one line, and the rest."""
    subject, _, body = message.strip("\n").partition("\n\n")
    return " ".join(line.strip() for line in subject.splitlines()), body.strip("\n")
