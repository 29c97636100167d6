"""Issues that a forge is asked for and issues that it tells by webhook are the same facts, whichever come first."""

import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.credentials import GithubApp
from bot.dora.events import ForgeEvent, IssueSeen
from bot.dora.instants import MINUTE, SECOND
from bot.dora.issues import INSTALLED
from bot.forges.client import NotAllowedError, NotThereError, RepositoryKey
from bot.forges.github import client as github_client
from bot.forges.github.client import GithubClient
from bot.forges.gitlab import calls
from bot.forges.gitlab.client import GitlabClient
from bot.pipeline.recording import record_events
from bot.settings import Secret
from bot.standins.faults import Fault, Status
from bot.standins.github import GitHub
from bot.standins.github.repo import GitHubRepo
from bot.standins.gitlab import GitLab
from bot.store import Receipt, Store
from tests.forges.github_room import ANN, START, all_pages, events_of
from tests.pipeline.issue_room import failures
from tests.pipeline.naming_room import LATER, Room
from tests.standins.github_contract import github_answer, github_payload
from tests.standins.gitlab_schemas import check

RIGHTS = {"contents": "read", "metadata": "read", "issues": "read", "pull_requests": "read"}
ORDERS = [("api",), ("hooks",), ("api", "hooks"), ("hooks", "api"), ("api", "hooks", "api")]
STORY = [("Down", "resolved", 0, 35, 25), ("Slow", "active", 5, None, None)]
"""Opened, closed after 10 minutes, opened again after 20, closed after 35: 10 + 15 minutes. And one that is labelled later."""


def _failed(store: Store) -> list[tuple[Any, ...]]:
    """(name, state, began, ended, restored) of each failure, in minutes of the story."""

    def minute(instant: int | None) -> int | None:
        return None if instant is None else (instant - START * SECOND) // MINUTE

    return sorted(
        (row["name"], row["state"], minute(row["started_at"]), minute(row["finished_at"]),
         None if row["time_to_restore"] is None else row["time_to_restore"] // MINUTE)
        for row in failures(store)
    )  # fmt: skip


async def _hear(store: Store, source: str, told: Sequence[tuple[str, Any]]) -> None:
    headers = {"content-type": "application/json", "x-gitlab-instance": "https://gitlab.com"}
    for number, (event, payload) in enumerate(told):
        body = json.dumps(payload).encode()
        await store.append(Receipt(source=source, key=f"{number}", event=event, received_at=LATER, headers=headers, body=body))


async def _work(
    room: Room, order: Sequence[str], *, source: str, hooks: Sequence[tuple[str, Any]], events: Sequence[ForgeEvent]
) -> None:
    for way in order:
        if way == "hooks":
            await _hear(room.store, source, hooks)
        else:
            room.store.write(lambda writer: record_events(writer, events, now=LATER))
        room.work()


@asynccontextmanager
async def _github(folder: Path, rights: dict[str, str] = RIGHTS) -> AsyncIterator[tuple[GitHub, GitHubRepo, GithubClient, RepositoryKey]]:
    """A GitHub, checked against its own description, and a client."""
    forge = GitHub(folder, now=START, check=github_answer, strict_version=True, web_url="https://github.com")
    await forge.start()
    app = forge.create_app(hook_url="http://127.0.0.1:9/hook", permissions=rights, events=("issues", "push"))
    shop = forge.create_repository("acme/shop", private=True)
    installation = forge.install("acme", [shop])
    known = GithubApp(id=str(app.id), private_key=Secret(app.pem.encode()), slug=app.slug)
    client = GithubClient(forge.url, app=lambda: known, clock=time.time_ns)
    try:
        yield forge, shop, client, RepositoryKey(path="acme/shop", forge_id=str(shop.id), installation_id=str(installation.id))
    finally:
        await client.close()
        await forge.stop()


def _on_github(forge: GitHub, shop: GitHubRepo) -> None:
    shop.commit("main", {"README.md": "hello"}, message="Start", author=ANN)
    down = shop.issue("Down", author=ANN, labels=["incident"])
    forge.now += 5 * 60
    slow = shop.issue("Slow", author=ANN)
    shop.commit("topic", {"a": "x"}, message="Change", author=ANN)
    shop.open("topic", "main", title="Change", author=ANN, labels=["incident"])
    forge.now += 5 * 60
    shop.close_issue(down, by=ANN)
    shop.label_issue(slow, "incident", by=ANN)
    forge.now += 10 * 60
    shop.reopen_issue(down, by=ANN)
    shop.issue("Typo", author=ANN, labels=["bug"])
    forge.now += 15 * 60
    shop.close_issue(down, by=ANN)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
async def test_issues_of_github(
    store: Store, tmp_path: Path, order: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(github_client, "PER_PAGE", 2)
    async with _github(tmp_path / "github") as (forge, shop, client, key):
        _on_github(forge, shop)
        hooks = [(told.event, told.payload) for told in forge.mail.queue if told.event == "issues"]
        for event, payload in hooks:
            github_payload(event, payload)
        pages = await all_pages(partial(_listed, client, key))
        asked = {seen.path_qs.partition("?")[0] for seen in forge.requests if "/events?" in seen.path_qs}
    assert len(pages) == 3
    assert list(dict.fromkeys(one.title for one in events_of(pages, IssueSeen))) == ["Down", "Typo", "Slow"], "and no pull request"
    assert len(asked) == 2, "only of those that are chosen it is asked when they were closed and opened again"
    room = Room(store, tmp_path / "data")
    await _work(room, order, source="github", hooks=hooks, events=events_of(pages, IssueSeen))
    assert _failed(store) == STORY


async def _listed(client: Any, key: RepositoryKey, cursor: str, *, since: int | None = None) -> object:
    return await client.issues(key, chosen=INSTALLED[client.forge], since=since, cursor=cursor)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
async def test_issues_of_gitlab(store: Store, tmp_path: Path, order: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "PER_PAGE", 2)
    forge = GitLab(tmp_path / "gitlab", now=START, check=check)
    forge.external_url = "https://gitlab.com"
    await forge.start()
    client = GitlabClient(url=forge.url, token=forge.create_token("read_api").value, clock=time.time_ns)
    try:
        shop = forge.create_repository("acme/shop")
        forge.add_hook(shop, "http://127.0.0.1:9/hook")
        _on_gitlab(forge, shop)
        hooks = [(told.told.event, told.told.payload) for told in forge.courier.queue if told.trigger == "issue_hooks"]
        key = RepositoryKey(path="acme/shop", forge_id=str(shop.id))
        pages = await all_pages(partial(_listed, client, key))
        asked = {seen.path_qs.partition("?")[0] for seen in forge.requests if "/resource_state_events" in seen.path_qs}
        later = events_of(await all_pages(partial(_listed, client, key, since=(START + 30 * 60) * SECOND)), IssueSeen)
    finally:
        await client.close()
        await forge.stop()
    assert (len(hooks), len(pages), len(asked)) == (6, 3, 2)
    assert [one.title for one in later] == ["Down"]
    room = Room(store, tmp_path / "data")
    await _work(room, order, source="gitlab", hooks=hooks, events=events_of(pages, IssueSeen))
    assert _failed(store) == STORY


def _on_gitlab(forge: GitLab, shop: Any) -> None:
    down = shop.issue("Down", by=ANN, incident=True)
    forge.now += 5 * 60
    shop.issue("Slow", by=ANN, labels=["incident"])
    forge.now += 5 * 60
    shop.close_issue(down, by=ANN)
    forge.now += 10 * 60
    shop.reopen_issue(down, by=ANN)
    shop.issue("Typo", by=ANN, labels=["bug"])
    forge.now += 15 * 60
    shop.close_issue(down, by=ANN)


async def test_what_changes_while_it_is_listed_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github_client, "PER_PAGE", 2)
    async with _github(tmp_path) as (forge, shop, client, key):
        numbers = [shop.issue(f"Issue {n}", author=ANN) for n in range(5)]
        for number in numbers[2:]:
            forge.now += 60
            shop.label_issue(number, "bug", by=ANN)
        seen, cursor = set(), ""
        for page in range(20):
            answer = await client.issues(key, chosen=INSTALLED["github"], since=None, cursor=cursor)
            seen |= {one.number for one in events_of([answer], IssueSeen)}
            cursor = answer.cursor
            if not cursor:
                break
            if page == 1:
                forge.now += 60
                shop.close_issue(numbers[0], by=ANN)
        assert cursor == ""
        assert seen == set(numbers)


async def test_what_is_missing_is_said(tmp_path: Path) -> None:
    rights = {name: level for name, level in RIGHTS.items() if name != "issues"}
    async with _github(tmp_path, rights) as (forge, _, client, key):
        with pytest.raises(NotAllowedError, match="issues: read"):
            await client.issues(key, chosen=INSTALLED["github"], since=None, cursor="")
    async with _github(tmp_path / "other") as (forge, _, client, key):
        forge.faults.append(Fault(match="GET /repos/acme/shop/issues", kind=Status(status=410)))
        with pytest.raises(NotThereError):
            await client.issues(key, chosen=INSTALLED["github"], since=None, cursor="")
