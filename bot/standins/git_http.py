"""Smart HTTP for reading, by `git http-backend`: what a forge does with `git clone https://…/group/name.git`."""

import asyncio
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from bot.standins.objects import git_environment

ROUTE = re.compile(r"^/(?P<path>.+?)(?:\.git)?/(?P<service>info/refs|git-upload-pack)$")
SERVICE = "git-upload-pack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A repository that can be asked for: its directory, and its present path (an old one is redirected there)."""

    directory: Path
    path: str


@dataclass(slots=True, kw_only=True)
class GitHttp:
    """Answers git. The switches may be changed at any time.

    `find` knows a path (without `.git`); `access(path, user, password)` (both "" without credentials) returns 200 to
    let somebody in, else the status to answer. It is asked about unknown paths too: some forges hide which those are.
    """

    find: Callable[[str], Served | None]
    access: Callable[[str, str, str], int]
    withheld: Sequence[str] = ()
    """Ref prefixes not shown, such as `refs/pull`. Then only v0 is spoken: v2 would hand out hidden objects."""
    offers_filter: bool = True
    packs: int = 0
    """How many packs were asked for so far."""

    def takes(self, request: web.Request) -> bool:
        """Whether this is a request of git."""
        return ROUTE.match(request.path) is not None

    async def answer(self, request: web.Request) -> web.Response:
        """The answer to a request; 404 to one that `takes` did not take."""
        route = ROUTE.match(request.path)
        if route is None:
            return _refusal(404)
        served = self.find(route["path"])
        credentials = _credentials(request.headers.get("Authorization", ""))
        status = self.access(served.path if served else route["path"], *credentials)
        if status != 200 or served is None:
            return _refusal(404 if status == 200 else status)
        if served.path != route["path"]:
            query = f"?{request.query_string}" if request.query_string else ""
            return web.Response(status=301, headers={"Location": f"/{served.path}.git/{route['service']}{query}"})
        if request.method != ("GET" if route["service"] == "info/refs" else "POST"):
            return _refusal(405)
        if route["service"] == "info/refs" and request.query.get("service") != SERVICE:
            return _refusal(403)
        self.packs += request.method == "POST"
        return await _backend(self._environment(request, served.directory, route["service"]), await request.read())

    def _environment(self, request: web.Request, directory: Path, service: str) -> dict[str, str]:
        settings = [("uploadpack.allowFilter", str(self.offers_filter).lower()), ("safe.directory", "*")]
        # With this git counts what only a hidden ref reaches as reachable.
        settings += [("uploadpack.allowReachableSHA1InWant", str(not self.withheld).lower())]
        settings += [("transfer.hideRefs", prefix) for prefix in self.withheld]
        environment = {
            **git_environment(),
            "GIT_PROJECT_ROOT": str(directory.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{directory.name}/{service}",
            "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "GIT_PROTOCOL": "" if self.withheld else request.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": str(len(settings)),
        }
        for n, (key, value) in enumerate(settings):
            environment |= {f"GIT_CONFIG_KEY_{n}": key, f"GIT_CONFIG_VALUE_{n}": value}
        return environment


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = b64decode(value).decode().partition(":")
    except (NotBase64, UnicodeDecodeError):
        return "", ""
    return user, password


def _refusal(status: int) -> web.Response:
    headers = {"WWW-Authenticate": 'Basic realm="git"'} if status == 401 else {}
    return web.Response(status=status, headers=headers, text="Repository not found.\n")


async def _backend(environment: dict[str, str], body: bytes) -> web.Response:
    """One CGI call; the answer's own headers are passed on."""
    environment["CONTENT_LENGTH"] = str(len(body))
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    output, _ = await process.communicate(body)
    head, _, content = output.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line)
    headers.pop("Content-Length", None)
    status = int(headers.pop("Status", "200").split()[0]) if output else 500
    return web.Response(status=status, body=content, headers=headers)
