"""The lead time of a change and its five stages (semantics §4).

Rules: a commit's time is its author date; ends are inclusive (an approval in the very second of the merge came before it, as
an automatic merge does); a stage is absent with its reason, never 0 for unknown and never negative.
"""

from dataclasses import dataclass

from bot.dora.instants import PLAUSIBLE_COMMIT, Duration, Instant
from bot.dora.pull_requests import PullRequest, Review
from bot.dora.reasons import Dropped, NoStage

STAGES = ("time_to_pr_ready", "review_time", "merge_time", "time_to_deploy", "deploy_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLeadTime:
    """Durations in nanoseconds; an absent one is `None` and `absent` (in the order of `STAGES`) says why."""

    total: Duration | None
    bad_date: Dropped | None
    stages: tuple[Duration | None, ...]
    absent: tuple[NoStage | None, ...]


def commit_instant(authored_at: Instant | None, committed_at: Instant | None, *, started_at: Instant) -> Instant | None:
    """When a commit was made, for a deployment that started at `started_at`; `None` if both of its dates are implausible."""
    for at in (authored_at, committed_at):
        if at is not None and PLAUSIBLE_COMMIT <= at <= started_at:
            return at
    return None


def stage_instants(pull_request: PullRequest) -> tuple[Instant | None, Instant | None]:
    """When a pull request was ready for review and when it was last approved (`None`: not approved by anybody else).

    Of a merged one ready is always known, and ready ≤ approved ≤ merged.
    """
    merged_at = pull_request.merged_at
    approved_at = _last_approval(pull_request)
    known = [at for at, ready in pull_request.readiness if ready and (merged_at is None or at <= merged_at)]
    if not known:
        ready_at = _unseen_ready(pull_request)
    elif approved_at is not None and min(known) <= approved_at:
        ready_at = max(at for at in known if at <= approved_at)
    else:
        ready_at = max(known)
    if approved_at is not None and ready_at is not None:
        approved_at = max(approved_at, ready_at)
    return ready_at, approved_at


def _unseen_ready(pull_request: PullRequest) -> Instant | None:
    """Ready, when no event told: at its opening, unless it was seen as a draft; then the merge is the first proof."""
    merged_at = pull_request.merged_at
    if not pull_request.readiness and pull_request.created_at is not None:
        opened_at = pull_request.created_at
        return opened_at if merged_at is None else min(opened_at, merged_at)
    return merged_at


def _last_approval(pull_request: PullRequest) -> Instant | None:
    """The latest approval by somebody other than the author, given by the merge and not dismissed before it."""
    merged_at = pull_request.merged_at
    standing = []
    for review in pull_request.reviews:
        by_author = review.reviewer != "" and review.reviewer == pull_request.author
        if not review.approved or by_author or (merged_at is not None and review.submitted_at > merged_at):
            continue
        dismissed_at = _dismissed_at(review, pull_request.reviews)
        if dismissed_at is None or (merged_at is not None and dismissed_at >= merged_at):
            standing.append(review.submitted_at)
    return max(standing, default=None)


def _dismissed_at(approval: Review, reviews: tuple[Review, ...]) -> Instant | None:
    """When an approval ended: by its own dismissal, or by a withdrawal, which names the person only."""
    ends = (
        review.dismissed_at
        for review in reviews
        if review.dismissed_at is not None
        and review.dismissed_at >= approval.submitted_at
        and (review.id == approval.id or (_is_withdrawal(review) and review.reviewer == approval.reviewer))
    )
    return min(ends, default=None)


def _is_withdrawal(review: Review) -> bool:
    """GitLab's approvals have no id, so taking them back arrives as a review that is dismissed when it is made."""
    return not review.approved and review.reviewer != "" and review.dismissed_at == review.submitted_at


def lead_time(
    commit_at: Instant | None,
    *,
    started_at: Instant,
    finished_at: Instant,
    has_duration: bool,
    pull_request: PullRequest | None,
) -> ChangeLeadTime:
    """The lead time of one change in one deployment.

    `commit_at` comes from `commit_instant`; `has_duration` is false for tags and telemetry, whose deployments have no length;
    `pull_request` is the one that introduced the commit.
    """
    spans: list[Duration | NoStage]
    if pull_request is None or pull_request.merged_at is None:
        spans = [*[NoStage.NO_PULL_REQUEST] * 3, _span(commit_at, started_at)]
    elif pull_request.merged_at > started_at:
        spans = [*[NoStage.MERGED_AFTER_DEPLOYMENT] * 3, _span(commit_at, started_at)]
    else:
        spans = [*_review_spans(commit_at, pull_request), _span(pull_request.merged_at, started_at)]
    spans.append(_span(started_at, finished_at) if has_duration else NoStage.NO_DURATION)
    total = _span(commit_at, finished_at)
    known = total if not isinstance(total, NoStage) else None
    return ChangeLeadTime(
        total=known,
        bad_date=None if known is not None else Dropped.BAD_DATE,
        stages=tuple(None if isinstance(span, NoStage) else span for span in spans),
        absent=tuple(span if isinstance(span, NoStage) else None for span in spans),
    )


def _review_spans(commit_at: Instant | None, pull_request: PullRequest) -> list[Duration | NoStage]:
    """Time to ready, review time and merge time."""
    ready_at, approved_at = stage_instants(pull_request)
    to_ready = _span(commit_at, ready_at)
    if to_ready is NoStage.NEGATIVE:
        to_ready = NoStage.COMMIT_AFTER_READY
    if approved_at is None:
        return [to_ready, NoStage.NO_APPROVAL, NoStage.NO_APPROVAL]
    late = commit_at is not None and commit_at > approved_at
    review = NoStage.COMMIT_AFTER_APPROVAL if late else _span(ready_at, approved_at)
    return [to_ready, review, _span(approved_at, pull_request.merged_at)]


def _span(start: Instant | None, end: Instant | None) -> Duration | NoStage:
    """From `start` to `end`, or why that cannot be said."""
    if start is None or end is None:
        return NoStage.BAD_DATE
    return end - start if end >= start else NoStage.NEGATIVE
