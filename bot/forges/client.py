"""What the pipeline asks of a forge, and how a forge refuses; `forges/github` and `forges/gitlab` each answer it.

Rules: a client retries nothing for longer than a few seconds; it says when to come again, and whoever asked waits. Nothing
here blocks the event loop. No error's text holds a token.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bot.dora.events import ForgeEvent, PullRequestSeen
from bot.dora.instants import Instant
from bot.dora.issues import IssueSelection
from bot.forges import ForgeError

if TYPE_CHECKING:
    from bot.forges.history import HistorySource


class ForgeUnavailableError(ForgeError):
    """The forge cannot answer now: out of order, too slow, a broken or foreign answer, or its rate limit."""

    def __init__(self, slug: str, detail: str = "", *, retry_at: Instant | None = None) -> None:
        super().__init__(slug, detail)
        self.retry_at = retry_at


class NotAllowedError(ForgeError):
    """The credentials do not reach so far; the detail names the permission that is missing."""

    @property
    def is_of_credentials(self) -> bool:
        """Whether the forge does not know the credentials at all: asking for something else helps as little."""
        return self.slug in {"unauthorized", "unauthorised", "no_app"}


class NotThereError(ForgeError):
    """What was asked for is not there, or not for us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryKey:
    """A repository to ask about. `path` is what follows the host in its RepositoryId, `forge_id` its numeric id or ""."""

    path: str
    forge_id: str
    installation_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """A page of what a listing says, as events to record; `cursor` leads to the next, "" at the end."""

    events: tuple[ForgeEvent, ...]
    cursor: str
    total: int | None = None
    """How many there are in all, where the forge says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSeen:
    """A place that webhooks come from: the GitHub App, or a project's, group's or instance's hook on GitLab.

    `state` is active, disabled, forbidden (its log may not be read) or gone.
    """

    id: str
    subject: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One attempt to deliver, by a hook's own log. `key` is the dedupe key its delivery has in our inbox."""

    id: str
    key: str
    event: str
    delivered_at: Instant
    succeeded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """A page of a hook's log, newest first."""

    entries: tuple[LogEntry, ...]
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedDelivery:
    """What was or should have been delivered: header names in lower case, the body as JSON bytes."""

    event: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A finding at a line of a file."""

    path: str
    line: int
    level: str
    """notice, warning or failure."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the bot says under a pull request. `conclusion` is success, neutral or failure; `summary` is Markdown."""

    number: int
    head_sha: str
    conclusion: str
    title: str
    summary: str
    annotations: tuple[Annotation, ...] = ()
    details_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitAccess:
    """What git is to say to the forge; the token is never shown."""

    username: str
    token: str = field(repr=False)


class ForgeClient(Protocol):
    """One forge's API. Every call may raise ForgeUnavailableError, NotAllowedError, NotThereError."""

    forge: str
    history: "HistorySource | None"
    """What the API tells of histories that git may not read; `None` where git is the only way."""

    async def git_access(self, repository: RepositoryKey) -> GitAccess | None:
        """Credentials for fetching; `None` where nothing is configured for it."""

    async def repositories(self, *, cursor: str) -> EventPage:
        """All repositories that we may read, as InstallationChanged and RepositoryChanged events."""

    async def pull_requests(self, repository: RepositoryKey, *, since: Instant | None, cursor: str) -> EventPage:
        """Pull requests updated since, newest first, each whole: reviews and ready-for-review history included."""

    async def pull_request(self, repository: RepositoryKey, number: int) -> PullRequestSeen:
        """One pull request, whole."""

    async def deployments(self, repository: RepositoryKey, *, since: Instant | None, cursor: str) -> EventPage:
        """Deployments at the forge made (or changed) since, with the states that they went through."""

    async def releases(self, repository: RepositoryKey, *, cursor: str) -> EventPage:
        """All releases."""

    async def issues(
        self, repository: RepositoryKey, *, chosen: IssueSelection, since: Instant | None, cursor: str
    ) -> EventPage:
        """Issues and incidents changed since, newest first; of the chosen ones with all their openings and closings."""

    async def changed_paths(self, repository: RepositoryKey, number: int) -> tuple[str, ...]:
        """The paths that a pull request changes, both sides of a rename."""

    async def file(self, repository: RepositoryKey, path: str, *, ref: str) -> bytes | None:
        """A small file's contents at a commit or branch; `None` if it is not there."""

    async def hooks(self) -> tuple[HookSeen, ...]:
        """Where webhooks come from, and in which state that is."""

    async def log(self, hook_id: str, *, cursor: str) -> LogPage:
        """A page of a hook's log, newest first."""

    async def logged(self, hook_id: str, entry: LogEntry) -> LoggedDelivery:
        """The delivery behind a log entry."""

    async def redeliver(self, hook_id: str, entry_id: str) -> None:
        """Ask the forge to send a delivery again."""

    async def report(self, repository: RepositoryKey, report: Report, *, remote: str) -> str:
        """Say it, editing in place what `remote` (JSON, "" at first) names; returns the new `remote`."""

    async def close(self) -> None:
        """End connections and threads."""
