"""GitLab's merge requests as events show them; "merge request" is said only in this folder.

The landed commit hides behind three fields; a merge request says when it was merged by `updated_at` alone.
"""

from msgspec import Struct

from bot.dora.commits import Sha
from bot.dora.events import ForgeEvent, Ignored, PullRequestSeen
from bot.dora.instants import Instant
from bot.dora.pull_requests import PullRequest, Review
from bot.forges import PayloadError, fields
from bot.forges.gitlab.landing import landed
from bot.forges.gitlab.shapes import Label, Project, User, project_ref
from bot.forges.table import Origin, Table, entries
from bot.guard import decode_json_as

RANKS = {
    "open": 0, "approval": 1, "approved": 1, "unapproval": 1, "unapproved": 1, "update": 2, "reopen": 4, "close": 5, "merge": 9,
}  # fmt: skip
"""The actions, and which of two in the same second came last."""
STATES = {"opened": "open", "locked": "open", "closed": "closed", "merged": "merged"}


class _LastCommit(Struct):
    id: str


class _MergeParams(Struct):
    squash: object = None


class _Attributes(Struct):
    action: str
    iid: int
    state: str
    source_branch: str
    target_branch: str
    created_at: str
    updated_at: str
    target_project_id: int | None = None
    author_id: int | None = None
    title: str | None = None
    description: str | None = None
    draft: bool | None = None
    work_in_progress: bool | None = None
    last_commit: _LastCommit | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    squash: bool | None = None
    merge_params: _MergeParams | None = None
    labels: list[Label] | None = None

    @property
    def is_draft(self) -> bool:
        return bool(self.work_in_progress if self.draft is None else self.draft)


class _Flip(Struct):
    current: bool | None = None


class _Changes(Struct):
    draft: _Flip | None = None
    work_in_progress: _Flip | None = None


class _MergeRequest(Struct):
    project: Project
    object_attributes: _Attributes
    user: User | None = None
    labels: list[Label] | None = None
    assignees: list[User] | None = None
    reviewers: list[User] | None = None
    changes: _Changes | None = None


def _read(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_MergeRequest, body)
    seen = event.object_attributes
    approves = seen.action in {"approval", "approved", "unapproval", "unapproved"}
    if approves and event.user is not None and event.user.id is not None and event.user.id == seen.author_id:
        # Known by the numbers here and nowhere else: payloads do not name the author.
        return Ignored(reason="own_approval")
    state = STATES.get(seen.state)
    if state is None:
        raise PayloadError("bad_state", "a merge request is neither open nor closed nor merged")
    if seen.action == "merge" and state != "merged":
        raise PayloadError("bad_state", "a merge request is said to be merged, and not to be")
    updated_at = fields.needed_instant(seen.updated_at)
    merge_sha, squash_sha = _landed(seen) if seen.action == "merge" else (None, None)
    return PullRequestSeen(
        # The project is the one that is merged into, whatever `target_project_id` says in examples.
        repository=project_ref(event.project, origin, project_id=seen.target_project_id, seen_at=updated_at),
        pull_request=PullRequest(
            number=fields.number(seen.iid),
            title=fields.name(seen.title),
            body=fields.text(seen.description),
            head_ref=fields.name(seen.source_branch),
            base_ref=fields.name(seen.target_branch),
            labels=_labels(event),
            author=_author(event),
            state=state,
            created_at=fields.instant(seen.created_at),
            merged_at=updated_at if seen.action == "merge" else None,
            merge_sha=merge_sha,
            squash_sha=squash_sha,
            head_sha=fields.sha(seen.last_commit.id if seen.last_commit else None),
            readiness=_readiness(event, updated_at),
            reviews=_reviews(event, updated_at),
        ),
        updated_at=updated_at,
        rank=RANKS[seen.action],
        # An edit after the merge does not say again when and as what it was merged.
        complete=state != "merged" or seen.action == "merge",
    )


def _landed(seen: _Attributes) -> tuple[Sha | None, Sha | None]:
    squashed = bool(seen.squash) or (seen.merge_params is not None and seen.merge_params.squash in (True, "true", "1"))
    head = seen.last_commit.id if seen.last_commit else None
    return landed(merge=seen.merge_commit_sha, squash=seen.squash_commit_sha, head=head, squashed=squashed)


def _labels(event: _MergeRequest) -> tuple[str, ...]:
    labels = event.labels if event.labels is not None else event.object_attributes.labels
    return tuple(dict.fromkeys(fields.name(label.title) for label in labels or ()))


def _author(event: _MergeRequest) -> str:
    """The author's username if somebody in the payload is the author, else "" (unknown)."""
    people = [event.user, *(event.assignees or ()), *(event.reviewers or ())]
    author = event.object_attributes.author_id
    return next((fields.name(p.username) for p in people if p is not None and p.id is not None and p.id == author), "")


def _readiness(event: _MergeRequest, updated_at: Instant) -> tuple[tuple[Instant, bool], ...]:
    seen, changes = event.object_attributes, event.changes or _Changes()
    if seen.action == "open":
        return ((fields.needed_instant(seen.created_at), not seen.is_draft),)
    flip = changes.draft or changes.work_in_progress
    if flip is None or flip.current is None:
        return ()
    return ((updated_at, not flip.current),)


def _reviews(event: _MergeRequest, updated_at: Instant) -> tuple[Review, ...]:
    """An approval, or its withdrawal: a review that never approved and was dismissed when it was made.

    Approvals have no id; a withdrawal ends those that its reviewer gave before it.
    """
    if event.user is None or not event.user.username:
        return ()
    reviewer, action = fields.name(event.user.username), event.object_attributes.action
    if action in {"approval", "approved"}:
        return (Review(id=f"{reviewer}+{updated_at}", reviewer=reviewer, approved=True, submitted_at=updated_at),)
    if action in {"unapproval", "unapproved"}:
        return (
            Review(
                id=f"{reviewer}-{updated_at}",
                reviewer=reviewer,
                approved=False,
                submitted_at=updated_at,
                dismissed_at=updated_at,
            ),
        )
    return ()


MERGE_REQUESTS: Table = entries("merge_request", _read, {
    "open": "A merge request is there: its texts, labels, branches, and whether it began as a draft.",
    "update": "Texts, labels, target branch, head or draft state are others.",
    "approval": "One person's approval counts, but for the author's own.",
    "approved": "The same; it was the last that was required.",
    "unapproval": "That person's approvals end here, unless it was merged before.",
    "unapproved": "The same; the required ones are not met any more.",
    "reopen": "It is open again.",
    "close": "It is closed.",
    "merge": "It is merged: its commits are looked for on the target branch.",
})  # fmt: skip
