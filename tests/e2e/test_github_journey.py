"""GitHub from an empty store: connect, install on 30 repositories, backfill, live events, and one delivery in five never sent."""

import asyncio
import contextlib
import re
import sqlite3
import time
import zlib
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp

from bot.standins.forge import QueuedDelivery
from bot.standins.github import GitHub, GitHubRepo
from tests.e2e.forge_story import ALICE, Deployed, land, play
from tests.e2e.forges import define, deploy, deployments, new_github, rested, story_of
from tests.support.server import Served, served

REPOSITORIES = 30
LIVE = 3_000
"""Seconds that the work before the restart takes."""
AGO = 300
"""Seconds between the last delivery and the restart, by the forge's clock: what is younger than a minute may be on its way."""


async def test_what_was_never_sent_is_fetched_again(tmp_path: Path) -> None:
    seen: list[str] = []
    lost: list[str] = []

    def one_in_five(delivery: QueuedDelivery) -> bool:
        seen.append(delivery.id)
        gone = zlib.crc32(f"{delivery.event} {delivery.action} {len(seen)}".encode()) % 5 == 0
        if gone:
            lost.append(delivery.id)
        return gone

    now = int(time.time())
    whole = await journey(tmp_path / "whole", now=now, drop=lambda _: False)
    mended = await journey(tmp_path / "mended", now=now, drop=one_in_five)
    assert len(lost) > len(seen) / 8
    differing = [pair for pair in zip(mended["told"], whole["told"], strict=True) if pair[0] != pair[1]]
    assert differing == []
    differing = [pair for pair in zip(mended["pull_requests"], whole["pull_requests"], strict=True) if pair[0] != pair[1]]
    assert differing == []
    assert len(whole["pull_requests"]) == REPOSITORIES * 2 + 8 - 1
    assert (whole["gaps"], whole["repaired"]) == (0, 0)
    assert (mended["gaps"], mended["repaired"]) == (len(lost), len(lost))


async def journey(folder: Path, *, now: int, drop: Any) -> dict[str, Any]:
    """One life of a server: set-up, backfill, a day of work, a restart."""
    await asyncio.to_thread(folder.mkdir)
    forge = new_github(folder)
    forge.now = now - 5 * 86_400
    await forge.start()
    with served(f"sqlite:///{folder}/store.db", folder, start=False) as server:
        server.settings = {"GITHUB_WEBHOOK_SECRET": "", "GITHUB_API_URL": forge.url, "CLONE_URLS": f"github.com={forge.url}"}
        await asyncio.to_thread(server.start)
        await connect(forge, server)
        repositories = [history_of(forge, n) for n in range(REPOSITORIES)]
        shop = repositories[0]
        define(server, "github.com", shop.path)
        forge.install("acme", repositories)
        await forge.deliver()
        await rested(server)
        forge.drop = drop
        # Gaps are looked for in what was sent since the log was last read: this happens within the last hour.
        forge.now = now - LIVE - AGO
        reports: list[Deployed] = []
        play(forge, shop, reports.append, step=LIVE // 140)
        forge.now = now - AGO
        await forge.deliver()
        for one in reports:
            await asyncio.to_thread(deploy, server, one, "github.com")
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(let_time_pass, server, now - AGO)
        await asyncio.to_thread(server.start)
        await rested(server)
        figures = await asyncio.to_thread(server.ask, "GET", "/metrics")
        told = {
            "told": await asyncio.to_thread(story_of, server),
            "pull_requests": await asyncio.to_thread(pull_requests, server),
            "gaps": figure(figures.body, "rollforward_gaps_found_total"),
            "repaired": figure(figures.body, "rollforward_gaps_repaired_total"),
        }
        assert len(await asyncio.to_thread(deployments, server)) == len(reports)
    await forge.stop()
    return told


def let_time_pass(server: Served, sent_at: int) -> None:
    """What arrived just now arrived when the forge says that it was sent."""
    with contextlib.closing(sqlite3.connect(server.url.removeprefix("sqlite:///"))) as store, store:
        store.execute("UPDATE inbox SET received_at = received_at - ? WHERE source = 'github'", ((int(time.time()) - sent_at) * 10**9,))


def history_of(forge: GitHub, n: int) -> GitHubRepo:
    """A repository that was there before the App: two pull requests have landed, the second by a squash."""
    repo = forge.create_repository(f"acme/{'shop' if n == 0 else f'part-{n}'}", private=n % 2 == 0)
    repo.commit("main", {"README.md": f"{n}\n"}, message="Begin", author=ALICE)
    if n:
        land(forge, repo, 1, "merge")
    land(forge, repo, 2 if n else 9, "squash")
    return repo


async def connect(forge: GitHub, server: Served) -> None:
    """Click through the set-up page as a browser does."""
    base = f"http://127.0.0.1:{server.port}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.post(f"{base}/setup/github", data={"org": "acme"}, headers={"Origin": base}) as answer:
            page = await answer.text()
            assert answer.status == 200, page
        target, manifest = form_of(page)
        async with browser.post(target, data={"manifest": manifest}, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            back = answer.headers["Location"]
        async with browser.get(back) as answer:
            assert answer.status == 200, await answer.text()
            assert "install" in (await answer.text()).lower()


def form_of(page: str) -> tuple[str, str]:
    """Where the page's form goes, and the manifest it carries."""
    action = re.search(r'<form[^>]*action="(http[^"]+)"', page)
    manifest = re.search(r'name="manifest" value="([^"]*)"', page)
    assert action and manifest, page
    return unescape(action[1]), unescape(manifest[1])


def pull_requests(server: Served) -> list[Mapping[str, Any]]:
    """All pull requests, in a fixed order."""
    found: list[Mapping[str, Any]] = server.get("/api/v1/pull-requests?limit=1000")["data"]
    return sorted(found, key=lambda one: (one["repository"], one["number"]))


def figure(text: bytes, name: str) -> int:
    """The sum of a figure over its labels."""
    lines = [line for line in text.decode().splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    assert lines, f"/metrics says nothing of {name}"
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines))
