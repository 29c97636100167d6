"""Deployments and releases as the forges' APIs list them: the same facts as their webhooks tell."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.dora.events import DeploymentSeen, ReleaseSeen
from bot.dora.instants import SECOND
from bot.forges.client import NotAllowedError, NotThereError
from bot.forges.github import client as github_client
from bot.forges.gitlab import calls
from bot.standins.gitlab import GitLab, Project
from tests.forges.github_room import ANN, START, WITH_CHECKS, Room, all_pages, events_of, open_room
from tests.forges.gitlab_room import ANA, NOON, asking, key, landed, standing

RIGHTS = WITH_CHECKS | {"deployments": "read"}


def _told(events: list[DeploymentSeen]) -> list[tuple[str, str, int, int | None]]:
    """(environment, state, seconds since the story began, and when it was made)."""
    begin = START if events and events[0].repository.forge == "github" else NOON
    return [
        (one.environment, one.state, one.at // SECOND - begin, None if one.created_at is None else one.created_at // SECOND - begin)
        for one in events
    ]  # fmt: skip


async def _deployed_on_github(room: Room) -> Any:
    shop = room.repository()
    sha = shop.git.head("main")
    first = shop.deploy(sha, "production", state="in_progress")
    for state in ("success", "inactive"):
        room.forge.now += 60
        shop.deployment_status(first, state)
    for _ in range(3):
        room.forge.now += 60
        shop.deploy(sha, "staging", state="failure")
    return shop


async def test_githubs_deployments_come_with_all_their_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github_client, "DEPLOYMENTS_PER_PAGE", 2)
    monkeypatch.setattr(github_client, "PER_PAGE", 2)
    async with open_room(tmp_path, permissions=RIGHTS) as room:
        shop = await _deployed_on_github(room)
        room.installed(shop)
        pages = await all_pages(partial(_deployments, room, shop))
        seen = events_of(pages, DeploymentSeen)
        assert len(pages) == 2
        assert sorted(_told([one for one in seen if one.environment == "production"]), key=lambda one: one[2]) == [
            ("production", "created", 0, 0), ("production", "in_progress", 0, 0), ("production", "success", 60, 0),
            ("production", "inactive", 120, 0),
        ]  # fmt: skip
        assert len({one.forge_id for one in seen}) == 4
        assert {(one.sha or b"").hex() for one in seen} == {shop.git.head("main")}
        name = f"{room.forge.url.removeprefix('http://')}/acme/shop"
        assert {(one.ref, one.repository.forge_id, one.repository.name) for one in seen} == {("main", str(shop.id), name)}
        later = await all_pages(partial(_deployments, room, shop, since=(START + 200) * SECOND))
        assert {one[2] for one in _told(events_of(later, DeploymentSeen))} == {240, 300}


async def _deployments(room: Room, shop: Any, cursor: str, *, since: int | None = None) -> object:
    return await room.client.deployments(room.key(shop), since=since, cursor=cursor)


async def test_githubs_releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github_client, "PER_PAGE", 2)
    async with open_room(tmp_path, permissions=RIGHTS) as room:
        shop = room.repository()
        for n in range(3):
            room.forge.now += 60
            shop.tag(f"v{n}", shop.git.head("main"), by=ANN)
            shop.release(f"v{n}")
        room.installed(shop)
        pages = await all_pages(lambda cursor: room.client.releases(room.key(shop), cursor=cursor))
        seen = sorted(events_of(pages, ReleaseSeen), key=lambda one: one.tag)
        assert (len(pages), [one.tag for one in seen]) == (2, ["v0", "v1", "v2"])
        assert {one.state for one in seen} == {"published"}
        assert [one.published_at for one in seen] == [(START + n) * SECOND for n in (60, 120, 180)] == [one.at for one in seen]
        assert {one.repository.forge_id for one in seen} == {str(shop.id)}


async def test_github_says_what_is_missing(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        with pytest.raises(NotAllowedError, match="deployments"):
            await room.client.deployments(room.key(shop), since=None, cursor="")
        taken = replace(room.key(shop), forge_id="999")
        with pytest.raises(NotThereError, match="taken this name"):
            await room.client.releases(taken, cursor="")


def _deployed_on_gitlab(forge: GitLab) -> Project:
    shop = landed(forge)
    shop.tag("v1", shop.git.resolve("main") or "", by=ANA)
    for state in ("success", "failure", "success"):
        forge.now += 60
        shop.deploy(shop.git.resolve("main") or "", "production", state=state)
    forge.now += 60
    shop.release("v1")
    return shop


async def test_gitlabs_deployments_are_told_in_their_present_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "PER_PAGE", 2)
    async with standing(tmp_path) as forge, asking(forge) as client:
        shop = _deployed_on_gitlab(forge)
        pages = await all_pages(lambda cursor: client.deployments(key(shop), since=None, cursor=cursor))
        told = _told(events_of(pages, DeploymentSeen))
        assert len(pages) == 2
        assert [one[:2] for one in told] == [("production", "success"), ("production", "failed"), ("production", "success")]
        assert all(at == made for _, _, at, made in told)
        since = (NOON + told[-1][2]) * SECOND - 1
        pages = await all_pages(lambda cursor: client.deployments(key(shop, by_number=True), since=since, cursor=cursor))
        assert _told(events_of(pages, DeploymentSeen)) == told[-1:]


async def test_gitlabs_releases_are_known_by_their_tag(tmp_path: Path) -> None:
    async with standing(tmp_path) as forge, asking(forge) as client:
        shop = _deployed_on_gitlab(forge)
        pages = await all_pages(lambda cursor: client.releases(key(shop), cursor=cursor))
        (seen,) = events_of(pages, ReleaseSeen)
        assert (seen.forge_id, seen.tag, seen.state, seen.published_at) == ("tag:v1", "v1", "published", forge.now * SECOND)
        assert seen.repository.forge_id == str(shop.id)
