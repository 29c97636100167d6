"""GitHub's `push`: which ref moved, and the commits that the payload lists."""

from bot.dora.events import ForgeEvent, Ignored, Push
from bot.forges import fields
from bot.forges.github.shapes import WithRepository, repository_ref
from bot.forges.pushed import PushedCommit, pushed_commit
from bot.forges.table import Entry, Origin, Table
from bot.guard import decode_json_as

LISTED_PATHS = 3_000
"""GitHub lists no more changed files per commit, and says not that it cut the list."""


class _Push(WithRepository, kw_only=True):
    ref: str
    before: str
    after: str
    commits: list[PushedCommit] | None = None
    head_commit: PushedCommit | None = None


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
        commits=tuple(pushed_commit(commit, cut_at=LISTED_PATHS) for commit in event.commits or ()),
        before=fields.sha(event.before),
    )


PUSHES: Table = {
    ("push", ""): Entry(
        changes="The ref that moved is fetched; the commits it lists count as provisional until then.", read=_read
    ),
}
