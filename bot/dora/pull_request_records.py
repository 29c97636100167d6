"""What is known of one pull request, merged field by field from events in any order, any of them twice.

Rules: the merge of two records is commutative, associative and idempotent, so equal sets of events give equal records. Each
group of fields is a claim with an order; the greatest (order, content) wins, so that two events of the same second have a
fixed winner. A merge is final: what the first event that shows it says of it stays, fields it lacked are filled by the next.
"""

import json
from dataclasses import dataclass, field, replace

from bot.dora.commits import Sha
from bot.dora.events import PullRequestSeen
from bot.dora.instants import Instant
from bot.dora.pull_requests import PullRequest, Review

Order = tuple[int, ...]
"""Integers, compared from the left; () is less than anything that was ever said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestOrders:
    """The order of what was last believed about each group of fields."""

    core: Order = ()
    """Title, body, branches, labels, author: the newest event's."""
    state: Order = ()
    head: Order = ()
    merged: Order = ()
    merge: Order = ()
    squash: Order = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestRecord:
    """A pull request and what its next event is compared with. `updated_at` is the newest event's instant."""

    pull_request: PullRequest
    updated_at: Instant
    orders: PullRequestOrders = field(default_factory=PullRequestOrders)


def merged_record(old: PullRequestRecord | None, seen: PullRequestSeen) -> PullRequestRecord:
    """The record after one more event about the same pull request."""
    new = record_of(seen)
    return new if old is None else joined(old, new)


def record_of(seen: PullRequestSeen) -> PullRequestRecord:
    """The record of a pull request of which one event was seen; a reduced object says nothing of head and merge."""
    told = seen.pull_request
    newest = (seen.updated_at, seen.rank)
    first = (-seen.updated_at, seen.rank)
    merged = seen.complete and told.merged_at is not None
    closed = told.state != "open"
    pull_request = replace(
        told,
        labels=tuple(sorted(set(told.labels))),
        state="merged" if merged else "closed" if closed else "open",
        merged_at=told.merged_at if merged else None,
        merge_sha=told.merge_sha if merged else None,
        squash_sha=told.squash_sha if merged else None,
        head_sha=told.head_sha if seen.complete else None,
        readiness=tuple(sorted(set(told.readiness))),
        reviews=_reviews(told.reviews),
    )
    orders = PullRequestOrders(
        core=(*newest, int(seen.complete)),
        state=(1,) if merged else (0, *newest, int(closed)),
        head=() if pull_request.head_sha is None else (1, *first) if merged else (0, *newest),
        merged=(*first, -pull_request.merged_at) if pull_request.merged_at is not None else (),
        merge=first if pull_request.merge_sha is not None else (),
        squash=first if pull_request.squash_sha is not None else (),
    )
    return PullRequestRecord(pull_request=pull_request, updated_at=seen.updated_at, orders=orders)


def joined(one: PullRequestRecord, other: PullRequestRecord) -> PullRequestRecord:
    """The record of all events behind two records of one pull request."""
    a, b, mine, theirs = one.pull_request, other.pull_request, one.orders, other.orders
    core, core_order = (b, theirs.core) if _core(other) > _core(one) else (a, mine.core)
    state, state_order = (b.state, theirs.state) if theirs.state > mine.state else (a.state, mine.state)
    merged_at, merged = (b.merged_at, theirs.merged) if theirs.merged > mine.merged else (a.merged_at, mine.merged)
    merge_sha, merge = _sha((mine.merge, a.merge_sha), (theirs.merge, b.merge_sha))
    squash_sha, squash = _sha((mine.squash, a.squash_sha), (theirs.squash, b.squash_sha))
    head_sha, head = _sha((mine.head, a.head_sha), (theirs.head, b.head_sha))
    return PullRequestRecord(
        pull_request=replace(
            core,
            # Not every event names the author, and nobody else becomes it.
            author=max(a.author, b.author),
            state=state,
            created_at=min((at for at in (a.created_at, b.created_at) if at is not None), default=None),
            merged_at=merged_at,
            merge_sha=merge_sha,
            squash_sha=squash_sha,
            head_sha=head_sha,
            readiness=tuple(sorted({*a.readiness, *b.readiness})),
            reviews=_reviews((*a.reviews, *b.reviews)),
        ),
        updated_at=max(one.updated_at, other.updated_at),
        orders=PullRequestOrders(
            core=core_order, state=state_order, head=head, merged=merged, merge=merge, squash=squash
        ),
    )


def _core(record: PullRequestRecord) -> tuple[object, ...]:
    """Order and content of the newest-wins fields: of two label events in one second the one with more labels wins."""
    told = record.pull_request
    return (
        record.orders.core,
        len(told.labels),
        told.labels,
        told.title,
        told.body,
        told.head_ref,
        told.base_ref,
        told.author,
    )


def _sha(mine: tuple[Order, Sha | None], theirs: tuple[Order, Sha | None]) -> tuple[Sha | None, Order]:
    """The sha of the greater claim."""
    order, sha = max(mine, theirs, key=lambda claim: (claim[0], claim[1] or b""))
    return sha, order


def _reviews(reviews: tuple[Review, ...]) -> tuple[Review, ...]:
    """Each review once, by (id, submitted_at): dismissed absorbs approved, and the earliest dismissal stays."""
    known: dict[tuple[str, Instant], Review] = {}
    for review in reviews:
        key = (review.id, review.submitted_at)
        before = known.setdefault(key, review)
        dismissals = [at for at in (before.dismissed_at, review.dismissed_at) if at is not None]
        known[key] = replace(
            before,
            reviewer=max(before.reviewer, review.reviewer),
            approved=before.approved or review.approved,
            dismissed_at=min(dismissals, default=None),
        )
    return tuple(known[key] for key in sorted(known))


RecordRow = tuple[
    int,
    str,
    str,
    str,
    str,
    str,
    str,
    str,
    int | None,
    int,
    int | None,
    Sha | None,
    Sha | None,
    Sha | None,
    str,
    str,
    str,
]


def to_row(record: PullRequestRecord) -> RecordRow:
    """The columns of table `pull_request` from `number` on, in the table's order; equal records give equal rows."""
    told, orders = record.pull_request, record.orders
    reviews = [
        {
            "id": review.id,
            "reviewer": review.reviewer,
            "approved": review.approved,
            "submitted_at": review.submitted_at,
            "dismissed_at": review.dismissed_at,
        }
        for review in told.reviews
    ]
    names = ("core", "state", "head", "merged", "merge", "squash")
    claims = (orders.core, orders.state, orders.head, orders.merged, orders.merge, orders.squash)
    return (
        told.number,
        told.title,
        told.body,
        told.head_ref,
        told.base_ref,
        _json(told.labels),
        told.author,
        told.state,
        told.created_at,
        record.updated_at,
        told.merged_at,
        told.merge_sha,
        told.squash_sha,
        told.head_sha,
        _json(told.readiness),
        _json(reviews),
        _json(dict(zip(names, claims, strict=True))),
    )


def from_row(
    number: int,
    title: str,
    body: str,
    head_ref: str,
    base_ref: str,
    labels: str,
    author: str,
    state: str,
    created_at: int | None,
    updated_at: int,
    merged_at: int | None,
    merge_sha: Sha | None,
    squash_sha: Sha | None,
    head_sha: Sha | None,
    readiness: str,
    reviews: str,
    orders: str,
) -> PullRequestRecord:
    """The record behind a row that `to_row` made."""
    pull_request = PullRequest(
        number=number,
        title=title,
        body=body,
        head_ref=head_ref,
        base_ref=base_ref,
        labels=tuple(json.loads(labels)),
        author=author,
        state=state,
        created_at=created_at,
        merged_at=merged_at,
        merge_sha=_bytes(merge_sha),
        squash_sha=_bytes(squash_sha),
        head_sha=_bytes(head_sha),
        readiness=tuple((at, ready) for at, ready in json.loads(readiness)),
        reviews=tuple(Review(**review) for review in json.loads(reviews)),
    )
    claims = {name: tuple(order) for name, order in json.loads(orders).items()}
    return PullRequestRecord(pull_request=pull_request, updated_at=updated_at, orders=PullRequestOrders(**claims))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _bytes(sha: Sha | None) -> Sha | None:
    """A driver may hand out a view of its buffer."""
    return None if sha is None else bytes(sha)
