"""What correspondents tell us, as values: the common tongue of `forges/`, `sources/`, `facts/` and `pipeline/`."""

from dataclasses import dataclass

from bot.dora.commits import Commit, Sha
from bot.dora.instants import Instant
from bot.dora.pull_requests import PullRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRef:
    """A repository as an event names it. `name` is a RepositoryId; `remote` a clone URL without credentials."""

    name: str
    forge: str
    forge_id: str = ""
    remote: str = ""
    default_branch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A ref moved. `after` is `None` when it was deleted; `commits` are the payload's own (no parents, committer dates only)."""

    repository: RepositoryRef
    ref: str
    after: Sha | None
    commits: tuple[Commit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestSeen:
    """A pull request as one event shows it: to be merged, field by field, into what is known.

    `(updated_at, rank)` orders events about the same fields; `complete` is false for the reduced object inside a review event,
    which says nothing of the merge. `pull_request.readiness` and `.reviews` hold only what this event adds.
    """

    repository: RepositoryRef
    pull_request: PullRequest
    updated_at: Instant
    rank: int
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """An authentic event that needs nothing done. `reason` is a short slug, counted."""

    reason: str


ForgeEvent = Push | PullRequestSeen | Ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDeployment:
    """A deployment as a source reports it, validated. `service`, `env`, `version`, `team` are trimmed but as written ("" = absent).

    `repository_url` is as sent without credentials, `repository` its RepositoryId; both "" without git data. `id` is "" when the
    sender gave none.
    """

    id: str
    service: str
    env: str
    version: str
    repository_url: str
    repository: str
    commit_sha: Sha | None
    started_at: Instant
    finished_at: Instant
    team: str
    tags: tuple[str, ...]
    source: str
