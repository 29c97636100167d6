"""The same organisation on GitHub and on GitLab has the same lead times, stage by stage."""

import asyncio
from pathlib import Path
from typing import Any

from bot.standins.forge import Forge
from tests.e2e.forge_story import Deployed, play
from tests.e2e.forges import (
    GITLAB_SECRET,
    define,
    deploy,
    github_settings,
    gitlab_settings,
    new_github,
    new_gitlab,
    rested,
    story_of,
)
from tests.support.server import Served, served


async def test_the_same_story_gives_the_same_numbers(tmp_path: Path) -> None:
    told = [await on_github(f"sqlite:///{tmp_path}/github.db", tmp_path), await on_gitlab(f"sqlite:///{tmp_path}/gitlab.db", tmp_path)]
    assert told[0] == told[1]
    assert len(told[0]) == 18
    assert all(one["lead_time"] for one in told[0][2:])


async def on_github(url: str, folder: Path) -> list[dict[str, Any]]:
    forge = new_github(folder)
    await forge.start()
    home = folder / "on-github"
    home.mkdir()
    with served(url, home, start=False) as server:
        forge.create_app(hook_url=f"http://127.0.0.1:{server.port}/webhooks/github")
        server.settings = github_settings(forge)
        repo = forge.create_repository("acme/shop", private=True)
        forge.install("acme", [repo])
        return await played(forge, repo, server, "github.com")


async def on_gitlab(url: str, folder: Path) -> list[dict[str, Any]]:
    forge = new_gitlab(folder, root="/gitlab")
    await forge.start()
    home = folder / "on-gitlab"
    home.mkdir()
    with served(url, home, start=False) as server:
        server.settings = gitlab_settings(forge, "read_api", "read_repository")
        repo = forge.create_repository("acme/tools/shop", private=True)
        forge.add_hook(repo, f"http://127.0.0.1:{server.port}/webhooks/gitlab", token=GITLAB_SECRET)
        return await played(forge, repo, server, forge.url.removeprefix("http://"))


async def played(forge: Forge, repo: Any, server: Served, host: str) -> list[dict[str, Any]]:
    define(server, host, repo.path)
    reports: list[Deployed] = []
    play(forge, repo, reports.append)
    await asyncio.to_thread(server.start)
    await forge.deliver()
    for one in reports:
        await asyncio.to_thread(deploy, server, one, host)
    await rested(server)
    told = await asyncio.to_thread(story_of, server)
    await asyncio.to_thread(server.stop)
    await forge.stop()
    return told
