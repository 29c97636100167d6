"""GitHub's payloads as events.

The traps (each a test): `merge_commit_sha` is a test merge until the pull request is merged; the `labels` array is the state,
not the label of the event; the pull request inside a review is a reduced object; event and delivery names are outside the
signature, so a body must have the shape that its event promises.
"""

from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl

from msgspec import Struct

from bot.dora.commits import Commit
from bot.dora.events import ForgeEvent, Ignored, PullRequestSeen, Push, RepositoryRef
from bot.dora.instants import Instant
from bot.dora.pull_requests import PullRequest, Review
from bot.forges import PayloadError, fields
from bot.guard import GuardError, decode_json_as

__all__ = ["PayloadError", "parse_github"]

LISTED_PATHS = 3_000
"""GitHub lists no more changed files per commit, and says not that it cut the list."""

RANKS = {
    "opened": 0, "edited": 2, "labeled": 2, "unlabeled": 2, "synchronize": 3, "ready_for_review": 3,
    "converted_to_draft": 3, "reopened": 4, "closed": 5,
}  # fmt: skip
"""The actions that tell something new, and which of two in the same second came last; a merge outranks them all."""
MERGED_RANK = 9
REVIEW_RANK = 1

OTHER_ACTIONS = frozenset({
    "assigned", "auto_merge_disabled", "auto_merge_enabled", "demilestoned", "dequeued", "enqueued", "locked", "milestoned",
    "review_request_removed", "review_requested", "unassigned", "unlocked",
})  # fmt: skip
OTHER_EVENTS = frozenset({
    "ping", "check_run", "check_suite", "commit_comment", "create", "delete", "deployment", "deployment_status", "fork",
    "installation", "installation_repositories", "installation_target", "issue_comment", "issues", "label", "member",
    "merge_group", "meta", "milestone", "organization", "public", "pull_request_review_comment",
    "pull_request_review_thread", "release", "repository", "star", "status", "team", "watch", "workflow_job", "workflow_run",
})  # fmt: skip


class _Repository(Struct):
    id: int
    html_url: str
    clone_url: str | None = None
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
    before: str
    after: str
    repository: _Repository
    commits: list[_Commit] | None = None
    head_commit: _Commit | None = None


class _User(Struct):
    login: str


class _Label(Struct):
    name: str


class _Branch(Struct):
    ref: str
    sha: str


class _PullRequest(Struct):
    number: int
    state: str
    head: _Branch
    base: _Branch
    created_at: str
    updated_at: str
    title: str | None = None
    body: str | None = None
    user: _User | None = None
    labels: list[_Label] | None = None
    draft: bool | None = None
    merged: bool | None = None
    merged_at: str | None = None
    merge_commit_sha: str | None = None


class _PullRequestEvent(Struct):
    action: str
    pull_request: _PullRequest
    repository: _Repository
    review: object = None


class _Review(Struct):
    id: int
    state: str
    user: _User | None = None
    submitted_at: str | None = None


class _ReviewEvent(Struct):
    action: str
    review: _Review
    pull_request: _PullRequest
    repository: _Repository


def parse_github(event: str, body: bytes, content_type: str = "application/json") -> ForgeEvent:
    """The event in an authentic body (not compressed); raises PayloadError if it is not what GitHub promises."""
    if event not in {"push", "pull_request", "pull_request_review"}:
        return Ignored(reason=f"event_{event}" if event in OTHER_EVENTS else "unknown_event")
    document = _form_payload(body) if content_type.lower().startswith("application/x-www-form-urlencoded") else body
    try:
        match event:
            case "push":
                return _push(decode_json_as(_Push, document))
            case "pull_request":
                return _pull_request(decode_json_as(_PullRequestEvent, document))
            case _:
                return _review(decode_json_as(_ReviewEvent, document))
    except GuardError as error:
        raise PayloadError(error.slug, str(error)) from None


def _form_payload(body: bytes) -> bytes:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=10)
    except ValueError:
        raise PayloadError("bad_form", "the form cannot be decoded") from None
    payloads = [value for key, value in pairs if key == "payload"]
    if len(payloads) != 1:
        raise PayloadError("bad_form", "the form holds not exactly one field named payload")
    return payloads[0].encode()


def _push(event: _Push) -> ForgeEvent:
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
        repository=_repository(event.repository),
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
        paths=_paths((commit.added, commit.modified, commit.removed)),
    )


def _paths(lists: Sequence[list[str] | None]) -> Iterable[str] | None:
    if any(paths is None for paths in lists) or sum(len(paths or ()) for paths in lists) >= LISTED_PATHS:
        return None
    return [path for paths in lists for path in paths or ()]


def _pull_request(event: _PullRequestEvent) -> ForgeEvent:
    if event.action not in RANKS:
        return Ignored(reason=f"action_{event.action}" if event.action in OTHER_ACTIONS else "unknown_action")
    if event.review is not None:
        raise PayloadError("event_mismatch", "the body is that of a review, the event that of a pull request")
    seen = event.pull_request
    merged = bool(seen.merged) or seen.merged_at is not None
    if merged and fields.instant(seen.merged_at) is None:
        raise PayloadError("bad_instant", "a merged pull request does not say when")
    return PullRequestSeen(
        repository=_repository(event.repository),
        pull_request=_value(
            seen,
            state="merged" if merged else seen.state,
            merged_at=seen.merged_at if merged else None,
            merge_sha=seen.merge_commit_sha if merged else None,
            readiness=_readiness(event),
        ),
        updated_at=fields.needed_instant(seen.updated_at),
        rank=MERGED_RANK if merged else RANKS[event.action],
        complete=True,
    )


def _readiness(event: _PullRequestEvent) -> tuple[tuple[Instant, bool], ...]:
    seen = event.pull_request
    match event.action:
        case "opened":
            return ((fields.needed_instant(seen.created_at), not seen.draft),)
        case "ready_for_review":
            return ((fields.needed_instant(seen.updated_at), True),)
        case "converted_to_draft":
            return ((fields.needed_instant(seen.updated_at), False),)
        case _:
            return ()


def _review(event: _ReviewEvent) -> ForgeEvent:
    seen, state = event.review, event.review.state.casefold()
    if (event.action, state) not in {("submitted", "approved"), ("edited", "approved"), ("dismissed", "dismissed")}:
        return Ignored(reason="review_neither_approved_nor_dismissed")
    submitted_at = fields.instant(seen.submitted_at)
    if submitted_at is None:
        return Ignored(reason="review_not_submitted")
    updated_at = fields.needed_instant(event.pull_request.updated_at)
    review = Review(
        id=str(seen.id),
        reviewer=fields.name(seen.user.login if seen.user else None),
        # A dismissed review does not say whether it had approved: the event of the approval does.
        approved=state == "approved",
        submitted_at=submitted_at,
        dismissed_at=updated_at if state == "dismissed" else None,
    )
    return PullRequestSeen(
        repository=_repository(event.repository),
        pull_request=_value(event.pull_request, state=event.pull_request.state, reviews=(review,)),
        updated_at=updated_at,
        rank=REVIEW_RANK,
        complete=False,
    )


def _value(
    seen: _PullRequest,
    *,
    state: str,
    merged_at: str | None = None,
    merge_sha: str | None = None,
    readiness: tuple[tuple[Instant, bool], ...] = (),
    reviews: tuple[Review, ...] = (),
) -> PullRequest:
    if state not in {"open", "closed", "merged"}:
        raise PayloadError("bad_state", "a pull request is neither open nor closed")
    return PullRequest(
        number=fields.number(seen.number),
        title=fields.name(seen.title),
        body=fields.text(seen.body),
        head_ref=fields.name(seen.head.ref),
        base_ref=fields.name(seen.base.ref),
        labels=tuple(dict.fromkeys(fields.name(label.name) for label in seen.labels or ())),
        author=fields.name(seen.user.login if seen.user else None),
        state=state,
        created_at=fields.instant(seen.created_at),
        merged_at=fields.instant(merged_at),
        merge_sha=fields.sha(merge_sha),
        head_sha=fields.sha(seen.head.sha),
        readiness=readiness,
        reviews=reviews,
    )


def _repository(seen: _Repository) -> RepositoryRef:
    return fields.repository(
        forge="github",
        forge_id=seen.id,
        url=seen.clone_url or seen.html_url,
        default_branch=seen.default_branch,
    )
