"""What the pipeline asks of GitHub, as a GitHub App (`bot.forges.client.ForgeClient`).

Rules: nothing here waits for a rate limit; whoever asks learns when to come again. Listings leave part of the quota to live
work. A repository is asked for by its name; one that was renamed is found through GitHub's own redirect, and an answer about
another repository of that name is refused.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Protocol, TypeVar
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import structlog

from bot.credentials import GithubApp
from bot.dora.events import ForgeEvent, IssueSeen, PullRequestSeen, ReleaseSeen, RepositoryRef
from bot.dora.instants import Instant
from bot.dora.issues import IssueSelection, is_chosen
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
from bot.forges.github import checks
from bot.forges.github.deliveries import DeploymentShape, ReleaseShape, StatusShape, deployment_seen, release_seen
from bot.forges.github.issues import IssueShape, TurnShape, issue_seen, turns_of
from bot.forges.github.listings import RepositoryCursor
from bot.forges.github.objects import (
    AppObject,
    ChangedFile,
    CheckRunObject,
    CheckRunPage,
    DeliveryDetail,
    DeliveryObject,
    FileObject,
    HookConfig,
    InstallationObject,
    IssueEventObject,
    PullRequestObject,
    RepositoryObject,
    RepositoryPage,
    installation_changed,
    pull_request_seen,
    repository_changed,
    repository_ref,
)
from bot.forges.github.pull_requests import ReviewShape
from bot.forges.github.tokens import Purpose, Tokens
from bot.forges.github.webhook import STORED_HEADERS
from bot.forges.github.wire import PATIENCE, Answer, Wire
from bot.forges.history import HistorySource
from bot.forges.updates import UpdatesCursor

T = TypeVar("T")
N = TypeVar("N", bound="_Numbered")
log = structlog.get_logger(__name__)

APP_HOOK = "app"
PULL_REQUESTS_PER_PAGE = 30
"""Each costs two questions more; a page is what an interruption repeats."""
DEPLOYMENTS_PER_PAGE = 30
"""Each costs one question more."""
PER_PAGE = 100
MOST_PAGES = 30
"""Of the files, reviews or events of one pull request; GitHub lists no more than 3,000 files."""
LARGEST_DELIVERY = 64 * 1024 * 1024
"""A logged payload of 25 MiB may be spelt longer in the log."""


class GithubClient:
    """GitHub at `api_url`, as the App that `app` tells of at the moment."""

    forge = "github"
    history: HistorySource | None = None

    def __init__(
        self,
        api_url: str,
        *,
        app: Callable[[], GithubApp | None],
        clock: Callable[[], Instant],
        patience: float = PATIENCE,
    ) -> None:
        self._wire = Wire(api_url, clock=clock, patience=patience)
        self._app = app
        self._tokens = Tokens(self._wire, app)
        self._installations: dict[str, str] = {}

    async def close(self) -> None:
        """End the connections."""
        await self._wire.close()

    async def git_access(self, repository: RepositoryKey) -> GitAccess | None:
        """A token that reads contents; `None` without an App, or where it is not installed."""
        if self._app() is None:
            return None
        try:
            installation = await self._installation(repository)
        except NotThereError:
            return None
        return GitAccess(username="x-access-token", token=await self._tokens.of(installation, Purpose.CONTENTS))

    # Repositories -----------------------------------------------------------------------------------------------------

    async def repositories(self, *, cursor: str) -> EventPage:
        """Every installation with its rights, then its repositories."""
        here = RepositoryCursor.parse(cursor)
        if here.todo:
            return await self._repositories_of(here)
        path = f"app/installations?per_page={PER_PAGE}&page={here.installations}"
        answer = await self._tokens.ask_as_app("GET", path, list[InstallationObject], background=True)
        events = list(_parsed(answer.value, installation_changed))
        following = RepositoryCursor(
            installations=here.installations + 1 if answer.next else 0,
            todo=[(int(one.id), one.at) for one in events if one.state == "active"],
        )
        return EventPage(events=tuple(events), cursor=str(following))

    async def _repositories_of(self, here: RepositoryCursor) -> EventPage:
        (installation, changed_at), *rest = here.todo
        done = RepositoryCursor(installations=here.installations, todo=rest)
        path = f"installation/repositories?per_page={PER_PAGE}&page={here.page}"
        try:
            answer = await self._tokens.ask_as_installation(
                str(installation), Purpose.CONTENTS, "GET", path, RepositoryPage, background=True
            )
        except (NotAllowedError, NotThereError) as error:
            # One installation that was removed or suspended meanwhile does not keep the others from being listed.
            log.warning("an installation cannot be listed", installation=installation, reason=error.detail)
            return EventPage(events=(), cursor=str(done))
        parse = partial(repository_changed, installation_id=str(installation), listed_at=changed_at)
        more = RepositoryCursor(installations=here.installations, todo=here.todo, page=here.page + 1)
        return EventPage(
            events=tuple(_parsed(answer.value.repositories, parse)),
            cursor=str(more if answer.next else done),
            total=answer.value.total_count,
        )

    # Pull requests ----------------------------------------------------------------------------------------------------

    async def pull_requests(self, repository: RepositoryKey, *, since: Instant | None, cursor: str) -> EventPage:
        """Pull requests updated since, newest first; of those closed without a merge the history is not asked for."""
        here = UpdatesCursor.parse(cursor, since=since)
        query = urlencode({
            "state": "all", "sort": "updated", "direction": "desc", "per_page": PULL_REQUESTS_PER_PAGE, "page": here.page,
        })  # fmt: skip
        answer = await self._read(repository, f"{_repo(repository)}/pulls?{query}", list[PullRequestObject])
        updated = [_instant(one.updated_at) for one in answer.value]
        events: list[ForgeEvent] = []
        for one, at in zip(answer.value, updated, strict=True):
            if at < here.until:
                break
            try:
                events.append(await self._whole(repository, one, background=True))
            except PayloadError as error:
                log.warning("a pull request is left out", repository=repository.path, n=one.number, reason=error.slug)
        following = here.following(updated, more=bool(answer.next))
        total = None if since is not None or answer.last_page is None else answer.last_page * PULL_REQUESTS_PER_PAGE
        return EventPage(events=tuple(events), cursor="" if following is None else str(following), total=total)

    async def pull_request(self, repository: RepositoryKey, number: int) -> PullRequestSeen:
        """One pull request with all its history."""
        answer = await self._read(
            repository, f"{_repo(repository)}/pulls/{number:d}", PullRequestObject, background=False
        )
        try:
            return await self._whole(repository, answer.value, background=False)
        except PayloadError as error:
            raise ForgeUnavailableError("broken_answer", f"GitHub describes a pull request oddly: {error.slug}") from None

    async def _whole(self, repository: RepositoryKey, one: PullRequestObject, *, background: bool) -> PullRequestSeen:
        _check_identity(repository, one)
        reviews: list[ReviewShape] = []
        events: list[IssueEventObject] | None = None
        if one.state == "open" or one.merged_at is not None or not background:
            base = _repo(repository)
            reviews = await self._all(repository, f"{base}/pulls/{one.number:d}/reviews", ReviewShape, background)
            events = await self._history(repository, f"{base}/issues/{one.number:d}/events", background)
        return pull_request_seen(
            one,
            reviews=reviews,
            events=events,
            installation_id=await self._installation(repository),
        )

    async def _history(self, repository: RepositoryKey, path: str, background: bool) -> list[IssueEventObject] | None:
        try:
            return await self._all(repository, path, IssueEventObject, background)
        except NotAllowedError as error:
            # Without it the time in draft is unknown; the rest of the pull request is not.
            log.warning("the history of a draft cannot be read", repository=repository.path, reason=error.detail)
            return None

    async def changed_paths(self, repository: RepositoryKey, number: int) -> tuple[str, ...]:
        """The paths of a pull request; raises NotThereError `too_many_paths` where GitHub lists only some."""
        path = f"{_repo(repository)}/pulls/{number:d}/files"
        files = await self._all(repository, path, ChangedFile, background=False)
        if len(files) >= MOST_PAGES * PER_PAGE:
            raise NotThereError("too_many_paths", "GitHub lists at most 3,000 files of a pull request")
        return tuple(dict.fromkeys(_both_names(files)))

    async def file(self, repository: RepositoryKey, path: str, *, ref: str) -> bytes | None:
        """A file's contents, up to GitHub's megabyte."""
        asked = f"{_repo(repository)}/contents/{quote(path)}?{urlencode({'ref': ref})}"
        try:
            answer = await self._read(repository, asked, FileObject, background=False, purpose=Purpose.CONTENTS)
        except NotThereError:
            return None
        found = answer.value
        if found.type != "file" or found.encoding != "base64":
            raise NotThereError("no_small_file", f"GitHub gives no contents of {path}: it is no file of up to 1 MB")
        try:
            return base64.b64decode(found.content)
        except binascii.Error:
            raise ForgeUnavailableError("broken_answer", "GitHub's answer is not the base64 it promises") from None

    # Deployments and releases -----------------------------------------------------------------------------------------

    async def deployments(self, repository: RepositoryKey, *, since: Instant | None, cursor: str) -> EventPage:
        """Deployments made since, newest first, each with its states; those that change meanwhile are told by webhooks."""
        page = int(cursor) if cursor.isascii() and cursor.isdigit() else 1
        ref = await self._ref(repository)
        asked = f"{_repo(repository)}/deployments?per_page={DEPLOYMENTS_PER_PAGE}&page={page}"
        answer = await self._read(repository, asked, list[DeploymentShape], purpose=Purpose.DEPLOYMENTS)
        events: list[ForgeEvent] = []
        for one in answer.value:
            if since is not None and (fields.instant(one.created_at) or 0) < since:
                return EventPage(events=tuple(events), cursor="")
            path = f"{_repo(repository)}/deployments/{one.id:d}/statuses"
            states = await self._all(repository, path, StatusShape, background=True, purpose=Purpose.DEPLOYMENTS)
            told = partial(deployment_seen, one, repository=ref, told_at=self._wire.clock())
            events += _seen((partial(told, status=status) for status in (None, *states)), "deployment", one.id)
        return EventPage(events=tuple(events), cursor=str(page + 1) if answer.next else "")

    async def releases(self, repository: RepositoryKey, *, cursor: str) -> EventPage:
        """Releases, newest first."""
        page = int(cursor) if cursor.isascii() and cursor.isdigit() else 1
        ref = await self._ref(repository)
        asked = f"{_repo(repository)}/releases?per_page={PER_PAGE}&page={page}"
        answer = await self._read(repository, asked, list[ReleaseShape], purpose=Purpose.CONTENTS)
        events: list[ForgeEvent] = []
        for one in answer.value:
            events += _seen([partial(_release_listed, one, ref, self._wire.clock())], "release", one.id)
        return EventPage(events=tuple(events), cursor=str(page + 1) if answer.next else "")

    async def issues(
        self, repository: RepositoryKey, *, chosen: IssueSelection, since: Instant | None, cursor: str
    ) -> EventPage:
        """Issues updated since, newest first; pull requests, which GitHub lists among them, are left out."""
        here = UpdatesCursor.parse(cursor, since=since)
        ref = await self._ref(repository)
        query = urlencode({"state": "all", "sort": "updated", "direction": "desc", "per_page": PER_PAGE, "page": here.page})
        answer = await self._read(repository, f"{_repo(repository)}/issues?{query}", list[IssueShape], purpose=Purpose.ISSUES)
        updated = [_instant(one.updated_at) for one in answer.value]
        events: list[ForgeEvent] = []
        for one, at in zip(answer.value, updated, strict=True):
            if one.pull_request is not None or at < here.until:
                continue
            try:
                events.append(await self._issue(repository, ref, one, chosen))
            except PayloadError as error:
                log.warning("an issue is left out", repository=repository.path, n=one.number, reason=error.slug)
        following = here.following(updated, more=bool(answer.next))
        return EventPage(events=tuple(events), cursor="" if following is None else str(following))

    async def _issue(
        self, repository: RepositoryKey, ref: RepositoryRef, one: IssueShape, chosen: IssueSelection
    ) -> IssueSeen:
        seen = issue_seen(one, repository=ref)
        if not is_chosen(seen.kind, seen.labels, chosen):
            return seen
        path = f"{_repo(repository)}/issues/{one.number:d}/events"
        turns = await self._all(repository, path, TurnShape, background=True, purpose=Purpose.ISSUES)
        return issue_seen(one, repository=ref, turns=turns_of(turns))

    async def _ref(self, repository: RepositoryKey) -> RepositoryRef:
        """The repository as it is called now."""
        found = (await self._read(repository, _repo(repository), RepositoryObject, purpose=Purpose.CONTENTS)).value
        if repository.forge_id and str(found.id) != repository.forge_id:
            raise NotThereError("another_repository", "another repository has taken this name")
        try:
            return repository_ref(found, installation_id=await self._installation(repository))
        except PayloadError as error:
            raise ForgeUnavailableError("broken_answer", f"GitHub describes a repository oddly: {error.slug}") from None

    # Webhooks ---------------------------------------------------------------------------------------------------------

    async def hooks(self) -> tuple[HookSeen, ...]:
        """The App's one hook."""
        app = (await self._tokens.ask_as_app("GET", "app", AppObject, background=True)).value
        subject = f"GitHub App {fields.name(app.slug or app.name)}"
        try:
            config = (await self._tokens.ask_as_app("GET", "app/hook/config", HookConfig, background=True)).value
        except NotThereError:
            return (HookSeen(id=APP_HOOK, subject=subject, state="active"),)
        if not config.url:
            return (HookSeen(id=APP_HOOK, subject=subject, state="gone", reason="the App's webhook has no URL"),)
        return (HookSeen(id=APP_HOOK, subject=subject, state="active", reason=f"sends to {fields.name(config.url)}"),)

    async def log(self, hook_id: str, *, cursor: str) -> LogPage:
        """Attempts to deliver, newest first; a redelivery is one more attempt under the same key."""
        query = {"per_page": str(PER_PAGE)} | ({"cursor": cursor} if cursor else {})
        path = f"{_hook(hook_id)}/deliveries?{urlencode(query)}"
        answer = await self._tokens.ask_as_app("GET", path, list[DeliveryObject], background=True)
        following = parse_qs(urlsplit(answer.next).query).get("cursor", [""])[0]
        return LogPage(entries=tuple(_entry(one) for one in answer.value), cursor=following)

    async def logged(self, hook_id: str, entry: LogEntry) -> LoggedDelivery:
        """What was sent, or should have been."""
        path = f"{_hook(hook_id)}/deliveries/{_id(entry.id)}"
        answer = await self._tokens.ask_as_app("GET", path, DeliveryDetail, largest=LARGEST_DELIVERY)
        request = answer.value.request
        headers = {name.lower(): value for name, value in (request.headers or {}).items()}
        headers |= {"x-github-delivery": entry.key, "x-github-event": entry.event, "content-type": "application/json"}
        return LoggedDelivery(
            event=entry.event,
            headers=tuple((name, headers[name]) for name in STORED_HEADERS if name in headers),
            body=bytes(request.payload),
        )

    async def redeliver(self, hook_id: str, entry_id: str) -> None:
        """Ask GitHub to send a delivery again."""
        await self._tokens.ask_as_app("POST", f"{_hook(hook_id)}/deliveries/{_id(entry_id)}/attempts", object)

    # Reports ----------------------------------------------------------------------------------------------------------

    async def report(self, repository: RepositoryKey, report: Report, *, remote: str) -> str:
        """A check run on the head commit. What is there already is asked of GitHub, who knows it after an interruption too."""
        run = await self._check_run(repository, report)
        for new, body in checks.steps(report, run):
            base = f"{_repo(repository)}/check-runs"
            method, path = ("POST", base) if new or run is None else ("PATCH", f"{base}/{run.id:d}")
            run = (await self._write(repository, method, path, CheckRunObject, body)).value
        if run is None:
            raise ForgeUnavailableError("broken_answer", "GitHub made no check run")
        return json.dumps({"check_run": run.id, "head_sha": report.head_sha})

    async def _check_run(self, repository: RepositoryKey, report: Report) -> CheckRunObject | None:
        query = urlencode({"check_name": checks.NAME, "filter": "all", "per_page": PER_PAGE})
        path = f"{_repo(repository)}/commits/{quote(report.head_sha, safe='')}/check-runs?{query}"
        runs = (await self._write(repository, "GET", path, CheckRunPage)).value.check_runs
        return checks.ours(runs, report)

    # Asking -----------------------------------------------------------------------------------------------------------

    async def _read(
        self, repository: RepositoryKey, path: str, into: type[T], *, background: bool = True,
        purpose: Purpose = Purpose.PULL_REQUESTS,
    ) -> Answer[T]:  # fmt: skip
        installation = await self._installation(repository)
        return await self._tokens.ask_as_installation(
            installation, purpose, "GET", path, into, background=background
        )

    async def _write(
        self, repository: RepositoryKey, method: str, path: str, into: type[T], body: object = None
    ) -> Answer[T]:
        installation = await self._installation(repository)
        return await self._tokens.ask_as_installation(installation, Purpose.REPORT, method, path, into, body=body)

    async def _all(
        self, repository: RepositoryKey, path: str, of: type[T], background: bool,
        purpose: Purpose = Purpose.PULL_REQUESTS,
    ) -> list[T]:  # fmt: skip
        """All pages of a short list."""
        found: list[T] = []
        for page in range(1, MOST_PAGES + 1):
            answer = await self._read(
                repository, f"{path}?per_page={PER_PAGE}&page={page}", list[of],  # type: ignore[valid-type]
                background=background, purpose=purpose,
            )
            found += answer.value
            if not answer.next:
                break
        return found

    async def _installation(self, repository: RepositoryKey) -> str:
        """The installation that may read a repository; raises NotThereError when none may."""
        known = repository.installation_id or self._installations.get(repository.path, "")
        if known:
            return known
        path = f"{_repo(repository)}/installation"
        found = (await self._tokens.ask_as_app("GET", path, InstallationObject)).value
        self._installations[repository.path] = str(found.id)
        return str(found.id)


def _repo(repository: RepositoryKey) -> str:
    return f"repos/{quote(repository.path)}"


def _hook(hook_id: str) -> str:
    if hook_id != APP_HOOK:
        raise NotThereError("unknown_hook", "on GitHub only the App's own hook is read")
    return "app/hook"


def _id(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        raise NotThereError("unknown_delivery", "a delivery of GitHub's log is a number")
    return text


def _instant(text: str) -> Instant:
    try:
        return fields.needed_instant(text)
    except PayloadError:
        raise ForgeUnavailableError("broken_answer", "GitHub's answer holds a time that is none") from None


def _check_identity(repository: RepositoryKey, one: PullRequestObject) -> None:
    if repository.forge_id and str(one.base.repo.id) != repository.forge_id:
        raise NotThereError("another_repository", "another repository has taken this name")


class _Numbered(Protocol):
    """An object that GitHub numbers."""

    id: int


def _parsed(objects: Iterable[N], parse: Callable[[N], T]) -> Iterator[T]:
    """What can be parsed; one odd object does not keep the others out."""
    for one in objects:
        try:
            yield parse(one)
        except PayloadError as error:
            log.warning("an object is left out", kind=one.__class__.__name__, number=one.id, reason=error.slug)


def _seen(parse: Iterable[Callable[[], T]], kind: str, number: int) -> Iterator[T]:
    """What can be parsed; one odd object does not keep the others out."""
    for one in parse:
        try:
            yield one()
        except PayloadError as error:
            log.warning("an object is left out", kind=kind, number=number, reason=error.slug)


def _release_listed(one: ReleaseShape, repository: RepositoryRef, now: Instant) -> ReleaseSeen:
    told = (fields.instant(text) for text in (one.updated_at, one.published_at, one.created_at))
    return release_seen(one, repository=repository, at=next((at for at in told if at is not None), now))


def _both_names(files: Iterable[ChangedFile]) -> Iterable[str]:
    for one in files:
        yield one.filename
        if one.previous_filename:
            yield one.previous_filename


def _entry(one: DeliveryObject) -> LogEntry:
    return LogEntry(
        id=str(one.id),
        key=one.guid,
        event=one.event,
        delivered_at=_instant(one.delivered_at),
        succeeded=200 <= one.status_code < 300,
    )
