"""A local git server: `git http-backend` behind one aiohttp handler, reading only, like a forge's smart HTTP.

With `withhold_pulls` the heads of pull requests are hidden. Protocol v2 would hand out any object whose sha is known, hidden or not,
so that server speaks v0, which serves nothing but what it advertises.
"""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from bot.demo.organisation import git_environment

HOST = "127.0.0.1"
ROUTE = re.compile(r"^(?P<repository>/[A-Za-z0-9._/-]+?)(?:\.git)?/(?P<action>info/refs|git-upload-pack)$")
LARGEST_REQUEST = 16 * 1024 * 1024
HIDDEN = ("refs/pull", "refs/merge-requests")
SERVICE = "git-upload-pack"


class GitServer:
    """Serves the repositories below `root`; `port` is known after `start`."""

    def __init__(self, root: Path, *, withhold_pulls: bool = False) -> None:
        self._root = root.resolve()
        self._withhold = withhold_pulls
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 picks a free one. Raises OSError if the port is taken."""
        app = web.Application(client_max_size=LARGEST_REQUEST)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    async def _serve(self, request: web.Request) -> web.Response:
        route = ROUTE.match(request.path)
        repository = self._repository(route["repository"]) if route else None
        if route is None or repository is None:
            return web.Response(status=404, text="no such repository\n")
        action = route["action"]
        if request.method != ("GET" if action == "info/refs" else "POST"):
            return web.Response(status=405, text="not that way\n")
        if action == "info/refs" and request.query.get("service") != SERVICE:
            return web.Response(status=403, text="this server is for reading\n")
        body = await request.read()
        return await _backend(self._environment(request, repository, action, len(body)), body)

    def _repository(self, path: str) -> str | None:
        """The repository's path below the root, if there is one and it does not lead out."""
        directory = (self._root / f"{path.strip('/')}.git").resolve()
        inside = directory.is_relative_to(self._root) and (directory / "HEAD").is_file()
        return str(directory.relative_to(self._root)) if inside else None

    def _environment(self, request: web.Request, repository: str, action: str, length: int) -> dict[str, str]:
        config = [("uploadpack.allowFilter", "true"), ("safe.directory", "*"), ("core.packedGitLimit", "32m")]
        protocol = {"GIT_PROTOCOL": request.headers.get("Git-Protocol", "")}
        if self._withhold:
            config += [("transfer.hideRefs", prefix) for prefix in HIDDEN]
            protocol = {}
        return {
            **git_environment(),
            "GIT_PROJECT_ROOT": str(self._root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{repository}/{action}",
            "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "REMOTE_ADDR": HOST,
            **protocol,
            **_configuration(config),
        }


def _configuration(pairs: list[tuple[str, str]]) -> dict[str, str]:
    entries = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for n, (key, value) in enumerate(pairs):
        entries |= {f"GIT_CONFIG_KEY_{n}": key, f"GIT_CONFIG_VALUE_{n}": value}
    return entries


async def _backend(environment: Mapping[str, str], body: bytes) -> web.Response:
    """One CGI call; the answer's own headers are passed on."""
    process = await asyncio.create_subprocess_exec(
        "git", "http-backend",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=dict(environment),
    )  # fmt: skip
    output, _ = await process.communicate(body)
    head, _, content = output.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split()[0]) if output else 500
    return web.Response(status=status, body=content, headers=headers)
