"""What tests about the GitLab client share: a stand-in held against GitLab's schemas, a story, a second listener."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp.web

from bot.dora.instants import SECOND
from bot.forges.client import RepositoryKey
from bot.forges.gitlab.client import GitlabClient
from bot.standins.forge import Change
from bot.standins.gitlab import GitLab, Project
from bot.standins.repository import Person
from tests.standins.gitlab_schemas import check

NOON = 1_780_000_000
ANA = Person(login="ana", name="Ana", email="ana@example.com", number=11)
BOB = Person(login="bob", name="Bob", email="bob@example.com", number=12)
CAT = Person(login="cat", name="Cat", email="cat@example.com", number=13)
SHOP = "acme/platform/shop"


@asynccontextmanager
async def standing(tmp_path: Path, *, root: str = "/gitlab", premium: bool = False) -> AsyncIterator[GitLab]:
    """A stand-in that serves."""
    forge = GitLab(tmp_path, now=NOON, root=root, premium=premium, check=check)
    await forge.start()
    try:
        yield forge
    finally:
        await forge.stop()


@asynccontextmanager
async def asking(
    forge: GitLab, *scopes: str, token: str = "", base_url: str = "https://bot.example.com",
    waits: tuple[float, float] = (2.0, 2.0), deadline: float | None = None, **rights: object,
) -> AsyncIterator[GitlabClient]:  # fmt: skip
    """A client with a token of these scopes."""
    value = token or forge.create_token(*(scopes or ("read_api",)), **rights).value  # type: ignore[arg-type]
    client = GitlabClient(
        url=forge.url, token=value, base_url=base_url, clock=lambda: forge.now * SECOND, timeout=waits, deadline=deadline
    )
    try:
        yield client
    finally:
        await client.close()


def key(project: Project, *, by_number: bool = False) -> RepositoryKey:
    """The project as the pipeline names it."""
    return RepositoryKey(path=project.path, forge_id=str(project.id) if by_number else "")


def landed(forge: GitLab, how: str = "merge", *, path: str = SHOP) -> Project:
    """A project with one merged request of two commits: opened as a draft, approved by two, of whom one took it back."""
    shop = forge.create_repository(path)
    shop.commit("main", {"app/a.py": "1\n", "docs/x.md": "x\n"}, message="Begin", author=ANA)
    forge.now += 60
    shop.push(
        "basket",
        Change(files={"app/a.py": "2\n"}, message="Fill it", author=ANA),
        Change(files={"docs/x.md": None, "docs/y.md": "x\n"}, message="Tell of it", author=ANA),
    )
    number = shop.open("basket", "main", title="A basket", body="why", author=ANA, draft=True, labels=["shop"])
    forge.now += 60
    shop.set_draft(number, False, by=ANA)
    forge.now += 60
    shop.approve(number, by=BOB)
    forge.now += 60
    taken_back = shop.approve(number, by=CAT)
    forge.now += 60
    shop.dismiss(number, taken_back, by=CAT)
    forge.now += 60
    shop.merge(number, how, by=BOB)  # type: ignore[arg-type]
    return shop


@asynccontextmanager
async def other_host() -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
    """A second listener and the headers of all that came there."""
    came: list[dict[str, str]] = []

    async def answer(request: aiohttp.web.Request) -> aiohttp.web.Response:
        came.append(dict(request.headers))
        return aiohttp.web.json_response([])

    app = aiohttp.web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", came
    finally:
        await runner.cleanup()


async def longest_lag(work: Callable[[], object]) -> float:
    """The longest time (s) the event loop was held while `work` (awaitable) ran."""
    worst, running = 0.0, True

    async def watch() -> None:
        nonlocal worst
        while running:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            worst = max(worst, time.monotonic() - before - 0.005)

    watcher = asyncio.create_task(watch())
    try:
        await work()  # type: ignore[misc]
    finally:
        running = False
        await watcher
    return worst
