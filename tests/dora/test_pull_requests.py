"""One record from many events: any order, any duplicate; who wins when two events disagree."""

from dataclasses import replace
from functools import reduce
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from bot.dora.events import PullRequestSeen, RepositoryRef
from bot.dora.pull_request_records import PullRequestRecord, from_row, joined, merged_record, record_of, to_row
from bot.dora.pull_requests import PullRequest, Review

SHOP = RepositoryRef(name="github.com/acme/shop", forge="github")
A, B, C = b"\xaa" * 20, b"\xbb" * 20, b"\xcc" * 20


def seen(updated_at: int, pull_request: PullRequest, *, rank: int = 0, complete: bool = True) -> PullRequestSeen:
    return PullRequestSeen(
        repository=SHOP, pull_request=pull_request, updated_at=updated_at, rank=rank, complete=complete
    )


def known(*events: PullRequestSeen) -> PullRequest:
    """What is known after these events, the same in every order."""
    records = {_record(order) for order in permutations(events)}
    assert len(records) == 1
    return records.pop().pull_request


def _record(events: tuple[PullRequestSeen, ...]) -> PullRequestRecord:
    record = None
    for event in events:
        record = merged_record(record, event)
    assert record is not None
    return record


OPENED = PullRequest(number=7, title="Add a cart", author="ann", created_at=10, head_sha=A, readiness=((10, True),))
MERGED = replace(OPENED, state="merged", merged_at=50, merge_sha=C, head_sha=B, readiness=())


def test_the_newest_words_win() -> None:
    edited = replace(OPENED, title="Add a basket", body="why", labels=("ui",))
    relabelled = replace(edited, labels=("ui", "hotfix"))
    found = known(seen(10, OPENED), seen(20, edited), seen(30, relabelled))
    assert (found.title, found.body, found.labels) == ("Add a basket", "why", ("hotfix", "ui"))


def test_an_event_that_does_not_name_the_author_leaves_the_one_that_is_known() -> None:
    nameless = replace(OPENED, author="", title="Add a basket")
    for events in ((seen(10, OPENED), seen(20, nameless)), (seen(20, nameless), seen(10, OPENED))):
        found = known(*events)
        assert (found.author, found.title) == ("ann", "Add a basket")


def test_two_label_events_of_one_second_have_a_fixed_winner() -> None:
    """GitHub sends one event per label, each with the array as it was, in the same second."""
    one, two = replace(OPENED, labels=("a",)), replace(OPENED, labels=("a", "hotfix"))
    assert known(seen(20, one), seen(20, two)).labels == ("a", "hotfix")
    assert known(seen(20, replace(one, labels=("x",))), seen(20, one)).labels == ("x",)
    assert known(seen(20, replace(one, labels=("x",))), seen(20, two)).labels == ("a", "hotfix")


def test_two_heads_of_one_second_have_a_fixed_winner() -> None:
    assert known(seen(20, OPENED), seen(20, replace(OPENED, head_sha=B))).head_sha == B


def test_rank_decides_within_a_second() -> None:
    assert (
        known(seen(20, replace(OPENED, title="z"), rank=1), seen(20, replace(OPENED, title="a"), rank=2)).title == "a"
    )


def test_closed_opens_only_by_something_newer() -> None:
    closed = replace(OPENED, state="closed")
    assert known(seen(20, closed), seen(20, OPENED)).state == "closed"
    assert known(seen(20, closed), seen(30, OPENED)).state == "open"
    assert known(seen(30, closed), seen(20, OPENED)).state == "closed"


def test_a_merge_is_final() -> None:
    """What comes later does not undo it, nor move the head that was merged."""
    pushed_later = replace(OPENED, head_sha=b"\xdd" * 20)
    found = known(seen(50, MERGED), seen(60, pushed_later), seen(20, OPENED))
    assert (found.state, found.merged_at, found.merge_sha, found.head_sha) == ("merged", 50, C, B)


def test_the_first_event_that_shows_the_merge_tells_of_it() -> None:
    """GitLab dates a merge by `updated_at`, which an edit after the merge moves."""
    edited_later = replace(MERGED, merged_at=90, title="later", head_sha=A, merge_sha=A)
    found = known(seen(50, MERGED), seen(90, edited_later))
    assert (found.merged_at, found.merge_sha, found.head_sha, found.title) == (50, C, B, "later")


def test_what_the_first_merged_event_lacks_the_next_one_fills() -> None:
    early = replace(MERGED, merge_sha=None)
    assert known(seen(50, early), seen(51, replace(MERGED, squash_sha=A)), seen(52, MERGED)).merge_sha == C
    assert known(seen(50, early), seen(51, replace(MERGED, squash_sha=A))).squash_sha == A


def test_a_test_merge_is_not_a_merge() -> None:
    """An open pull request's merge_commit_sha, should it get here, is dropped."""
    found = known(seen(20, replace(OPENED, merge_sha=C, squash_sha=C)))
    assert (found.merge_sha, found.squash_sha) == (None, None)


def test_the_head_follows_pushes_until_the_merge() -> None:
    assert known(seen(10, OPENED), seen(20, replace(OPENED, head_sha=B))).head_sha == B


def test_a_reduced_object_says_nothing_of_head_and_merge() -> None:
    reduced = replace(MERGED, title="newer title", head_sha=b"\xdd" * 20, merged_at=70)
    found = known(seen(10, OPENED), seen(60, reduced, complete=False))
    assert (found.state, found.merged_at, found.merge_sha, found.head_sha) == ("closed", None, None, A)
    assert found.title == "newer title"
    assert known(seen(50, MERGED), seen(60, reduced, complete=False)).merged_at == 50


def test_readiness_is_the_union_and_opening_the_earliest() -> None:
    found = known(
        seen(10, replace(OPENED, created_at=None, readiness=((10, False),))),
        seen(30, replace(OPENED, created_at=11, readiness=((30, True),))),
        seen(40, replace(OPENED, created_at=10, readiness=())),
    )
    assert found.readiness == ((10, False), (30, True))
    assert found.created_at == 10


def test_dismissed_absorbs_approved_and_keeps_both_instants() -> None:
    approval = Review(id="1", reviewer="bea", approved=True, submitted_at=20)
    dismissal = Review(id="1", reviewer="bea", approved=False, submitted_at=20, dismissed_at=40)
    again = replace(dismissal, dismissed_at=45)
    events = [
        seen(at, replace(OPENED, reviews=(r,)), complete=False)
        for at, r in ((20, approval), (40, dismissal), (45, again))
    ]
    assert known(*events).reviews == (replace(approval, dismissed_at=40),)


def test_reviews_are_kept_apart_by_id() -> None:
    one, two = (Review(id=id, reviewer="bea", approved=True, submitted_at=20) for id in "12")
    assert known(seen(20, replace(OPENED, reviews=(two,))), seen(20, replace(OPENED, reviews=(one,)))).reviews == (
        one,
        two,
    )


small = st.integers(min_value=0, max_value=3)
shas = st.sampled_from([A, B, C])
words = st.sampled_from(["", "a", "b"])
told = st.builds(
    PullRequest,
    number=st.just(7),
    title=words,
    body=words,
    head_ref=words,
    base_ref=words,
    labels=st.lists(st.sampled_from("xyz"), max_size=3).map(tuple),
    author=words,
    state=st.sampled_from(["open", "closed", "merged"]),
    created_at=st.none() | small,
    merged_at=st.none() | small,
    merge_sha=st.none() | shas,
    squash_sha=st.none() | shas,
    head_sha=st.none() | shas,
    readiness=st.lists(st.tuples(small, st.booleans()), max_size=2).map(tuple),
    reviews=st.lists(
        st.builds(
            Review, id=words, reviewer=words, approved=st.booleans(), submitted_at=small, dismissed_at=st.none() | small
        ),
        max_size=2,
    ).map(tuple),
)
events = st.builds(seen, small, told, rank=st.integers(0, 1), complete=st.booleans())


@given(first=st.lists(events, min_size=1, max_size=6), data=st.data())
def test_any_order_and_any_duplicate_give_one_record(first: list[PullRequestSeen], data: st.DataObject) -> None:
    repeated = first + data.draw(st.lists(st.sampled_from(first), max_size=4))
    other = data.draw(st.permutations(repeated))
    assert _record(tuple(first)) == _record(tuple(other))


@given(st.lists(events, min_size=3, max_size=3))
def test_joining_records_commutes_associates_and_is_idempotent(three: list[PullRequestSeen]) -> None:
    a, b, c = map(record_of, three)
    assert joined(a, b) == joined(b, a)
    assert joined(joined(a, b), c) == joined(a, joined(b, c))
    assert joined(a, a) == a
    assert reduce(joined, [a, b, a, c, b]) == joined(a, joined(b, c))


@given(st.lists(events, min_size=1, max_size=4))
def test_a_record_survives_its_row(some: list[PullRequestSeen]) -> None:
    record = _record(tuple(some))
    assert from_row(*to_row(record)) == record
    assert record.pull_request.state == "merged" if record.pull_request.merged_at is not None else True
