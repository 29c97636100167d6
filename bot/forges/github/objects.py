"""What GitHub's REST API answers, as values.

The traps: `merge_commit_sha` is a test merge until the pull request is merged, and still names one when it was closed without;
reviews spell their states in upper case; a draft's history is in the issue's events, and how it began in none of them.
"""

from collections.abc import Iterable, Sequence

from msgspec import Raw, Struct, field

from bot.dora.events import InstallationChanged, PullRequestSeen, RepositoryChanged, RepositoryRef
from bot.dora.instants import Instant
from bot.dora.pull_requests import Review
from bot.forges import PayloadError, fields
from bot.forges.github.pull_requests import MERGED_RANK, Branch, PullRequestShape, ReviewShape, pull_request_value
from bot.forges.github.shapes import Repository, User, changed_at

API_RANK = MERGED_RANK - 1
"""What the API says when asked outranks the events of the same second, which it was asked after; but for a merge."""


class InstallationObject(Struct):
    """An installation of the App."""

    id: int
    account: User | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    updated_at: str | None = None
    suspended_at: str | None = None


class RepositoryObject(Repository, kw_only=True):
    """A repository."""

    archived: bool = False


class RepositoryPage(Struct):
    """What an installation may read."""

    total_count: int
    repositories: list[RepositoryObject]


class Base(Branch, kw_only=True):
    """The side that a pull request is merged into."""

    repo: RepositoryObject


class PullRequestObject(PullRequestShape, kw_only=True):
    """A pull request, as a list or asked alone."""

    base: Base


class DismissedReview(Struct):
    """The review that an event dismissed, and what it had been."""

    review_id: int
    state: str


class IssueEventObject(Struct):
    """Something that happened to a pull request."""

    event: str
    created_at: str
    dismissed_review: DismissedReview | None = None


class ChangedFile(Struct):
    """A file that a pull request changes."""

    filename: str
    previous_filename: str | None = None


class FileObject(Struct):
    """A file's contents."""

    type: str
    encoding: str = ""
    content: str = ""


class AppObject(Struct):
    """The App itself."""

    id: int
    slug: str | None = None
    name: str = ""


class HookConfig(Struct):
    """Where the App's webhooks go."""

    url: str | None = None
    content_type: str | None = None


class DeliveryObject(Struct):
    """One attempt to deliver, in the App's log."""

    id: int
    guid: str
    delivered_at: str
    event: str
    status_code: int = 0


class DeliveryRequest(Struct):
    """What was sent."""

    headers: dict[str, str] | None = None
    payload: Raw = field(default_factory=Raw)


class DeliveryDetail(Struct):
    """One attempt with what was sent."""

    event: str
    request: DeliveryRequest


class CheckOutput(Struct):
    """What a check run says."""

    annotations_count: int = 0


class CheckRunObject(Struct):
    """A check run."""

    id: int
    head_sha: str
    external_id: str | None = None
    output: CheckOutput = field(default_factory=CheckOutput)


class CheckRunPage(Struct):
    """The check runs of a commit."""

    check_runs: list[CheckRunObject]


def repository_ref(seen: RepositoryObject, *, installation_id: str) -> RepositoryRef:
    """The repository as it is called now. Raises PayloadError."""
    return fields.repository(
        forge="github",
        forge_id=seen.id,
        url=seen.clone_url or seen.html_url,
        default_branch=seen.default_branch,
        seen_at=changed_at(seen),
        installation_id=installation_id,
    )


def repository_changed(seen: RepositoryObject, *, installation_id: str, listed_at: Instant) -> RepositoryChanged:
    """The repository's name and state; `listed_at` is when its installation last changed. Raises PayloadError.

    Both are told by GitHub's clock and at instants that its webhooks tell too, so that the newer word is known.
    """
    ref = repository_ref(seen, installation_id=installation_id)
    state = "archived" if seen.archived else "active"
    return RepositoryChanged(repository=ref, at=max(ref.seen_at or 0, listed_at), state=state)


def installation_changed(seen: InstallationObject) -> InstallationChanged:
    """The installation's rights and state. Raises PayloadError."""
    return InstallationChanged(
        id=str(seen.id),
        account=fields.name(seen.account.login if seen.account else None),
        at=max(fields.instant(seen.updated_at) or 0, fields.instant(seen.suspended_at) or 0),
        state="active" if seen.suspended_at is None else "suspended",
        permissions=tuple(sorted((fields.name(name), fields.name(level)) for name, level in seen.permissions.items())),
        events=tuple(sorted({fields.name(event) for event in seen.events})),
    )


def pull_request_seen(
    seen: PullRequestObject,
    *,
    reviews: Iterable[ReviewShape],
    events: Sequence[IssueEventObject] | None,
    installation_id: str,
) -> PullRequestSeen:
    """The pull request with its history (`events` is `None` where that was not asked for). Raises PayloadError."""
    merged_at = fields.instant(seen.merged_at)
    if seen.state not in ("open", "closed"):
        raise PayloadError("bad_state", "a pull request is neither open nor closed")
    return PullRequestSeen(
        repository=repository_ref(seen.base.repo, installation_id=installation_id),
        pull_request=pull_request_value(
            seen,
            state=seen.state if seen.merged_at is None else "merged",
            merged_at=seen.merged_at,
            merge_sha=seen.merge_commit_sha if seen.merged_at is not None else None,
            readiness=() if events is None else _readiness(seen, events),
            reviews=_reviews(reviews, events or ()),
        ),
        updated_at=fields.needed_instant(seen.updated_at),
        rank=API_RANK if merged_at is None else MERGED_RANK,
        complete=True,
        test_merge_sha=fields.sha(seen.merge_commit_sha) if merged_at is None else None,
    )


_READY = {"ready_for_review": True, "convert_to_draft": False, "converted_to_draft": False}


def _readiness(seen: PullRequestObject, events: Sequence[IssueEventObject]) -> tuple[tuple[Instant, bool], ...]:
    """How it was opened, by what its first change changed, and every change since."""
    flips = sorted((fields.needed_instant(one.created_at), _READY[one.event]) for one in events if one.event in _READY)
    opened_ready = not flips[0][1] if flips else not seen.draft
    return ((fields.needed_instant(seen.created_at), opened_ready), *flips)


def _reviews(reviews: Iterable[ReviewShape], events: Sequence[IssueEventObject]) -> tuple[Review, ...]:
    """Approvals, and dismissed reviews with what they had been, which only the dismissal's event tells."""
    dismissals = {
        one.dismissed_review.review_id: (fields.needed_instant(one.created_at), one.dismissed_review.state)
        for one in events
        if one.event == "review_dismissed" and one.dismissed_review is not None
    }
    found = []
    for seen in reviews:
        state, submitted_at = seen.state.casefold(), fields.instant(seen.submitted_at)
        dismissed_at, before = dismissals.get(seen.id, (None, ""))
        if submitted_at is None or (state != "approved" and (state != "dismissed" or dismissed_at is None)):
            continue
        found.append(
            Review(
                id=str(seen.id),
                reviewer=fields.name(seen.user.login if seen.user else None),
                approved=state == "approved" or before.casefold() == "approved",
                submitted_at=submitted_at,
                dismissed_at=dismissed_at if state == "dismissed" else None,
            )
        )
    return tuple(found)
