"""The GitLab stand-in asked by python-gitlab, each answer held against GitLab's own schemas."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import gitlab
import pytest

from bot.standins.faults import Fault, too_many_requests
from bot.standins.forge import Change, ContractBroken
from bot.standins.gitlab import GitLab, Project
from bot.standins.repository import Person
from tests.standins.gitlab_schemas import check

T = TypeVar("T")
NOON = 1_780_000_000
ANA = Person(login="ana", name="Ana", email="ana@example.com", number=11)
BOB = Person(login="bob", name="Bob", email="bob@example.com", number=12)
SHOP = "acme/platform/shop"


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[GitLab]:
    forge = GitLab(tmp_path, now=NOON, root="/gitlab", check=check)
    await forge.start()
    yield forge
    await forge.stop()


async def ask(forge: GitLab, token: str, question: Callable[[gitlab.Gitlab], T], *, bearer: bool = False) -> T:
    """What python-gitlab gets, in a thread of its own."""
    secret = {"oauth_token": token} if bearer else {"private_token": token}
    client = gitlab.Gitlab(forge.url, per_page=100, timeout=5, keep_base_url=True, **secret)
    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, question, client)


def played(forge: GitLab) -> Project:
    """A project with one merged request of two commits, approved and labelled."""
    shop = forge.create_repository(SHOP)
    shop.commit("main", {"app/a.py": "1\n", "docs/x.md": "x\n"}, message="Begin", author=ANA)
    forge.now += 60
    shop.push(
        "basket",
        Change(files={"app/a.py": "2\n"}, message="Fill it", author=ANA),
        Change(files={"docs/x.md": "y\n"}, message="Tell of it", author=ANA),
    )
    number = shop.open("basket", "main", title="A basket", author=ANA, draft=True, labels=["team::shop"])
    forge.now += 60
    shop.set_draft(number, False, by=ANA)
    forge.now += 60
    shop.approve(number, by=BOB)
    shop.label(number, "ready", remove=["team::shop"], by=BOB)
    forge.now += 60
    shop.merge(number, "merge", by=BOB)
    return shop


async def test_every_listing_of_a_merge_request(forge: GitLab) -> None:
    shop = played(forge)
    token = forge.create_token("read_api").value

    def question(client: gitlab.Gitlab) -> dict[str, list[object]]:
        project = client.projects.get(SHOP)
        [listed] = project.mergerequests.list(
            state="merged", order_by="updated_at", updated_after="2026-05-01T00:00:00Z", scope="all", get_all=True
        )
        mr = project.mergerequests.get(listed.iid)
        return {
            "states": [mr.state, mr.merged_at, mr.merge_commit_sha],
            "commits": [c.title for c in mr.commits()],
            "approved": [(a["user"]["username"], a["approved_at"]) for a in mr.approvals.get().approved_by],
            "turns": [(e.state, e.created_at) for e in mr.resourcestateevents.list(get_all=True)],
            "labels": [(e.action, e.label["name"]) for e in mr.resourcelabelevents.list(get_all=True)],
            "notes": [(n.created_at, n.body) for n in mr.notes.list(sort="asc", get_all=True) if n.system],
        }

    seen = await ask(forge, token, question)

    assert seen["states"] == ["merged", "2026-05-28T20:30:40.000Z", shop.git.head("main")]
    assert seen["commits"] == ["Tell of it", "Fill it"]
    assert seen["approved"] == [("bob", "2026-05-28T20:29:40.000Z")]
    assert seen["turns"] == [("merged", "2026-05-28T20:30:40.000Z")]
    assert seen["labels"] == [("add", "team::shop"), ("add", "ready"), ("remove", "team::shop")]
    assert ("2026-05-28T20:28:40.000Z", "marked this merge request as **ready**") in seen["notes"]
