"""The REST door of the fake GitHub: who asks, for which repository, with what right; then one of the handlers.

Every route is reachable below `/` and below `/api/v3`, a repository's also by its number.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlencode

from aiohttp import web

from bot.standins.forge import Check, Json
from bot.standins.github.access import Access, Caller, Refused
from bot.standins.github.apps import Apps
from bot.standins.github.bodies import Body
from bot.standins.github.mail import Mail
from bot.standins.github.state import App, Hosted, Token, World

VERSION = "2022-11-28"
PREFIXES = ("", "/api/v3")
REPOSITORY = "/repos/{owner}/{repo}"
DOCUMENTATION = "https://docs.github.com/rest"
Audience = Literal["anyone", "app", "installation", "repository"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a handler says; `raw` instead of JSON where a client asked for that."""

    body: Json = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that got through the door; `repository` is set for routes below a repository."""

    world: World
    mail: Mail
    access: Access
    apps: Apps
    clock: Callable[[], float]
    caller: Caller
    request: web.Request
    told: Json
    hosted: Hosted | None = None

    @property
    def repository(self) -> Hosted:
        """The repository it is about."""
        if self.hosted is None:
            raise Refused(404, "Not Found")
        return self.hosted

    @property
    def app(self) -> App:
        """The App that asks."""
        if self.caller.app is None:
            raise Refused(401, "A JSON web token could not be decoded")
        return self.caller.app

    @property
    def token(self) -> Token:
        """The installation token that asks."""
        if self.caller.token is None:
            raise Refused(401, "Requires authentication")
        return self.caller.token

    def part(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]

    def number(self, name: str) -> int:
        """A number in the path."""
        if not self.part(name).isdecimal():
            raise Refused(404, "Not Found")
        return int(self.part(name))

    def query(self, name: str, default: str = "") -> str:
        """A query parameter."""
        return self.request.query.get(name, default)

    def field(self, name: str) -> Json:
        """A field of the JSON body."""
        return self.told.get(name) if isinstance(self.told, Mapping) else None

    def text(self, name: str) -> str | None:
        """A text field of the JSON body. Raises Refused (422) if it is something else."""
        value = self.field(name)
        if value is not None and not isinstance(value, str):
            raise Refused(422, f"Invalid request. {name} is not a string.")
        return value

    def count(self, name: str, default: int, most: int) -> int:
        """A number of the query, held between 1 and `most`."""
        value = self.query(name)
        return min(max(int(value), 1), most) if value.isdecimal() else default

    def page(self, items: Sequence[Json], wrap: Callable[[list[Json]], Json] = list) -> Answer:
        """The page that was asked for, with links to the others."""
        size, here = self.count("per_page", 30, 100), self.count("page", 1, 1_000_000)
        last = max(1, -(-len(items) // size))
        others = {"prev": here - 1, "next": here + 1, "last": last, "first": 1}
        if here >= last:
            del others["next"], others["last"]
        if here == 1:
            del others["prev"], others["first"]
        links = ", ".join(f'<{self.link(page=str(number))}>; rel="{name}"' for name, number in others.items())
        body = wrap(list(items[(here - 1) * size : here * size]))
        return Answer(body=body, headers={"Link": links} if links else {})

    def link(self, **query: str) -> str:
        """This request's address with other query parameters."""
        return f"{self.request.url.origin()}{self.request.path}?{urlencode({**self.request.query, **query})}"


Handler = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A method and path template (as GitHub describes it), who may ask, and the right it takes in a repository."""

    method: str
    template: str
    handler: Handler
    audience: Audience = "repository"
    permissions: tuple[str, ...] = ("metadata",)
    level: str = "read"


@dataclass(slots=True, kw_only=True)
class Api:
    """All routes in front of one world; `strict_version`: refuse whoever does not pin the API version."""

    world: World
    mail: Mail
    access: Access
    apps: Apps
    clock: Callable[[], float]
    check: Check | None = None
    strict_version: bool = False
    broken: list[str] = field(default_factory=list)
    """Answers that `check` did not find as the vendor describes them."""

    def mount(self, app: web.Application, routes: Sequence[Route]) -> None:
        """Add the routes to an application."""
        for prefix in PREFIXES:
            for route in routes:
                templates = [route.template]
                if route.audience == "repository":
                    templates.append(route.template.replace(REPOSITORY, "/repositories/{repository_id}"))
                for template in templates:
                    pattern = template.replace("/{path}", "{path:(?:/.*)?}").replace("{ref}", "{ref:.+}")
                    app.router.add_route(route.method, prefix + pattern, self._served(route, prefix))

    def _served(self, route: Route, prefix: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def serve(request: web.Request) -> web.Response:
            caller = Caller()
            try:
                caller = self.access.caller(request.headers.get("Authorization", ""))
                version = request.headers.get("X-GitHub-Api-Version", "" if self.strict_version else VERSION)
                if version != VERSION:
                    raise Refused(400, f"X-GitHub-Api-Version {version or 'missing'}: only {VERSION} is spoken here")
                if route.template != "/rate_limit":
                    self.access.count(caller)
                answer = self._answer(route, prefix, request, caller, await _told(request))
            except Refused as no:
                answer = Answer(status=no.status, body=_refusal(no))
            return self._finish(route, request, caller, answer)

        return serve

    def _answer(self, route: Route, prefix: str, request: web.Request, caller: Caller, told: Json) -> Answer:
        call = Call(
            world=self.world,
            mail=self.mail,
            access=self.access,
            apps=self.apps,
            clock=self.clock,
            caller=caller,
            request=request,
            told=told,
        )
        if route.audience == "app" and caller.app is None:
            raise Refused(401, "A JSON web token could not be decoded")
        if route.audience == "installation" and caller.token is None:
            raise Refused(401, "Requires authentication")
        if route.audience != "repository":
            return route.handler(call)
        hosted = self._hosted(request)
        self.access.demand(caller, hosted, ("metadata", *route.permissions), "read")
        if moved := self._moved(request, prefix, hosted):
            return moved
        if route.permissions != ("metadata",):
            self.access.demand(caller, hosted, route.permissions, route.level)
        if hosted.archived and route.level == "write":
            raise Refused(403, "Repository was archived so is read-only.")
        return route.handler(replace(call, hosted=hosted))

    def _hosted(self, request: web.Request) -> Hosted:
        asked = request.match_info
        if "repository_id" in asked:
            number = asked["repository_id"]
            found = self.world.repositories.get(int(number) if number.isdecimal() else 0)
        else:
            found = self.world.named(f"{asked['owner']}/{asked['repo']}")
        if found is None or found.deleted:
            raise Refused(404, "Not Found")
        return found

    def _moved(self, request: web.Request, prefix: str, hosted: Hosted) -> Answer | None:
        """Old paths are sent to the number."""
        asked = request.match_info
        if "repository_id" in asked or f"{asked['owner']}/{asked['repo']}".lower() == hosted.path.lower():
            return None
        tail = request.path_qs.split(f"/{asked['repo']}", 1)[1]
        url = f"{request.url.origin()}{prefix}/repositories/{hosted.id}{tail}"
        status = 301 if request.method == "GET" else 307
        message = "Moved Permanently" if status == 301 else "Temporary Redirect"
        return Answer(
            status=status,
            headers={"Location": url},
            body={"message": message, "url": url, "documentation_url": DOCUMENTATION},
        )

    def _finish(self, route: Route, request: web.Request, caller: Caller, answer: Answer) -> web.Response:
        """The allowance's headers on every answer, an ETag on what was read, and nothing for what is known already."""
        headers = dict(answer.headers)
        content = answer.raw if answer.raw is not None else _bytes(answer)
        status = answer.status
        if request.method == "GET" and status == 200:
            headers["ETag"] = f'W/"{hashlib.sha256(content).hexdigest()}"'
            if headers["ETag"] in request.headers.get("If-None-Match", ""):
                self.access.give_back(caller)
                status, content = 304, b""
        used, reset = self.access.window(caller)
        limit = self.access.hourly
        headers |= {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(max(0, limit - used)),
            "x-ratelimit-reset": str(reset),
            "x-ratelimit-used": str(used),
            "x-ratelimit-resource": "core",
            "X-GitHub-Api-Version-Selected": VERSION,
        }
        if content:
            headers["Content-Type"] = (
                "application/json; charset=utf-8" if answer.raw is None else "application/vnd.github.raw"
            )
        if self.check is not None and status != 304 and answer.raw is None:
            try:
                self.check(route.method, route.template, status, answer.body)
            except Exception as no:  # noqa: BLE001 - whatever it raises is the finding, told when the forge stops
                self.broken.append(f"{route.method} {route.template} {status}: {no}")
        return web.Response(status=status, headers=headers, body=content)


async def _told(request: web.Request) -> Json:
    body = await request.read()
    if not body:
        return None
    try:
        told: Json = json.loads(body)
    except ValueError:
        raise Refused(400, "Problems parsing JSON") from None
    return told


def _refusal(no: Refused) -> Body:
    return {"message": no.message, "documentation_url": DOCUMENTATION, "status": str(no.status)}


def _bytes(answer: Answer) -> bytes:
    return b"" if answer.body is None else json.dumps(answer.body, ensure_ascii=False).encode()
