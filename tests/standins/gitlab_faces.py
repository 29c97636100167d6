"""Who the tests of the GitLab stand-in have in common: people, a receiver of webhooks, python-gitlab in a thread of its own."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gitlab
from aiohttp import web
from multidict import CIMultiDictProxy

from bot.standins.gitlab import GitLab
from bot.standins.repository import Person

T = TypeVar("T")
NOON = 1_780_000_000
"""2026-05-28T20:26:40Z."""
ANA = Person(login="ana", name="Ana", email="ana@example.com", number=11)
BOB = Person(login="bob", name="Bob", email="bob@example.com", number=12)
SHOP = "acme/platform/shop"


async def ask(forge: GitLab, token: str, question: Callable[[gitlab.Gitlab], T], *, bearer: bool = False) -> T:
    """What python-gitlab gets."""
    client = gitlab.Gitlab(
        forge.url,
        private_token=None if bearer else token or None,
        oauth_token=token if bearer else None,
        per_page=100,
        timeout=5,
        keep_base_url=True,
    )
    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, question, client)


async def refusal(forge: GitLab, token: str, question: Callable[[gitlab.Gitlab], object]) -> tuple[int | None, str]:
    """(status, message) with which GitLab refuses."""
    try:
        await ask(forge, token, question)
    except gitlab.GitlabError as error:
        return error.response_code, str(error.error_message)
    raise AssertionError("not refused")


@dataclass
class Receiver:
    """Takes webhooks on a port of its own and answers with `status`."""

    status: int = 200
    got: list[tuple[CIMultiDictProxy[str], bytes]] = field(default_factory=list)
    url: str = ""
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.got.append((request.headers, await request.read()))
        return web.Response(status=self.status, text="thank you")

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]

    @property
    def events(self) -> list[tuple[str, str]]:
        """(what, which kind of it) of each delivery."""
        return [
            (body.get("object_kind") or body["event_name"], body.get("object_attributes", {}).get("action", body.get("ref", "")))
            for body in self.bodies
        ]
