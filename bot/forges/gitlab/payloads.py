"""GitLab's payloads as events; "merge request" is said only here.

The traps (each a test): the kind of an event stands in the body (its header is "System Hook" for instance-wide hooks, and outside
the signature); the landed commit hides behind three fields; a merge request says when it was merged by `updated_at` alone;
two spellings of time that ISO 8601 does not know.
"""

from collections.abc import Iterable

from msgspec import Struct

from bot.dora.commits import Commit, Sha
from bot.dora.events import ForgeEvent, Ignored, PullRequestSeen, Push, RepositoryRef
from bot.dora.instants import Instant
from bot.dora.pull_requests import PullRequest, Review
from bot.forges import PayloadError, fields
from bot.guard import GuardError, decode_json_as

__all__ = ["PayloadError", "parse_gitlab"]

RANKS = {
    "open": 0, "approval": 1, "approved": 1, "unapproval": 1, "unapproved": 1, "update": 2, "reopen": 4, "close": 5, "merge": 9,
}  # fmt: skip
"""The actions, and which of two in the same second came last."""
STATES = {"opened": "open", "locked": "open", "closed": "closed", "merged": "merged"}
OTHER_KINDS = frozenset({
    "access_token", "build", "deployment", "emoji", "feature_flag", "issue", "milestone", "note", "pipeline", "release",
    "vulnerability", "wiki_page", "work_item", "group_create", "group_destroy", "group_rename", "project_create",
    "project_destroy", "project_rename", "project_transfer", "project_update", "repository_update", "user_create",
    "user_rename",
})  # fmt: skip


class _Kind(Struct):
    object_kind: str | None = None
    event_name: str | None = None


class _Project(Struct):
    web_url: str
    id: int | None = None
    git_http_url: str | None = None
    default_branch: str | None = None


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


class _Push(Struct):
    ref: str
    after: str
    project_id: int
    project: _Project
    checkout_sha: str | None = None
    commits: list[_Commit] | None = None


class _User(Struct):
    id: int | None = None
    username: str | None = None


class _Label(Struct):
    title: str


class _LastCommit(Struct):
    id: str


class _MergeParams(Struct):
    squash: object = None


class _Attributes(Struct):
    iid: int
    state: str
    source_branch: str
    target_branch: str
    created_at: str
    updated_at: str
    target_project_id: int | None = None
    author_id: int | None = None
    action: str | None = None
    title: str | None = None
    description: str | None = None
    draft: bool | None = None
    work_in_progress: bool | None = None
    last_commit: _LastCommit | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    squash: bool | None = None
    merge_params: _MergeParams | None = None
    labels: list[_Label] | None = None

    @property
    def is_draft(self) -> bool:
        return bool(self.work_in_progress if self.draft is None else self.draft)


class _Flip(Struct):
    current: bool | None = None


class _Changes(Struct):
    draft: _Flip | None = None
    work_in_progress: _Flip | None = None


class _MergeRequest(Struct):
    project: _Project
    object_attributes: _Attributes
    user: _User | None = None
    labels: list[_Label] | None = None
    assignees: list[_User] | None = None
    reviewers: list[_User] | None = None
    changes: _Changes | None = None


def parse_gitlab(event: str, body: bytes) -> ForgeEvent:
    """The event in an authentic body (not compressed); raises PayloadError if it is not what GitLab promises.

    `event` is the header's word for it and decides nothing: the body says what it is.
    """
    try:
        kind = decode_json_as(_Kind, body)
        match kind.object_kind or kind.event_name:
            case "push" | "tag_push":
                return _push(decode_json_as(_Push, body))
            case "merge_request":
                return _merge_request(decode_json_as(_MergeRequest, body))
            case None:
                raise PayloadError("unknown_shape", f"neither object_kind nor event_name says what this {event!r} is")
            case other:
                return Ignored(reason=f"event_{other}" if other in OTHER_KINDS else "unknown_event")
    except GuardError as error:
        raise PayloadError(error.slug, str(error)) from None


def _push(event: _Push) -> ForgeEvent:
    ref = fields.ref(event.ref)
    if ref is None:
        return Ignored(reason="other_ref")
    after = fields.sha(event.after)
    if after is not None and ref.startswith("refs/tags/"):
        # Of an annotated tag `after` is the tag object.
        after = fields.sha(event.checkout_sha) or after
    return Push(
        repository=_repository(event.project, project_id=event.project_id),
        ref=ref,
        after=after,
        commits=tuple(_commit(commit) for commit in event.commits or ()),
    )


def _commit(commit: _Commit) -> Commit:
    author = commit.author or _Person()
    return fields.pushed_commit(
        commit_sha=commit.id,
        message=commit.message,
        timestamp=commit.timestamp,
        author_name=author.name,
        author_email=author.email,
        paths=_paths(commit),
    )


def _paths(commit: _Commit) -> Iterable[str] | None:
    if commit.added is None or commit.modified is None or commit.removed is None:
        return None
    return [*commit.added, *commit.modified, *commit.removed]


def _merge_request(event: _MergeRequest) -> ForgeEvent:
    seen = event.object_attributes
    if seen.action is None:
        return Ignored(reason="no_action")
    if seen.action not in RANKS:
        return Ignored(reason="unknown_action")
    if seen.target_project_id is not None and event.project.id not in {None, seen.target_project_id}:
        raise PayloadError("event_mismatch", "the project is not the one the merge request wants to merge into")
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
        repository=_repository(event.project, project_id=seen.target_project_id or event.project.id or 0),
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
    """(what the target branch got, the squashed commit behind a merge commit); the head itself only of a plain fast-forward."""
    merge, squash = fields.sha(seen.merge_commit_sha), fields.sha(seen.squash_commit_sha)
    if merge is not None:
        return merge, squash if squash != merge else None
    if squash is not None:
        return squash, None
    squashed = bool(seen.squash) or (seen.merge_params is not None and seen.merge_params.squash in (True, "true", "1"))
    if squashed or seen.last_commit is None:
        return None, None
    return fields.sha(seen.last_commit.id), None


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
    if event.user is None or not event.user.username or event.object_attributes.action not in RANKS:
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


def _repository(project: _Project, *, project_id: int) -> RepositoryRef:
    return fields.repository(
        forge="gitlab",
        forge_id=project_id,
        url=project.git_http_url or project.web_url,
        default_branch=project.default_branch,
    )
