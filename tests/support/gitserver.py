"""A real git server on this machine: `git http-backend` behind aiohttp, with switches for what can go wrong."""

import asyncio
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from tests.support.gitrepo import ENVIRONMENT


@dataclass
class GitServer:
    """Serves the bare repositories below `root` (any depth, with or without `.git`); change the switches at any time."""

    root: Path
    token: str = ""
    """Ask for it as the password of basic authentication."""
    hidden: list[str] = field(default_factory=list)
    """Ref prefixes to withhold, such as `refs/pull`."""
    status: int = 0
    """Answer everything with this status instead."""
    delay: float = 0.0
    """Seconds to wait before each answer."""
    offers_filter: bool = True
    redirect: str = ""
    """Send every request to this base URL."""
    requests: list[str] = field(default_factory=list)
    """`METHOD path?query` of each request so far."""
    authorizations: list[str] = field(default_factory=list)
    url: str = ""
    """`http://127.0.0.1:port`, once it runs."""

    def app(self) -> web.Application:
        """The server as an aiohttp application."""
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    @property
    def packs(self) -> int:
        """How many packs were asked for so far."""
        return sum(request.startswith("POST") for request in self.requests)

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.path_qs}")
        self.authorizations.append(request.headers.get("Authorization", ""))
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.redirect:
            return web.Response(status=302, headers={"Location": self.redirect + request.path_qs})
        if self.status:
            return web.Response(status=self.status, text="switched off\n")
        basic = b64encode(f"x-access-token:{self.token}".encode()).decode()
        if self.token and request.headers.get("Authorization") != f"Basic {basic}":
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        return await self._backend(request)

    async def _backend(self, request: web.Request) -> web.Response:
        settings = [("uploadpack.allowFilter", str(self.offers_filter).lower()), ("safe.directory", "*")]
        settings += [("transfer.hideRefs", prefix) for prefix in self.hidden]
        environment = {
            **ENVIRONMENT,
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": self._path(request.path),
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": str(len(settings)),
        }
        for i, (key, value) in enumerate(settings):
            environment |= {f"GIT_CONFIG_KEY_{i}": key, f"GIT_CONFIG_VALUE_{i}": value}
        process = await asyncio.create_subprocess_exec(
            "git", "http-backend", env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        said, _ = await process.communicate(await request.read())
        head, _, body = said.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200").split()[0])
        headers.pop("Content-Length", None)
        return web.Response(status=status, headers=headers, body=body)

    def _path(self, path: str) -> str:
        for service in ("/info/refs", "/git-upload-pack"):
            name = path.removesuffix(service)
            if name != path and not (self.root / name.strip("/")).exists():
                return name + ".git" + service
            if name != path and name.endswith(".git") and not (self.root / name.strip("/")).exists():
                return name.removesuffix(".git") + service
        return path


@asynccontextmanager
async def git_server(root: Path) -> AsyncIterator[GitServer]:
    """A running server, in this event loop."""
    server = GitServer(root)
    runner = web.AppRunner(server.app(), shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@contextmanager
def git_server_thread(root: Path) -> Iterator[GitServer]:
    """A running server in a thread of its own, for tests without an event loop."""
    ready: list[GitServer] = []
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with git_server(root) as server:
            ready.append(server)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
