"""What the fake GitHub's tests share: people, a checked GitHub, a receiver of webhooks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from bot.standins.github import GitHub
from bot.standins.repository import Person
from tests.standins.github_contract import github_answer

NOON = 1_790_000_000
ANN = Person(login="ann", name="Ann Ash", email="ann@example.com", number=1_001)
BEN = Person(login="ben", name="Ben Birch", email="ben@example.com", number=1_002)


@dataclass
class Receiver:
    """Takes webhooks; `status` is what it answers, after `pause` seconds."""

    url: str = ""
    status: int = 202
    pause: float = 0.0
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Keep a delivery."""
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        await asyncio.sleep(self.pause)
        return web.Response(status=self.status, text="taken")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A listening receiver."""
    here = Receiver()
    app = web.Application(client_max_size=32 * 2**20)
    app.router.add_post("/hook", here.take)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    here.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield here
    await runner.cleanup()


@pytest.fixture
async def github(tmp_path: Path) -> AsyncIterator[GitHub]:
    """A GitHub whose every answer is held against GitHub's description."""
    forge = GitHub(tmp_path / "github", now=NOON, check=github_answer)
    await forge.start()
    yield forge
    await forge.stop()
