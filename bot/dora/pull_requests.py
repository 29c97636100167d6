"""Pull requests (merge requests too), their reviews, and the commits that their merge introduced.

How events about one pull request become one record stands in `pull_request_records.py`, how its commits reached the target branch
in `landing.py`.
"""

from dataclasses import dataclass
from enum import StrEnum, unique

from bot.dora.commits import Sha
from bot.dora.instants import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One review: approved until dismissed. `reviewer` is the forge's login.

    A dismissal ends the approvals of its id that were given until then. A review that never approved and is dismissed in the
    instant it is made is a withdrawal: it ends those that its reviewer gave until then (GitLab's approvals have no id).
    """

    id: str
    reviewer: str
    approved: bool
    submitted_at: Instant
    dismissed_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """What the forge told of a pull request. `readiness` are the changes (instant, ready?) between draft and ready, any order."""

    number: int
    title: str = ""
    body: str = ""
    head_ref: str = ""
    base_ref: str = ""
    labels: tuple[str, ...] = ()
    author: str = ""
    state: str = "open"
    created_at: Instant | None = None
    merged_at: Instant | None = None
    merge_sha: Sha | None = None
    """The commit that the target branch got: merge commit, squashed commit, or the last of a rebase. Only of a merged one."""
    squash_sha: Sha | None = None
    """GitLab only: the squashed commit, where a merge commit carries it."""
    head_sha: Sha | None = None
    """The source branch's head; of a merged one, as the forge reported it at merge."""
    readiness: tuple[tuple[Instant, bool], ...] = ()
    reviews: tuple[Review, ...] = ()


@unique
class Landing(StrEnum):
    """How a pull request reached its target branch."""

    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"
    FAST_FORWARD = "fast_forward"


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduced:
    """The commits that a merged pull request brought to its target branch.

    `commits` are on the target branch. `originals` are those a squash merge replaced (in topological order; empty when they
    cannot be had, then `flag` says why), `squashed` is the commit that stands for them. `rebased` are, of a rebase, those that
    became `commits`, in their order. `head_missing` asks the mirror to fetch the pull request's head.
    """

    landing: Landing
    commits: tuple[Sha, ...]
    squashed: Sha | None = None
    originals: tuple[Sha, ...] = ()
    rebased: tuple[Sha, ...] = ()
    flag: str | None = None
    head_missing: bool = False
