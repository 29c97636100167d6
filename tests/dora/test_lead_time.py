"""Lead time and its five stages: each sentence of semantics §4, with numbers that can be followed by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dora.instants import HOUR, PLAUSIBLE_COMMIT, SECOND
from bot.dora.lead_time import ChangeLeadTime, commit_instant, lead_time, stage_instants
from bot.dora.pull_requests import PullRequest, Review
from bot.dora.reasons import Dropped, NoStage

DAY_ONE = 1_700_000_000 * SECOND


def h(hours: float) -> int:
    """An instant, so many hours after the start of the story."""
    return DAY_ONE + int(hours * HOUR)


def approved(hours: float, *, by: str = "bea", dismissed: float | None = None, id: str = "") -> Review:
    return Review(
        id=id or f"{by}{hours}",
        reviewer=by,
        approved=True,
        submitted_at=h(hours),
        dismissed_at=None if dismissed is None else h(dismissed),
    )


def pull(
    *, ready: tuple[tuple[float, bool], ...] = ((2, True),), reviews: tuple[Review, ...] = (), merged: float | None = 8
) -> PullRequest:
    return PullRequest(
        number=7,
        author="ann",
        created_at=h(1),
        merged_at=None if merged is None else h(merged),
        readiness=tuple((h(at), to) for at, to in ready),
        reviews=reviews,
    )


def measured(
    commit: float | None,
    pull_request: PullRequest | None,
    *,
    started: float = 10,
    finished: float = 11,
    duration: bool = True,
) -> ChangeLeadTime:
    return lead_time(
        None if commit is None else h(commit),
        started_at=h(started),
        finished_at=h(finished),
        has_duration=duration,
        pull_request=pull_request,
    )


def hours(result: ChangeLeadTime) -> list[float | NoStage | None]:
    """The stages in hours, or the reason of each absent one."""
    spans = zip(result.stages, result.absent, strict=True)
    return [reason if span is None else span / HOUR for span, reason in spans]


def test_the_whole_way_of_a_commit() -> None:
    result = measured(0, pull(reviews=(approved(5),)))
    assert hours(result) == [2, 3, 3, 2, 1]
    assert result.total == 11 * HOUR
    assert result.bad_date is None


@pytest.mark.parametrize(
    ("authored", "committed", "expected"),
    [
        (h(1), h(2), h(1)),
        (PLAUSIBLE_COMMIT, h(2), PLAUSIBLE_COMMIT),
        (PLAUSIBLE_COMMIT - 1, h(2), h(2)),
        (h(10), h(2), h(10)),
        (h(10) + 1, h(2), h(2)),
        (None, h(2), h(2)),
        (None, None, None),
        (h(11), h(12), None),
        (0, PLAUSIBLE_COMMIT - 1, None),
    ],
)
def test_a_commit_counts_from_its_author_date(
    authored: int | None, committed: int | None, expected: int | None
) -> None:
    assert commit_instant(authored, committed, started_at=h(10)) == expected


def test_ready_is_the_latest_change_to_ready_before_the_last_approval() -> None:
    story = pull(ready=((1, False), (2, True), (3, False), (4, True), (6, False), (7, True)), reviews=(approved(5),))
    assert stage_instants(story) == (h(4), h(5))


def test_an_approval_before_any_ready_counts_from_the_latest_ready_before_the_merge() -> None:
    story = pull(ready=((1, False), (4, True), (5, False), (6, True)), reviews=(approved(3),))
    assert stage_instants(story) == (h(6), h(6))
    assert hours(measured(0, story)) == [6, 0, 2, 2, 1]


def test_ready_after_the_merge_says_nothing() -> None:
    story = pull(ready=((1, True), (9, True)), reviews=(approved(5),))
    assert stage_instants(story) == (h(1), h(5))


def test_without_approval_ready_is_the_latest_before_the_merge() -> None:
    story = pull(ready=((1, False), (2, True), (3, False), (4, True)))
    assert stage_instants(story) == (h(4), None)
    assert hours(measured(0, story)) == [4, NoStage.NO_APPROVAL, NoStage.NO_APPROVAL, 2, 1]


def test_a_pull_request_that_nobody_saw_as_a_draft_was_ready_at_its_opening() -> None:
    assert stage_instants(pull(ready=())) == (h(1), None)


def test_a_draft_whose_change_was_missed_was_ready_by_its_merge() -> None:
    assert stage_instants(pull(ready=((1, False),), reviews=(approved(5),))) == (h(8), h(8))


@pytest.mark.parametrize(
    ("reviews", "expected"),
    [
        ((approved(3), approved(5)), 5),
        ((approved(3), approved(5, by="ann")), 3),
        ((approved(9),), None),
        ((approved(8),), 8),
        ((approved(5, dismissed=7),), None),
        ((approved(5, dismissed=8),), 5),
        ((approved(5, dismissed=9),), 5),
        ((approved(3, id="1", by="cid"), approved(5, id="2", dismissed=6)), 3),
        ((Review(id="1", reviewer="bea", approved=False, submitted_at=h(5)),), None),
        ((approved(5, by=""),), 5),
    ],
    ids=[
        "the latest counts",
        "the author's own does not",
        "given after the merge",
        "in the second of the merge",
        "dismissed before the merge",
        "dismissed with the merge",
        "dismissed after the merge",
        "one of two dismissed",
        "no approval",
        "a deleted account is not the author",
    ],
)
def test_last_approval(reviews: tuple[Review, ...], expected: float | None) -> None:
    assert stage_instants(pull(reviews=reviews))[1] == (None if expected is None else h(expected))


def withdrawn(hours: float, by: str = "bea") -> Review:
    at = h(hours)
    return Review(id=f"{by}-{hours}", reviewer=by, approved=False, submitted_at=at, dismissed_at=at)


def test_a_withdrawal_ends_what_its_reviewer_gave_until_then() -> None:
    assert stage_instants(pull(reviews=(approved(3), withdrawn(4))))[1] is None
    assert stage_instants(pull(reviews=(approved(3), withdrawn(4), approved(6))))[1] == h(6)
    assert stage_instants(pull(reviews=(approved(3), withdrawn(4, by="cid"))))[1] == h(3)
    assert stage_instants(pull(reviews=(approved(3), withdrawn(9))))[1] == h(3)


@pytest.mark.parametrize(
    ("commit", "expected"),
    [
        (3, [NoStage.COMMIT_AFTER_READY, 3, 3, 2, 1]),
        (6, [NoStage.COMMIT_AFTER_READY, NoStage.COMMIT_AFTER_APPROVAL, 3, 2, 1]),
        (2, [0, 3, 3, 2, 1]),
        (5, [NoStage.COMMIT_AFTER_READY, 3, 3, 2, 1]),
    ],
)
def test_a_commit_made_during_the_review(commit: float, expected: list[float | NoStage]) -> None:
    assert hours(measured(commit, pull(reviews=(approved(5),)))) == expected


NO_PULL_REQUEST, LATE = NoStage.NO_PULL_REQUEST, NoStage.MERGED_AFTER_DEPLOYMENT


def test_without_a_pull_request_deploying_begins_with_the_commit() -> None:
    assert hours(measured(4, None)) == [NO_PULL_REQUEST] * 3 + [6, 1]
    assert hours(measured(4, pull(merged=None))) == [NO_PULL_REQUEST] * 3 + [6, 1]


def test_a_pull_request_merged_after_the_start_is_ignored() -> None:
    assert hours(measured(4, pull(reviews=(approved(5),)), started=7)) == [LATE] * 3 + [3, 4]
    assert hours(measured(4, pull(reviews=(approved(5),)), started=8))[3] == 0


def test_tags_and_telemetry_have_no_deploy_time() -> None:
    assert hours(measured(4, None, started=10, finished=10, duration=False))[4] is NoStage.NO_DURATION
    assert hours(measured(4, None, started=10, finished=10))[4] == 0


def test_a_bad_date_takes_what_begins_with_the_commit_and_no_more() -> None:
    result = measured(None, pull(reviews=(approved(5),)))
    assert (result.total, result.bad_date) == (None, Dropped.BAD_DATE)
    assert hours(result) == [NoStage.BAD_DATE, 3, 3, 2, 1]
    assert hours(measured(None, None))[3] is NoStage.BAD_DATE


def test_a_stage_is_never_negative() -> None:
    result = lead_time(h(12), started_at=h(10), finished_at=h(11), has_duration=True, pull_request=None)
    assert hours(result) == [NO_PULL_REQUEST] * 3 + [NoStage.NEGATIVE, 1]
    assert (result.total, result.bad_date) == (None, Dropped.BAD_DATE)


instants = st.integers(min_value=0, max_value=40).map(lambda at: DAY_ONE + at)
reviews = st.builds(
    Review,
    id=st.sampled_from("123"),
    reviewer=st.sampled_from(["ann", "bea", "cid", ""]),
    approved=st.booleans(),
    submitted_at=instants,
    dismissed_at=st.none() | instants,
)
merged_pulls = st.builds(
    PullRequest,
    number=st.just(7),
    author=st.just("ann"),
    created_at=st.none() | instants,
    merged_at=instants,
    readiness=st.lists(st.tuples(instants, st.booleans()), max_size=5).map(tuple),
    reviews=st.lists(reviews, max_size=5).map(tuple),
)


@given(pull_request=merged_pulls, commit_at=instants, waited=st.integers(0, 9), took=st.integers(0, 9))
def test_the_stages_of_a_commit_older_than_ready_add_up_exactly(
    pull_request: PullRequest, commit_at: int, waited: int, took: int
) -> None:
    merged_at = pull_request.merged_at
    assert merged_at is not None
    started_at = merged_at + waited
    ready_at, approved_at = stage_instants(pull_request)
    assert ready_at is not None
    assert ready_at <= (approved_at if approved_at is not None else ready_at) <= merged_at
    result = lead_time(
        commit_at, started_at=started_at, finished_at=started_at + took, has_duration=True, pull_request=pull_request
    )
    assert all((span is None) != (reason is None) for span, reason in zip(result.stages, result.absent, strict=True))
    assert all(span >= 0 for span in result.stages if span is not None)
    if approved_at is not None and commit_at <= ready_at:
        assert sum(span for span in result.stages if span is not None) == result.total
        assert result.absent == (None,) * 5
