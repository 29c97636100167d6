"""A GitLab instance on one loopback port: groups, projects, tokens, hooks; its API and git below `url`."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from aiohttp import web

from bot.standins.faults import Door, Fault, Seen
from bot.standins.forge import Check, ContractBroken, Json, QueuedDelivery, StandInError
from bot.standins.git_http import GitHttp, Served
from bot.standins.gitlab import payloads
from bot.standins.gitlab.api import add_routes
from bot.standins.gitlab.courier import SWITCHES, Courier
from bot.standins.gitlab.place import Place
from bot.standins.gitlab.project import Project
from bot.standins.gitlab.state import DEEPEST, GUEST, OWNER, Group, Hook, Token, checked_scopes
from bot.standins.repository import Person

HOST = "127.0.0.1"
ROOT = Person(login="root", name="Administrator", email="admin@gitlab.example.com", number=1)
LARGEST_REQUEST = 64 * 2**20


class GitLab:
    """GitLab 18; plays bot.standins.forge.Forge.

    `root` is the relative URL root ("" or such as "/gitlab"). `premium` brings group hooks and required approvals.
    `check` is called with each JSON answer. Attributes may be changed at any time.
    """

    def __init__(
        self, directory: Path, *, now: int, root: str = "", premium: bool = False, check: Check | None = None
    ) -> None:
        self.now = now
        self.root = root
        self.premium = premium
        self.check = check
        self.broken: list[str] = []
        self.external_url = ""
        self.resends_per_minute: int | None = None
        """GitLab's default is 5."""
        self.groups: dict[int, Group] = {}
        self.projects: dict[int, Project] = {}
        self.tokens: dict[str, Token] = {}
        self.system_hooks: list[Hook] = []
        self.users: dict[str, Person] = {ROOT.login: ROOT}
        self.courier = Courier(lambda: self.external_url, lambda: self.now)
        self.git_http = GitHttp(find=self._find_served, access=self._git_access)
        self.resends: list[int] = []
        self._directory = directory
        self._door = Door(lambda: self.now)
        self._runner: web.AppRunner | None = None
        self._redirects: dict[str, int] = {}
        self._group_redirects: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self.url = ""

    @property
    def faults(self) -> list[Fault]:
        """Faults to play, see bot.standins.faults."""
        return self._door.faults

    @property
    def requests(self) -> list[Seen]:
        """All that was asked."""
        return self._door.requests

    @property
    def drop(self) -> Callable[[QueuedDelivery], bool]:
        """True: never sent, only logged as failed."""
        return self.courier.drop

    @drop.setter
    def drop(self, drop: Callable[[QueuedDelivery], bool]) -> None:
        self.courier.drop = drop

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 picks a free one. Raises OSError if the port is taken."""
        app = web.Application(client_max_size=LARGEST_REQUEST, middlewares=[self._door.middleware()])
        add_routes(app, self)
        app.router.add_route("*", f"{self.root}/{{path:.+}}", self._git)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()
        self.url = f"http://{HOST}:{self._runner.addresses[0][1]}{self.root}"
        self.external_url = self.external_url or self.url

    async def stop(self) -> None:
        """Stop listening. Raises ContractBroken if an answer was not as GitLab describes."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self.broken:
            raise ContractBroken("; ".join(self.broken))

    def create_group(self, path: str) -> Group:
        """The group at that full path; those above are made with it. Raises StandInError below the 20th subgroup."""
        slugs = path.split("/")
        if len(slugs) > DEEPEST + 1:
            raise StandInError(f"{path} is nested too deeply")
        parent: Group | None = None
        for depth, slug in enumerate(slugs, 1):
            group = self._group_at("/".join(slugs[:depth]))
            if group is None:
                group = Group(id=self.number("group", 60), slug=slug, parent=parent, created_at=self.now)
                self.groups[group.id] = group
                self._announce_group(group)
            parent = group
        assert parent is not None  # noqa: S101 - a path has a segment
        return parent

    def create_repository(self, path: str, *, default_branch: str = "main", private: bool = False) -> Project:
        """A project; its groups are made with it."""
        group_path, _, slug = path.rpartition("/")
        if not group_path or self._project_at(path) is not None:
            raise StandInError(f"{path} has no namespace, or is there already")
        group = self.create_group(group_path)
        number = self.number("project", 100)
        project = Project(self, number, group, slug, self._directory / f"{number}.git", default_branch, private)
        self._redirects.pop(path.lower(), None)
        self.projects[number] = project
        self.announce_project(project, "project_create")
        return project

    def rename_group(self, path: str, new_slug: str) -> None:
        """Give a group another path; its projects hear nothing of it."""
        group = self._group_at(path)
        if group is None:
            raise StandInError(f"no group {path}")
        old = (group.slug, group.full_path)
        below = [project for project in self.projects.values() if group in project.group.upwards()]
        for project in below:
            self.remember(project)
        for other in self.groups.values():
            if group in other.upwards():
                self._group_redirects[other.full_path.lower()] = other.id
        group.slug = new_slug
        told = payloads.group_event(group, "group_rename", self.now, old=old)
        self.courier.announce(self.system_hooks, "system_hooks", told)

    def create_token(
        self, *scopes: str, user: Person = ROOT, level: int = OWNER, levels: dict[int, int] | None = None,
        admin: bool = False, value: str = "",
    ) -> Token:  # fmt: skip
        """An access token; `levels` by project id say where it is less (or more) than `level`, 0: sees nothing of it."""
        token = Token(
            id=self.number("token", 0), value=value or f"glpat-{secrets.token_urlsafe(15)}", user=self.known(user),
            scopes=checked_scopes(scopes), created_at=self.now, level=level, levels=levels or {}, admin=admin,
        )  # fmt: skip
        self.tokens[token.value] = token
        return token

    def add_hook(
        self, of: "Project | Group | None", url: str, *, token: str = "", signing_token: str = "", **switches: bool
    ) -> Hook:
        """A hook of a project, of a group or (None) of the instance, made by hand; without switches it hears everything."""
        hook = Hook(
            id=self.number("hook", 0),
            url=url,
            created_at=self.now,
            project_id=of.id if isinstance(of, Project) else None,
            group_id=of.id if isinstance(of, Group) else None,
            token=token,
            signing_token=signing_token,
            switches=switches or dict.fromkeys(SWITCHES.values(), True),
        )
        (self.system_hooks if of is None else of.hooks).append(hook)
        return hook

    async def deliver(self) -> None:
        """Send what is queued, in order, and log each attempt."""
        await self.courier.deliver()

    def number(self, kind: str, after: int) -> int:
        """The next number of its kind."""
        self._numbers[kind] = self._numbers.get(kind, after) + 1
        return self._numbers[kind]

    def known(self, person: Person) -> Person:
        """The person, remembered as a user."""
        self.users[person.login] = person
        return person

    def find_project(self, path: str) -> Project | None:
        """By full path, whatever its case, or by a path it had."""
        return self._project_at(path) or self.projects.get(self._redirects.get(path.lower(), 0))

    def find_group(self, path: str) -> Group | None:
        """By full path, whatever its case, or by a path it had."""
        return self._group_at(path) or self.groups.get(self._group_redirects.get(path.lower(), 0))

    def _project_at(self, path: str) -> Project | None:
        return next((one for one in self.projects.values() if one.path.lower() == path.lower()), None)

    def _group_at(self, path: str) -> Group | None:
        return next((one for one in self.groups.values() if one.full_path.lower() == path.lower()), None)

    def remember(self, project: Place) -> None:
        """Let the project's present path lead to it for ever."""
        self._redirects[project.path.lower()] = project.id

    def projects_below(self, group: Group, *, subgroups: bool) -> list[Project]:
        """The projects of a group."""
        return [p for p in self.projects.values() if p.group is group or (subgroups and group in p.group.upwards())]

    def hooks_for(self, project: Place) -> Iterator[Hook]:
        """The hooks that may hear of a project: its own, its groups', the instance's."""
        groups: Sequence[Group] = tuple(project.group.upwards()) if self.premium else ()
        return chain(project.hooks, *(group.hooks for group in groups), self.system_hooks)

    def announce_project(self, project: Place, event: str, *, old_path: str | None = None) -> None:
        """Tell the instance's hooks what became of a project, and those of its groups."""
        told = payloads.project_event(project, event, self.now, old_path=old_path)
        self.courier.announce(self.system_hooks, "system_hooks", told, repository=project.path)
        if self.premium and event in {"project_create", "project_destroy"}:
            above = chain(*(group.hooks for group in project.group.upwards()))
            self.courier.announce(above, "project_hooks", told, repository=project.path)

    def _announce_group(self, group: Group) -> None:
        told = payloads.group_event(group, "group_create", self.now)
        self.courier.announce(self.system_hooks, "system_hooks", told)
        if self.premium and group.parent is not None:
            below = payloads.subgroup_event(group, group.parent, "subgroup_create", self.now)
            above = chain(*(one.hooks for one in group.parent.upwards()))
            self.courier.announce(above, "subgroup_hooks", below)

    async def _git(self, request: web.Request) -> web.Response:
        if self.git_http.takes(request):
            return await self.git_http.answer(request)
        return web.json_response({"error": "404 Not Found"}, status=404)

    def _find_served(self, path: str) -> Served | None:
        prefix = self.root.strip("/")
        inside = path.removeprefix(f"{prefix}/") if prefix else path
        project = self.find_project(inside)
        if project is None:
            return None
        now = f"{prefix}/{project.path}" if prefix else project.path
        # Only another path is worth a redirect, not another case of it.
        return Served(directory=project.git.directory, path=path if inside.lower() == project.path.lower() else now)

    def _git_access(self, path: str, user: str, password: str) -> int:
        """Any user name will do; a token that may only use the API is known, and refused."""
        prefix = self.root.strip("/")
        project = self.find_project(path.removeprefix(f"{prefix}/") if prefix else path)
        if project is None:
            return 404 if user or password else 401
        if not user and not password:
            return 401 if project.private else 200
        token = self.tokens.get(password)
        if token is None or token.revoked:
            return 401
        if token.level_in(project.id) < GUEST and project.private:
            return 404
        return 200 if token.may("api", "read_repository", "write_repository") else 403

    def checked(self, method: str, template: str, status: int, body: Json) -> None:
        """Hold an answer against GitLab's own descriptions."""
        if self.check is not None:
            try:
                self.check(method, template, status, body)
            except ContractBroken as error:
                self.broken.append(f"{method} {template}: {error}")
