"""GitLab's pushes: which ref moved, and the newest commits that the payload lists."""

from msgspec import Struct

from bot.dora.events import EVERY_REF, ForgeEvent, Ignored, Push
from bot.forges import fields
from bot.forges.gitlab.shapes import Project, project_ref
from bot.forges.pushed import PushedCommit, pushed_commit
from bot.forges.table import Entry, Origin, Table
from bot.guard import decode_json_as


class _Push(Struct):
    ref: str
    after: str
    project_id: int
    project: Project
    before: str | None = None
    checkout_sha: str | None = None
    commits: list[PushedCommit] | None = None


class _Change(Struct):
    ref: str
    after: str
    before: str | None = None


class _RepositoryUpdate(Struct):
    project_id: int
    project: Project
    changes: list[_Change]


def _read_push(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_Push, body)
    ref = fields.ref(event.ref)
    if ref is None:
        return Ignored(reason="other_ref")
    after = fields.sha(event.after)
    if after is not None and ref.startswith("refs/tags/"):
        # Of an annotated tag `after` is the tag object.
        after = fields.sha(event.checkout_sha) or after
    return Push(
        repository=project_ref(event.project, origin, project_id=event.project_id, seen_at=None),
        ref=ref,
        after=after,
        commits=tuple(pushed_commit(commit) for commit in event.commits or ()),
        before=fields.sha(event.before),
    )


def _read_update(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_RepositoryUpdate, body)
    moved = [(ref, change) for change in event.changes if (ref := fields.ref(change.ref)) is not None]
    if not moved:
        return Ignored(reason="other_ref")
    repository = project_ref(event.project, origin, project_id=event.project_id, seen_at=None)
    if len(moved) > 1:
        return Push(repository=repository, ref=EVERY_REF, after=None)
    ((ref, change),) = moved
    return Push(repository=repository, ref=ref, after=fields.sha(change.after), before=fields.sha(change.before))


PUSHES: Table = {
    ("push", ""): Entry(
        changes="The branch that moved is fetched; the commits it lists (at most 20) count as provisional until then.",
        read=_read_push,
    ),
    ("tag_push", ""): Entry(changes="The tag is fetched.", read=_read_push),
    ("repository_update", ""): Entry(
        changes="The refs that moved are fetched, also of a push so large that GitLab sends no push event.", read=_read_update
    ),
}
