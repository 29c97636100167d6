"""The fake GitHub: REST, git, pages and signed webhooks over real repositories, on one loopback port.

forge = GitHub(tmp_path)
await forge.start()
app = forge.create_app(hook_url="http://127.0.0.1:8080/webhooks/github")
shop = forge.create_repository("acme/shop", private=True)
forge.install("acme", [shop])
shop.commit("main", {"README.md": "hello"}, message="Start", author=ann)
await forge.deliver()
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.standins.faults import Door, Fault, Seen
from bot.standins.forge import Check, ContractBroken, QueuedDelivery, StandInError
from bot.standins.git_http import GitHttp, Served
from bot.standins.github import api_apps, api_checks, api_repositories, hooks, issues
from bot.standins.github.access import Access
from bot.standins.github.api import Api
from bot.standins.github.apps import Apps
from bot.standins.github.mail import Attempt, Mail
from bot.standins.github.pages import Pages
from bot.standins.github.repo import GitHubRepo
from bot.standins.github.state import GHOST, App, Hosted, Installation, World
from bot.standins.repository import Person, Repository

HOST = "127.0.0.1"
ROUTES = (*api_apps.ROUTES, *api_repositories.ROUTES, *issues.ROUTES, *api_checks.ROUTES)
PERMISSIONS = {"contents": "read", "pull_requests": "read", "metadata": "read"}
EVENTS = ("push", "pull_request", "pull_request_review", "deployment_status", "release", "repository")


class GitHub:
    """A GitHub of your own. `clock` (seconds) is what credentials and rate limits live by; the story's time is `now`.

    `web_url` and `api_url` are the hosts that payloads name, for stories about github.com (default: where it listens).
    """

    def __init__(
        self,
        root: Path,
        *,
        now: int | None = None,
        clock: Callable[[], float] = time.time,
        check: Check | None = None,
        strict_version: bool = False,
        web_url: str = "",
        api_url: str = "",
    ) -> None:
        self.world = World(now=int(clock()) if now is None else now, web=web_url, api=api_url)
        self.mail = Mail(self.world)
        self.apps = Apps(self.world, self.mail)
        self.access = Access(self.world, clock)
        self.api = Api(
            world=self.world,
            mail=self.mail,
            access=self.access,
            apps=self.apps,
            clock=clock,
            check=check,
            strict_version=strict_version,
        )
        self.git = GitHttp(find=self._served, access=self._git_access)
        self._root = root
        self._door = Door(lambda: self.world.now)
        self._pages = Pages(self.world, self.apps, clock)
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 picks a free one. Raises OSError if the port is taken."""
        app = web.Application(client_max_size=32 * 2**20, middlewares=[self._door.middleware(), self._git_first])
        self.api.mount(app, ROUTES)
        self._pages.mount(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()
        self._port = self._runner.addresses[0][1]
        self.world.web = self.world.web or self.url
        self.world.api = self.world.api or self.url

    async def stop(self) -> None:
        """Stop listening. Raises ContractBroken if an answer was not as GitHub describes it."""
        await self.mail.settle()
        if self._runner is not None:
            await self._runner.cleanup()
        if self.api.broken:
            raise ContractBroken("; ".join(self.api.broken[:5]))

    @property
    def url(self) -> str:
        """Where it listens: pages, git and REST; REST also below `/api/v3`."""
        if not self._port:
            raise StandInError("not started")
        return f"http://{HOST}:{self._port}"

    @property
    def now(self) -> int:
        """The story's time in seconds since 1970."""
        return self.world.now

    @now.setter
    def now(self, at: int) -> None:
        self.world.now = at

    @property
    def faults(self) -> list[Fault]:
        """What goes wrong."""
        return self._door.faults

    @faults.setter
    def faults(self, faults: list[Fault]) -> None:
        self._door.faults = faults

    @property
    def requests(self) -> list[Seen]:
        """All that came so far, git too."""
        return self._door.requests

    @property
    def drop(self) -> Callable[[QueuedDelivery], bool]:
        """Says which deliveries never leave."""
        return self.mail.drop

    @drop.setter
    def drop(self, drop: Callable[[QueuedDelivery], bool]) -> None:
        self.mail.drop = drop

    @property
    def queue(self) -> Sequence[QueuedDelivery]:
        """What `deliver` would send."""
        return self.mail.queue

    @property
    def attempts(self) -> Sequence[Attempt]:
        """Every delivery tried so far, oldest first."""
        return self.mail.attempts

    async def deliver(self) -> None:
        """Send what is queued, in order, log each attempt, and wait for redeliveries under way."""
        await self.mail.deliver()

    def create_repository(self, path: str, *, default_branch: str = "main", private: bool = False) -> GitHubRepo:
        """A new, empty repository at `owner/name`. Raises StandInError if one is there."""
        login, slash, name = path.partition("/")
        there = self.world.named(path)
        if not slash or "/" in name or (there is not None and there.path.lower() == path.lower()):
            raise StandInError(f"no repository can be made at {path}")
        number, now = self.world.number("repository", 710_001), self.now
        git = Repository(self._root / f"{number}.git", default_branch=default_branch)
        hosted = Hosted(
            id=number,
            owner=self.world.account(login),
            name=name,
            private=private,
            git=git,
            created_at=now,
            updated_at=now,
            pushed_at=now,
        )
        self.world.repositories[number] = hosted
        self.world.paths[path.lower()] = number
        everywhere = [one for one in self.world.covering(hosted) if one.selected is None]
        self.mail.post(
            "repository", hooks.repository_event(self.world, hosted, "created", GHOST), everywhere, path=path
        )
        return GitHubRepo(self.world, self.mail, hosted)

    def create_app(
        self,
        name: str = "Rollforward",
        *,
        hook_url: str,
        owner: str = "acme",
        webhook_secret: str | None = None,
        permissions: Mapping[str, str] = PERMISSIONS,
        events: Sequence[str] = EVENTS,
    ) -> App:
        """An App made by hand; its key and secrets are in it."""
        return self.apps.create(
            name, owner=owner, hook_url=hook_url, permissions=permissions, events=events, webhook_secret=webhook_secret
        )

    def install(
        self,
        account: str,
        repositories: Iterable[GitHubRepo] | None = None,
        permissions: Mapping[str, str] | None = None,
        events: Sequence[str] | None = None,
        *,
        app: App | None = None,
        by: Person = GHOST,
    ) -> Installation:
        """Install an App (default: the only one) on repositories, or on all of the account's."""
        if app is None:
            (app,) = self.world.apps.values()
        chosen = None if repositories is None else [repo.state for repo in repositories]
        return self.apps.install(app, account, chosen, permissions, events, by)

    @web.middleware
    async def _git_first(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await (self.git.answer(request) if self.git.takes(request) else handler(request))

    def _served(self, path: str) -> Served | None:
        found = self.world.named(path)
        if found is None:
            return None
        return Served(directory=found.git.directory, path=path if path.lower() == found.path.lower() else found.path)

    def _git_access(self, path: str, user: str, password: str) -> int:
        found = self.world.named(path)
        if found is None:
            return 404 if user or password else 401
        return self.access.git(found, user, password)
