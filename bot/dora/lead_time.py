"""The lead time of a change and its five stages (semantics §4).

Rules: a commit's time is its author date; ends are inclusive (an approval in the very second of the merge came before it, as
an automatic merge does); a stage is absent with its reason, never 0 for unknown and never negative.
"""

from dataclasses import dataclass

from bot.dora.instants import PLAUSIBLE_COMMIT, Duration, Instant
from bot.dora.pull_requests import PullRequest
from bot.dora.reasons import Dropped, NoStage

STAGES = ("time_to_pr_ready", "review_time", "merge_time", "time_to_deploy", "deploy_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLeadTime:
    """Durations in nanoseconds; an absent one is `None` and `absent` (in the order of `STAGES`) says why."""

    total: Duration | None
    bad_date: Dropped | None
    stages: tuple[Duration | None, ...]
    absent: tuple[NoStage | None, ...]


def commit_instant(
    authored_at: Instant | None, committed_at: Instant | None, *, started_at: Instant
) -> Instant | None:
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
    latest: Instant | None = None
    for review in pull_request.reviews:
        at = review.submitted_at
        if not review.approved or (review.reviewer and review.reviewer == pull_request.author):
            continue
        if merged_at is not None and at > merged_at:
            continue
        dismissals = (
            other.dismissed_at
            for other in pull_request.reviews
            if other.id == review.id and other.dismissed_at is not None and other.dismissed_at >= at
        )
        dismissed_at = min(dismissals, default=None)
        if dismissed_at is not None and (merged_at is None or dismissed_at < merged_at):
            continue
        latest = at if latest is None else max(latest, at)
    return latest


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
