"""GitLab's API as the pipeline asks it (see `forges/client.py`)."""

from collections.abc import Callable
from urllib.parse import urlsplit

from bot.dora.events import PullRequestSeen, RepositoryChanged
from bot.dora.instants import MINUTE, Instant
from bot.dora.issues import IssueSelection
from bot.dora.repositories import WebRoots
from bot.forges import PayloadError, fields
from bot.forges.client import (
    EventPage,
    ForgeUnavailableError,
    GitAccess,
    HookSeen,
    LogEntry,
    LoggedDelivery,
    LogPage,
    NotAllowedError,
    NotThereError,
    Report,
    RepositoryKey,
)
from bot.forges.gitlab import answers
from bot.forges.gitlab.calls import TIMEOUT, Api, Query, encoded
from bot.forges.gitlab.delivered import list_deployments, list_releases
from bot.forges.gitlab.history import History
from bot.forges.gitlab.hooks import Hooks
from bot.forges.gitlab.issues import list_issues
from bot.forges.gitlab.merge_requests import merge_request_seen
from bot.forges.gitlab.projects import NEEDS_READ, Projects
from bot.forges.gitlab.reporting import send_report
from bot.forges.history import HistorySource

CLONING = frozenset({"api", "read_repository", "write_repository"})
SCOPES_KEPT = 10 * MINUTE
AT_ONCE = 20
"""Merge requests of a page: each costs two questions more."""
LARGEST_FILE = 2**20


def web_roots(url: str) -> WebRoots:
    """Under which path an instance lies on its host, if it does not have the host for itself."""
    parts = urlsplit(url)
    host = parts.netloc.lower().removesuffix(":443" if parts.scheme == "https" else ":80")
    return {host: parts.path.rstrip("/")} if parts.path.strip("/") else {}


class GitlabClient:
    """One GitLab as one token sees it: gitlab.com or an instance of one's own, also below a path."""

    forge = "gitlab"

    def __init__(
        self, *, url: str, token: str, clock: Callable[[], Instant], base_url: str = "",
        timeout: tuple[float, float] = TIMEOUT, deadline: float | None = None,
    ) -> None:  # fmt: skip
        self._token, self._clock = token, clock
        self.api = Api(url=url, token=token, clock=clock, timeout=timeout, deadline=deadline)
        self.projects = Projects(self.api, web_roots=web_roots(url))
        self.history: HistorySource | None = History(self.projects)
        self.hook_room = Hooks(self.projects, base_url=base_url)
        self._scopes: tuple[Instant, frozenset[str] | None] | None = None

    async def close(self) -> None:
        """End the threads."""
        await self.api.close()

    async def scopes(self) -> frozenset[str] | None:
        """What the token may do, remembered for minutes; `None` where GitLab does not say (OAuth tokens)."""
        if self._scopes is None or self._clock() - self._scopes[0] > SCOPES_KEPT:
            try:
                told: frozenset[str] | None = frozenset(
                    (await self.api.get("/personal_access_tokens/self", answers.Token)).scopes
                )
            except (NotThereError, NotAllowedError) as error:
                if error.slug == "unauthorised":
                    raise
                told = None
            self._scopes = self._clock(), told
        return self._scopes[1]

    async def git_access(self, repository: RepositoryKey) -> GitAccess | None:
        """The token, if it may clone or does not say; else `None`: what is public is cloned without."""
        scopes = await self.scopes()
        if scopes is not None and not scopes & CLONING:
            return None
        return GitAccess(username="oauth2", token=self._token)

    async def repositories(self, *, cursor: str) -> EventPage:
        """The projects that the token's user is a member of."""
        query: Query = {
            "membership": True, "pagination": "keyset", "order_by": "id", "sort": "asc",
            "id_after": int(cursor) if cursor else None,
        }
        page = await self.api.page("/projects", answers.Project, query, needs="the scope read_api")
        events = [
            RepositoryChanged(
                repository=self.projects.ref(project), at=self._clock(), state="archived" if project.archived else "active"
            )
            for project in page.items
        ]
        last = page.items[-1].id if page.items and page.next is not None else None
        return EventPage(events=tuple(events), cursor="" if last is None else str(last), total=page.total)

    async def pull_requests(self, repository: RepositoryKey, *, since: Instant | None, cursor: str) -> EventPage:
        """Merge requests updated since, newest first, each whole."""
        path = await self.projects.path(repository, "/merge_requests")
        query: Query = {
            "scope": "all", "state": "all", "order_by": "updated_at", "sort": "desc", "per_page": AT_ONCE,
            "page": int(cursor or 1), "updated_after": None if since is None else fields.second(since),
        }
        page = await self.api.page(path, answers.MergeRequest, query, needs=NEEDS_READ)
        events = [await self._whole(repository, told) for told in page.items]
        return EventPage(
            events=tuple(events), cursor="" if page.next is None else str(page.next["page"]), total=page.total
        )

    async def pull_request(self, repository: RepositoryKey, number: int) -> PullRequestSeen:
        """One merge request, whole."""
        path = await self.projects.path(repository, f"/merge_requests/{number}")
        return await self._whole(repository, await self.api.get(path, answers.MergeRequest, needs=NEEDS_READ))

    async def deployments(self, repository: RepositoryKey, *, since: Instant | None, cursor: str) -> EventPage:
        """Deployments changed since, or all; GitLab's API tells each in its present state alone."""
        return await list_deployments(self.projects, repository, since=since, cursor=cursor)

    async def releases(self, repository: RepositoryKey, *, cursor: str) -> EventPage:
        """All releases."""
        return await list_releases(self.projects, repository, cursor=cursor)

    async def issues(
        self, repository: RepositoryKey, *, chosen: IssueSelection, since: Instant | None, cursor: str
    ) -> EventPage:
        """Issues and incidents changed since, or all."""
        return await list_issues(self.projects, repository, chosen=chosen, since=since, cursor=cursor)

    async def changed_paths(self, repository: RepositoryKey, number: int) -> tuple[str, ...]:
        """The paths that a merge request changes, both sides of a rename; GitLab lists at most as many as its diffs may hold."""
        path = await self.projects.path(repository, f"/merge_requests/{number}/diffs")
        diffs = await self.api.all(path, answers.FileDiff, needs=NEEDS_READ)
        return tuple(dict.fromkeys(name for diff in diffs for name in (diff.old_path, diff.new_path)))

    async def file(self, repository: RepositoryKey, path: str, *, ref: str) -> bytes | None:
        """A small file's contents at a commit or branch; `None` if it is not there."""
        where = await self.projects.path(repository, f"/repository/files/{encoded(path)}/raw")
        try:
            found = await self.api.raw(where, {"ref": ref}, needs=NEEDS_READ)
        except NotThereError as error:
            if "File" in error.detail or "Commit" in error.detail:
                return None
            raise
        if len(found) > LARGEST_FILE:
            raise ForgeUnavailableError("too_large", f"{path} has more than {LARGEST_FILE} bytes")
        return found

    async def hooks(self) -> tuple[HookSeen, ...]:
        """The hooks that lead to us, of projects, groups and the instance, as far as the token may see them."""
        return await self.hook_room.seen()

    async def log(self, hook_id: str, *, cursor: str) -> LogPage:
        """A page of a hook's log, newest first."""
        return await self.hook_room.log(hook_id, cursor=cursor)

    async def logged(self, hook_id: str, entry: LogEntry) -> LoggedDelivery:
        """The delivery behind a log entry."""
        return await self.hook_room.logged(hook_id, entry)

    async def redeliver(self, hook_id: str, entry_id: str) -> None:
        """Ask GitLab to send a delivery again (at most five a minute for one hook)."""
        await self.hook_room.redeliver(hook_id, entry_id)

    async def report(self, repository: RepositoryKey, report: Report, *, remote: str) -> str:
        """A commit status, and a note where there is something to read."""
        return await send_report(self.projects, repository, report, remote=remote)

    async def _whole(self, repository: RepositoryKey, told: answers.MergeRequest) -> PullRequestSeen:
        project = await self.projects.find(repository)
        path = f"/projects/{project.id}/merge_requests/{told.iid}"
        notes = await self.api.all(
            f"{path}/notes", answers.Note, {"order_by": "created_at", "sort": "asc"}, needs=NEEDS_READ
        )
        try:
            approvals: answers.Approvals | None = await self.api.get(f"{path}/approvals", answers.Approvals)
        except (NotAllowedError, NotThereError) as error:
            if error.slug == "unauthorised":
                raise
            approvals = None
        try:
            return merge_request_seen(told, repository=self.projects.ref(project), notes=notes, approvals=approvals)
        except PayloadError as error:
            raise ForgeUnavailableError("broken_answer", f"!{told.iid}: {error.detail}") from error

