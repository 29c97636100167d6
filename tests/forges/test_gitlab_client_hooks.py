"""Hooks of GitLab: registered, repaired and removed; found again with their state; their logs read and sent again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp.web
import pytest
from multidict import CIMultiDict

from bot.dora.instants import SECOND
from bot.forges.client import NotAllowedError, NotThereError
from bot.forges.gitlab import webhook
from bot.forges.gitlab.client import GitlabClient
from bot.forges.gitlab.registration import EVENTS, Outcome, Registrar, Wanted
from bot.standins.faults import Fault, Status
from bot.standins.gitlab import GitLab, Project
from tests.forges.gitlab_room import ANA, NOON, SHOP, asking, standing

BASE = "https://bot.example.com"
DOOR = f"{BASE}/webhooks/gitlab"
SECRET = "a-secret-of-the-hook-tests"
WANTED = Wanted(url=DOOR, token=SECRET, signing_token="")


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[GitLab]:
    async with standing(tmp_path) as forge:
        yield forge


@pytest.fixture
async def premium(tmp_path: Path) -> AsyncIterator[GitLab]:
    async with standing(tmp_path, premium=True) as forge:
        yield forge


def projects(forge: GitLab) -> list[Project]:
    return [forge.create_repository(f"my-org/group{'/deeper' * at}/shop-{at}", private=True) for at in range(4)]


async def register(client: GitlabClient, group: str = "my-org/group", **how: bool) -> dict[str, str]:
    """Subject → what was done."""
    outcomes = await Registrar(client.api, WANTED, **how).group(group)
    return {outcome.subject: outcome.done for outcome in outcomes}


async def test_a_group_with_all_its_subgroups(forge: GitLab) -> None:
    made = projects(forge)
    elsewhere = forge.create_repository("my-org/other/shop")
    async with asking(forge, "api") as client:
        assert await register(client, dry_run=True) == {one.path: "created" for one in made}
        assert not any(one.hooks for one in made)
        assert await register(client) == {one.path: "created" for one in made}
        assert await register(client) == {one.path: "unchanged" for one in made}
    for one in made:
        [hook] = one.hooks
        assert (hook.url, hook.token) == (DOOR, SECRET)
        assert {name for name, on in hook.switches.items() if on} == set(EVENTS)
    assert elsewhere.hooks == []


async def test_what_is_wrong_is_mended(forge: GitLab) -> None:
    project = projects(forge)[0]
    other = forge.add_hook(project, "https://elsewhere.example.com/webhooks/gitlab", token="theirs", push_events=True)
    one = forge.add_hook(project, DOOR.replace("bot.", "BOT.") + "/", token="old", push_events=True, issues_events=False)
    one.settings |= {"push_events_branch_filter": "main", "enable_ssl_verification": False}
    forge.add_hook(project, DOOR, token="old", push_events=True)
    async with asking(forge, "api") as client:
        done = await register(client)
    assert done[project.path] == "repaired"
    assert other in project.hooks
    [mine] = [hook for hook in project.hooks if hook is not other]
    assert mine.token == SECRET
    assert all(mine.switches[name] for name in EVENTS)
    assert mine.settings["enable_ssl_verification"] is True
    assert not mine.settings["push_events_branch_filter"]


async def test_a_hook_that_gitlab_stopped_is_started(forge: GitLab) -> None:
    project = projects(forge)[0]
    hook = forge.add_hook(project, DOOR, token=SECRET)
    hook.failures = 50
    async with asking(forge, "api") as client:
        seen = await client.hooks()
        assert [(one.id, one.subject, one.state) for one in seen] == [
            (f"project/{project.id}/{hook.id}", project.path, "disabled")
        ]
        assert (await register(client))[project.path] == "enabled"
        assert {one.state for one in await client.hooks()} == {"active"}


async def test_one_refusal_stops_nobody(forge: GitLab) -> None:
    made = projects(forge)
    async with asking(forge, "api", levels={made[1].id: 30}) as client:
        forge.faults.append(Fault(match=f"projects/{made[2].id}/hooks", kind=Status(status=503)))
        outcomes = await Registrar(client.api, WANTED).group("my-org/group")
    told = {outcome.subject: outcome for outcome in outcomes}
    assert [told[one.path].done for one in made] == ["created", "refused", "failed", "created"]
    assert "Maintainer" in told[made[1].path].reason


async def test_a_rate_limit_is_waited_for(forge: GitLab) -> None:
    made = projects(forge)
    limit = Status(status=429, headers={"Retry-After": "1"})
    said: list[str] = []
    async with asking(forge, "api") as client:
        forge.faults.append(Fault(match=f"POST .*projects/{made[1].id}/hooks", kind=limit, times=1))
        later = asyncio.get_running_loop().call_later(0.3, lambda: setattr(forge, "now", forge.now + 2))
        outcomes = await Registrar(client.api, WANTED, progress=said.append).group("my-org/group")
        later.cancel()
    assert [outcome.done for outcome in outcomes] == ["created"] * 4
    assert any("rate limit" in text for text in said)


async def test_premium_has_one_hook_for_the_group_and_none_beside_it(premium: GitLab) -> None:
    made = projects(premium)
    premium.add_hook(made[3], DOOR, token=SECRET)
    async with asking(premium, "api") as client:
        assert await register(client) == {"my-org/group": "created", made[3].path: "removed"}
        assert await register(client) == {"my-org/group": "unchanged"}
        assert await register(client, "my-org/group/deeper") == {"my-org/group/deeper": "covered"}
        [seen] = await client.hooks()
        assert (seen.subject, seen.state) == ("my-org/group", "active")
        assert await register(client, remove=True) == {
            "my-org/group": "removed", **{one.path: "unchanged" for one in made}
        }  # fmt: skip
        assert await client.hooks() == ()
    assert not any(one.hooks for one in made)


async def test_hooks_are_removed(forge: GitLab) -> None:
    made = projects(forge)
    async with asking(forge, "api") as client:
        await register(client)
        assert set((await register(client, remove=True, dry_run=True)).values()) == {"removed"}
        assert all(one.hooks for one in made)
        assert set((await register(client, remove=True)).values()) == {"removed"}
    assert not any(one.hooks for one in made)


async def test_the_instance_itself(forge: GitLab) -> None:
    async with asking(forge, "api", admin=True) as client:
        assert [one.done for one in await Registrar(client.api, WANTED).system()] == ["created"]
        assert [one.id for one in await client.hooks()] == [f"system/{forge.system_hooks[0].id}"]
        with pytest.raises(NotAllowedError):
            await client.log(f"system/{forge.system_hooks[0].id}", cursor="")
    async with asking(forge, "api") as client:
        [refused] = await Registrar(client.api, WANTED).system()
    assert isinstance(refused, Outcome)
    assert (refused.done, "administrator" in refused.reason) == ("refused", True)


async def test_a_group_that_is_not_there(forge: GitLab) -> None:
    async with asking(forge, "api") as client:
        with pytest.raises(NotThereError):
            await register(client, "no/such/group")


class Door:
    """Where webhooks arrive; `answers` are the statuses to give."""

    def __init__(self) -> None:
        self.came: list[tuple[CIMultiDict[str], bytes]] = []
        self.status = 200

    async def open(self) -> str:
        app = aiohttp.web.Application()
        app.router.add_post("/webhooks/gitlab", self._answer)
        self.runner = aiohttp.web.AppRunner(app)
        await self.runner.setup()
        await aiohttp.web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _answer(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        self.came.append((CIMultiDict(request.headers), await request.read()))
        return aiohttp.web.Response(status=self.status)


async def test_the_log_tells_what_was_sent_and_what_failed(forge: GitLab) -> None:
    door = Door()
    base = await door.open()
    try:
        shop = forge.create_repository(SHOP)
        hook = forge.add_hook(shop, f"{base}/webhooks/gitlab", token=SECRET)
        for at in range(25):
            forge.now += 10
            door.status = 500 if at == 3 else 200
            shop.commit("main", {"a": f"{at} – ü"}, message=f"Change {at}", author=ANA)
            await forge.deliver()
        async with asking(forge, "api", base_url=base) as client:
            [seen] = await client.hooks()
            assert seen.id == f"project/{shop.id}/{hook.id}"
            first = await client.log(seen.id, cursor="")
            second = await client.log(seen.id, cursor=first.cursor)
            entries = [*first.entries, *second.entries]
            assert (len(entries), second.cursor) == (25, "")
            assert [entry.delivered_at for entry in entries] == [(NOON + 10 * at) * SECOND for at in range(25, 0, -1)]
            assert [entry.succeeded for entry in entries].count(False) == 1
            came = list(reversed(door.came))
            assert [entry.key for entry in entries] == [webhook.delivery(*one)[0] for one in came]
            [missed] = [entry for entry in entries if not entry.succeeded]
            logged = await client.logged(seen.id, missed)
            assert (logged.event, logged.body) == ("Push Hook", door.came[3][1])
            client.hook_room._bodies.clear()
            assert (await client.logged(seen.id, missed)).body == door.came[3][1]
            await client.redeliver(seen.id, missed.id)
        assert webhook.delivery(*door.came[-1]) == webhook.delivery(*door.came[3])
    finally:
        await door.runner.cleanup()


async def test_without_an_idempotency_key_the_body_tells(forge: GitLab) -> None:
    door = Door()
    base = await door.open()
    try:
        shop = forge.create_repository(SHOP)
        hook = forge.add_hook(shop, f"{base}/webhooks/gitlab", token=SECRET)
        shop.commit("main", {"ä": "<&>"}, message="Grüße <&> \"\\", author=ANA)
        await forge.deliver()
        for attempt in hook.log:
            del attempt.headers["Idempotency-Key"]
        headers, body = door.came[0]
        del headers["Idempotency-Key"]
        async with asking(forge, "api", base_url=base) as client:
            page = await client.log(f"project/{shop.id}/{hook.id}", cursor="")
        assert page.entries[0].key == webhook.delivery(headers, body)[0]
    finally:
        await door.runner.cleanup()


async def test_a_log_that_may_not_be_read(forge: GitLab) -> None:
    shop = forge.create_repository(SHOP)
    hook = forge.add_hook(shop, DOOR, token=SECRET)
    async with asking(forge, "api", levels={shop.id: 30}) as client:
        with pytest.raises(NotAllowedError, match=r"17\.3"):
            await client.log(f"project/{shop.id}/{hook.id}", cursor="")
