"""A git server and nothing else: the bare repositories below a folder, on one loopback port."""

import time
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from bot.standins.faults import Door, Fault, Seen
from bot.standins.git_http import GitHttp, Served

HOST = "127.0.0.1"
LARGEST_REQUEST = 64 * 2**20
USER = "x-access-token"


class GitServer:
    """Serves each repository at its path below `root`, with or without `.git` there and in the URL.

    `token`, if any, is asked for as the password of `x-access-token`; it, the switches of `git` and the list of
    `faults` may be changed at any time.
    """

    def __init__(self, root: Path, *, withheld: Sequence[str] = ()) -> None:
        self.token = ""
        self.git = GitHttp(find=self._find, access=self._access, withheld=withheld)
        self.url = ""
        self._root = root.resolve()
        self._door = Door(lambda: int(time.time()))
        self._runner: web.AppRunner | None = None

    @property
    def faults(self) -> list[Fault]:
        """Faults to play, see bot.standins.faults."""
        return self._door.faults

    @property
    def requests(self) -> list[Seen]:
        """All that was asked."""
        return self._door.requests

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 picks a free one. Raises OSError if the port is taken."""
        app = web.Application(client_max_size=LARGEST_REQUEST, middlewares=[self._door.middleware()])
        app.router.add_route("*", "/{path:.*}", self.git.answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()
        self.url = f"http://{HOST}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _find(self, path: str) -> Served | None:
        """The repository there, unless the path leads out of the root."""
        for name in (f"{path}.git", path):
            directory = (self._root / name.strip("/")).resolve()
            if directory.is_relative_to(self._root) and (directory / "HEAD").is_file():
                return Served(directory=directory, path=path)
        return None

    def _access(self, _path: str, user: str, password: str) -> int:
        return 200 if not self.token or (user, password) == (USER, self.token) else 401
