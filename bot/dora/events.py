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
    installation_id: str = ""
    """The GitHub App's installation that the event came through."""
    seen_at: Instant | None = None
    """When the forge used this name for this id, by the event's own clock."""


EVERY_REF = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A ref moved, or several (`EVERY_REF`). `after` is `None` when it was deleted.

    `commits` are the payload's own: no parents, committer dates only.
    """

    repository: RepositoryRef
    ref: str
    after: Sha | None
    commits: tuple[Commit, ...] = ()
    before: Sha | None = None
    """Where the ref stood; `None` when it was made, or nobody says."""


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
    test_merge_sha: Sha | None = None
    """What the forge merged to try it out, while it is not merged (GitHub); CI may deploy that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryChanged:
    """A repository was created, renamed, moved, archived or deleted; `repository` is what it is called afterwards."""

    repository: RepositoryRef
    at: Instant
    old_name: str = ""
    """Its RepositoryId before a rename or transfer."""
    state: str = ""
    """active, archived, deleted; "" where the event does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceRenamed:
    """All repositories below `old` (host and path, as the beginning of RepositoryIds) are below `new` from `at` on."""

    old: str
    new: str
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationChanged:
    """What an event or the API says of an installation of the GitHub App; `None` and () where it says nothing."""

    id: str
    account: str
    at: Instant
    state: str = ""
    """active, suspended, deleted."""
    permissions: tuple[tuple[str, str], ...] | None = None
    events: tuple[str, ...] | None = None
    added: tuple[RepositoryRef, ...] = ()
    removed: tuple[RepositoryRef, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSeen:
    """A state of a deployment at a forge, in the forge's own word for it."""

    repository: RepositoryRef
    forge_id: str
    environment: str
    sha: Sha | None
    ref: str
    created_at: Instant | None
    state: str
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSeen:
    """A release: draft, prerelease, published or deleted."""

    repository: RepositoryRef
    forge_id: str
    tag: str
    name: str
    state: str
    published_at: Instant | None
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueSeen:
    """An issue or incident as one event shows it: its type (issue, incident, …), `state` open, closed or deleted.

    `changes` are the openings and closings that the event tells of, each with its own instant.
    """

    repository: RepositoryRef
    number: int
    kind: str
    title: str
    labels: tuple[str, ...]
    severity: str
    state: str
    created_at: Instant | None
    closed_at: Instant | None
    at: Instant
    changes: tuple[tuple[Instant, str], ...] = ()
    unlabeled: tuple[str, ...] = ()
    """Labels that were taken off at `at`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """An authentic event that needs nothing done. `reason` is a short slug, counted."""

    reason: str


ForgeEvent = (
    Push | PullRequestSeen | RepositoryChanged | NamespaceRenamed | InstallationChanged | DeploymentSeen | ReleaseSeen
    | IssueSeen | Ignored
)  # fmt: skip


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
