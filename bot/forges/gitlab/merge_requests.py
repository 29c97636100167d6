"""A merge request as the API tells it, as one event: who approved it when, since when it is ready, as what it was merged.

Instants are cut to whole seconds: webhooks tell no more, and both are to say the same.
"""

import re
from collections.abc import Sequence

from bot.dora.commits import Sha
from bot.dora.events import PullRequestSeen, RepositoryRef
from bot.dora.instants import SECOND, Instant
from bot.dora.pull_requests import PullRequest, Review
from bot.forges import PayloadError, fields
from bot.forges.gitlab.answers import Approvals, MergeRequest, Note
from bot.forges.gitlab.landing import landed

RANK = 10
"""What is read is the newest of its second: after all webhooks."""
STATES = {"opened": "open", "locked": "open", "closed": "closed", "merged": "merged"}
_FLIP = re.compile(
    r"(?P<undone>un)?marked (?:this merge request )?as (?:a )?\*\*(?P<word>draft|ready|work in progress)\*\*", re.IGNORECASE
)
_COMMITS_ADDED = re.compile(r"added \d+ commits?\b")


def merge_request_seen(
    told: MergeRequest, *, repository: RepositoryRef, notes: Sequence[Note], approvals: Approvals | None
) -> PullRequestSeen:
    """The whole merge request. `notes` are all of it, oldest first; without `approvals` the notes decide. Raises PayloadError."""
    state = STATES.get(told.state)
    if state is None:
        raise PayloadError("bad_state", "a merge request is neither open nor closed nor merged")
    merged_at = second(told.merged_at)
    if state == "merged" and merged_at is None:
        # Merged before GitLab kept the instant: nothing else tells it.
        merged_at = _needed(told.updated_at)
    is_merged = state == "merged"
    merge_sha, squash_sha = _landed(told) if is_merged else (None, None)
    author = fields.name(told.author.username if told.author else None)
    written = [note for note in notes if note.system]
    return PullRequestSeen(
        repository=repository,
        pull_request=PullRequest(
            number=fields.number(told.iid),
            title=fields.name(told.title),
            body=fields.text(told.description),
            head_ref=fields.name(told.source_branch),
            base_ref=fields.name(told.target_branch),
            labels=tuple(dict.fromkeys(fields.name(label) for label in told.labels)),
            author=author,
            state=state,
            created_at=second(told.created_at),
            merged_at=merged_at if is_merged else None,
            merge_sha=merge_sha,
            squash_sha=squash_sha,
            head_sha=fields.sha(told.sha),
            readiness=_readiness(told, written),
            reviews=tuple(review for review in _reviews(written, approvals) if review.reviewer != author),
        ),
        updated_at=_needed(told.updated_at),
        rank=RANK,
        complete=True,
    )


def _landed(told: MergeRequest) -> tuple[Sha | None, Sha | None]:
    return landed(
        merge=told.merge_commit_sha, squash=told.squash_commit_sha, head=told.sha, squashed=bool(told.squash)
    )


def second(text: str | None) -> Instant | None:
    """An instant, cut to its second."""
    at = fields.instant(text)
    return None if at is None else at - at % SECOND


def _needed(text: str) -> Instant:
    at = fields.needed_instant(text)
    return at - at % SECOND


def _readiness(told: MergeRequest, notes: Sequence[Note]) -> tuple[tuple[Instant, bool], ...]:
    """All changes between draft and ready; what it was at first is the opposite of the first change."""
    found = [(note, flip) for note in notes if (flip := _FLIP.match(note.body))]
    flips = [
        (_needed(note.created_at), (flip["word"].lower() == "ready") != bool(flip["undone"])) for note, flip in found
    ]
    first = not flips[0][1] if flips else not told.is_draft
    return ((_needed(told.created_at), first), *flips)


def _reviews(notes: Sequence[Note], approvals: Approvals | None) -> list[Review]:
    """Approvals and withdrawals by GitLab's own notes; an approval that stands and has no note, by its own instant.

    One that does not stand although nobody withdrew it fell to a push: it ends with the next commits, else with itself.
    """
    given: dict[str, list[Review]] = {}
    withdrawn: list[Review] = []
    pushed = [_needed(note.created_at) for note in notes if _COMMITS_ADDED.match(note.body)]
    for note in notes:
        who = fields.name(note.author.username if note.author else None)
        at = _needed(note.created_at)
        if who and note.body == "approved this merge request":
            given.setdefault(who, []).append(approval(who, at))
        elif who and note.body == "unapproved this merge request":
            withdrawn.append(withdrawal(who, at))
    if approvals is not None:
        standing = {fields.name(one.user.username): second(one.approved_at) for one in approvals.approved_by}
        for who, stands_since in standing.items():
            if stands_since is not None and who not in given:
                given[who] = [approval(who, stands_since)]
        for who in sorted(given.keys() - standing.keys()):
            last = given[who][-1].submitted_at
            if not any(one.reviewer == who and one.submitted_at >= last for one in withdrawn):
                withdrawn.append(withdrawal(who, min((at for at in pushed if at >= last), default=last)))
    return [*(review for reviews in given.values() for review in reviews), *withdrawn]


def approval(reviewer: str, at: Instant) -> Review:
    """An approval: they have no ids, so it is known by who and when."""
    return Review(id=f"{reviewer}+{at}", reviewer=reviewer, approved=True, submitted_at=at)


def withdrawal(reviewer: str, at: Instant) -> Review:
    """It ends what its reviewer gave until then."""
    return Review(id=f"{reviewer}-{at}", reviewer=reviewer, approved=False, submitted_at=at, dismissed_at=at)
