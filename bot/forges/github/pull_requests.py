"""GitHub's pull requests and their reviews, as events show them.

`merge_commit_sha` is a test merge until the pull request is merged; the `labels` array is the state, not the label of the event;
the pull request inside a review is a reduced object.
"""

from msgspec import Struct

from bot.dora.events import ForgeEvent, Ignored, PullRequestSeen
from bot.dora.instants import Instant
from bot.dora.pull_requests import PullRequest, Review
from bot.forges import PayloadError, fields
from bot.forges.github.shapes import User, WithRepository, repository_ref
from bot.forges.table import Origin, Table, entries, silent
from bot.guard import decode_json_as

RANKS = {
    "opened": 0, "edited": 2, "labeled": 2, "unlabeled": 2, "synchronize": 3, "ready_for_review": 3,
    "converted_to_draft": 3, "reopened": 4, "closed": 5,
}  # fmt: skip
"""The actions that tell something new, and which of two in the same second came last; a merge outranks them all."""
MERGED_RANK = 9
REVIEW_RANK = 1


class Label(Struct):
    """A label's name."""

    name: str


class Branch(Struct):
    """One side of a pull request."""

    ref: str
    sha: str


class PullRequestShape(Struct):
    """A pull request, in events and lists; a list does not say `merged`."""

    number: int
    state: str
    head: Branch
    base: Branch
    created_at: str
    updated_at: str
    title: str | None = None
    body: str | None = None
    user: User | None = None
    labels: list[Label] | None = None
    draft: bool | None = None
    merged: bool | None = None
    merged_at: str | None = None
    merge_commit_sha: str | None = None


class _PullRequestEvent(WithRepository, kw_only=True):
    action: str
    pull_request: PullRequestShape
    review: object = None


class ReviewShape(Struct):
    """A review; events spell its state in lower case, the API in upper case."""

    id: int
    state: str
    user: User | None = None
    submitted_at: str | None = None


class _ReviewEvent(WithRepository, kw_only=True):
    action: str
    review: ReviewShape
    pull_request: PullRequestShape


def _read_pull_request(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_PullRequestEvent, body)
    if event.review is not None:
        raise PayloadError("event_mismatch", "the body is that of a review, the event that of a pull request")
    seen = event.pull_request
    merged = bool(seen.merged) or seen.merged_at is not None
    if merged and fields.instant(seen.merged_at) is None:
        raise PayloadError("bad_instant", "a merged pull request does not say when")
    updated_at = fields.needed_instant(seen.updated_at)
    return PullRequestSeen(
        repository=repository_ref(event, origin, seen_at=updated_at),
        pull_request=pull_request_value(
            seen,
            state="merged" if merged else seen.state,
            merged_at=seen.merged_at if merged else None,
            merge_sha=seen.merge_commit_sha if merged else None,
            readiness=_readiness(event),
        ),
        updated_at=updated_at,
        rank=MERGED_RANK if merged else RANKS[event.action],
        complete=True,
        # Just after a push to it the event shows the test merge of the head before.
        test_merge_sha=None if merged or event.action == "synchronize" else fields.sha(seen.merge_commit_sha),
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


def _read_review(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_ReviewEvent, body)
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
        repository=repository_ref(event, origin, seen_at=updated_at),
        pull_request=pull_request_value(event.pull_request, state=event.pull_request.state, reviews=(review,)),
        updated_at=updated_at,
        rank=REVIEW_RANK,
        complete=False,
    )


def pull_request_value(
    seen: PullRequestShape,
    *,
    state: str,
    merged_at: str | None = None,
    merge_sha: str | None = None,
    readiness: tuple[tuple[Instant, bool], ...] = (),
    reviews: tuple[Review, ...] = (),
) -> PullRequest:
    """The pull request, as far as its own object tells it; a merge is told by who knows that it happened."""
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


PULL_REQUESTS: Table = {
    **entries("pull_request", _read_pull_request, {
        "opened": "A pull request is there: its texts, labels, branches, and whether it began as a draft.",
        "edited": "Title, body or target branch are others.",
        "labeled": "Labels are others; of two events in one second the fuller list counts until the forge is asked again.",
        "unlabeled": "Labels are others.",
        "synchronize": "The head moved.",
        "ready_for_review": "Review time may begin here.",
        "converted_to_draft": "What was ready is a draft again.",
        "reopened": "It is open again.",
        "closed": "It is merged (its commits are looked for on the target branch), or closed.",
    }),
    **silent(
        "pull_request",
        "assigned auto_merge_disabled auto_merge_enabled demilestoned dequeued enqueued locked milestoned "
        "review_request_removed review_requested unassigned unlocked",
    ),
    **entries("pull_request_review", _read_review, {
        "submitted": "An approval counts; other reviews change nothing.",
        "edited": "An approval that was missed counts.",
        "dismissed": "The approval ends here, unless the pull request was merged before.",
    }),
}  # fmt: skip
