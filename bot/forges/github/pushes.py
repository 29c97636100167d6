"""GitHub's `push`: which ref moved, and the commits that the payload lists."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from bot.dora.commits import Commit
from bot.dora.events import ForgeEvent, Ignored, Push
from bot.forges import fields
from bot.forges.github.shapes import WithRepository, repository_ref
from bot.forges.table import Entry, Origin, Table
from bot.guard import decode_json_as

LISTED_PATHS = 3_000
"""GitHub lists no more changed files per commit, and says not that it cut the list."""


class _Person(Struct):
    name: str | None = None
    email: str | None = None


class _Commit(Struct):
    id: str
    message: str | None = None
    timestamp: str | None = None
    author: _Person | None = None
    added: list[str] | None = None
    modified: list[str] | None = None
    removed: list[str] | None = None


class _Push(WithRepository, kw_only=True):
    ref: str
    before: str
    after: str
    commits: list[_Commit] | None = None
    head_commit: _Commit | None = None


def _read(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_Push, body)
    ref = fields.ref(event.ref)
    if ref is None:
        return Ignored(reason="other_ref")
    if ref.startswith("refs/heads/gh-readonly-queue/"):
        return Ignored(reason="merge_queue_branch")
    after = fields.sha(event.after)
    if after is not None and event.head_commit is not None and ref.startswith("refs/tags/"):
        # Of an annotated tag `after` is the tag object.
        after = fields.sha(event.head_commit.id)
    return Push(
        repository=repository_ref(event, origin, seen_at=fields.moment(event.repository.pushed_at)),
        ref=ref,
        after=after,
        commits=tuple(_commit(commit) for commit in event.commits or ()),
        before=fields.sha(event.before),
    )


def _commit(commit: _Commit) -> Commit:
    author = commit.author or _Person()
    return fields.pushed_commit(
        commit_sha=commit.id,
        message=commit.message,
        timestamp=commit.timestamp,
        author_name=author.name,
        author_email=author.email,
        paths=_paths((commit.added, commit.modified, commit.removed)),
    )


def _paths(lists: Sequence[list[str] | None]) -> Iterable[str] | None:
    if any(paths is None for paths in lists) or sum(len(paths or ()) for paths in lists) >= LISTED_PATHS:
        return None
    return [path for paths in lists for path in paths or ()]


PUSHES: Table = {
    ("push", ""): Entry(
        changes="The ref that moved is fetched; the commits it lists count as provisional until then.", read=_read
    ),
}
