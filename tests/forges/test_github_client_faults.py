"""A GitHub that fails, limits, dawdles or lies: what is asked of it then, and that no token goes astray."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from bot.dora.instants import SECOND
from bot.forges.client import ForgeUnavailableError, NotAllowedError, RepositoryKey
from bot.forges.github import client as client_module
from bot.forges.github import wire
from bot.forges.github.client import GithubClient
from bot.forges.github.rate import FAILURES_TO_OPEN
from bot.settings import Secret
from bot.standins.faults import (
    Delay,
    Dribble,
    Fault,
    Kind,
    LyingLink,
    Redirect,
    Status,
    Truncate,
    primary_limit,
    secondary_limit,
    too_many_requests,
)
from bot.standins.github.repo import GitHubRepo
from tests.forges.github_room import ANN, Room, all_pages, known_app, open_room

PULLS = r"^GET \S*/pulls\?"


@pytest.fixture(autouse=True)
def secrets(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Canaries: no test's output or log holds one of them."""
    known: list[str] = []
    yield known
    shown = "".join(capfd.readouterr()) + caplog.text
    assert not [secret for secret in known if secret in shown]


@asynccontextmanager
async def faulty(root: Path, secrets: list[str], *kinds: Kind, match: str = PULLS, times: int | None = None, **more: float) -> AsyncIterator[tuple[Room, RepositoryKey]]:
    """A room with one pull request, whose GitHub fails so, once the first token is there."""
    async with open_room(root, patience=more.get("patience", 5.0)) as room:
        shop = room.repository()
        room.installed(shop)
        shop.create_branch("topic", shop.git.head("main") or "", by=ANN)
        shop.commit("topic", {"a.py": "1"}, message="A", author=ANN)
        shop.open("topic", "main", title="A", author=ANN)
        await room.client.pull_request(room.key(shop), 1)
        room.forge.requests.clear()
        room.forge.faults += [Fault(match=match, kind=kind, times=times) for kind in kinds]
        try:
            yield room, room.key(shop)
        finally:
            secrets += [*room.forge.access.tokens, *room.app.pem.splitlines()[1:-1], room.app.webhook_secret]


async def ask(room: Room, key: RepositoryKey) -> int:
    return len((await room.client.pull_requests(key, since=None, cursor="")).events)


async def refused(asking: Awaitable[object]) -> ForgeUnavailableError:
    with pytest.raises(ForgeUnavailableError) as caught:
        await asking
    return caught.value


def now(room: Room) -> int:
    return int((time.time() + room.late[0]) * SECOND)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PAUSE", 0.01)


# Out of order ---------------------------------------------------------------------------------------------------------


FAILURES: dict[str, Kind] = {
    "500": Status(status=500),
    "502 from a proxy": Status(status=502, body="<html>"),
    "half": Truncate(),
    "torn": Truncate(torn=True),
    "no JSON": Status(status=200, body="[{]"),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failure_that_passes_is_not_noticed(tmp_path: Path, secrets: list[str], failure: str) -> None:
    async with faulty(tmp_path, secrets, FAILURES[failure], times=1) as (room, key):
        assert await ask(room, key) == 1
        assert len(room.asked("/pulls?")) == 2


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failure_that_stays_costs_two_questions_and_then_one_per_pause(
    tmp_path: Path, secrets: list[str], failure: str
) -> None:
    async with faulty(tmp_path, secrets, FAILURES[failure]) as (room, key):
        errors = [await refused(ask(room, key)) for _ in range(20)]
        assert len(room.asked("/pulls?")) == FAILURES_TO_OPEN, "the circuit is open"
        wait = errors[-1].retry_at
        assert wait is not None and now(room) < wait < now(room) + 60 * SECOND
        room.late[0] += 61
        await refused(ask(room, key))
        assert len(room.asked("/pulls?")) == FAILURES_TO_OPEN + 1, "one more is tried, and it is left alone again"
        room.forge.faults.clear()
        room.late[0] += 601
        assert await ask(room, key) == 1


async def test_a_broken_answer_is_not_kept_for_an_unchanged_one(tmp_path: Path, secrets: list[str]) -> None:
    """Half of a JSON document comes with the ETag of the whole."""
    async with faulty(tmp_path, secrets, Truncate(), times=2) as (room, key):
        await refused(ask(room, key))
        assert await ask(room, key) == 1


async def test_what_did_not_change_costs_no_quota(tmp_path: Path, secrets: list[str]) -> None:
    async with faulty(tmp_path, secrets) as (room, key):
        await ask(room, key)
        used = dict(room.forge.access._windows)
        assert await ask(room, key) == 1
        assert room.forge.access._windows == used


@pytest.mark.parametrize("slowly", ["late", "dribbling"])
async def test_a_slow_answer_ends_in_time_and_holds_nobody(tmp_path: Path, secrets: list[str], slowly: str) -> None:
    kind: Kind = Delay(seconds=30) if slowly == "late" else Dribble(pause=0.05)
    async with faulty(tmp_path, secrets, kind, patience=0.6) as (room, key):
        begun, turns = time.monotonic(), 0
        asking = asyncio.ensure_future(refused(ask(room, key)))
        while not asking.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert (await asking).slug == "timeout"
        assert time.monotonic() - begun < 15
        assert turns > 5, "the loop went on meanwhile"
        assert len(room.asked("/pulls?")) == 1, "what takes its time once is not asked at once again"


async def test_an_endless_answer_is_cut_off(tmp_path: Path, secrets: list[str]) -> None:
    endless = Status(status=200, body="[" + " " * wire.LARGEST_ANSWER + "]")
    async with faulty(tmp_path, secrets, endless) as (room, key):
        assert (await refused(ask(room, key))).slug == "too_large"


async def test_nobody_listens(tmp_path: Path, unused_tcp_port: int) -> None:
    async with open_room(tmp_path) as room:
        client = GithubClient(
            f"http://127.0.0.1:{unused_tcp_port}", app=lambda: known_app(room.app), clock=time.time_ns, patience=1.0
        )
        told = await refused(client.repositories(cursor=""))
        assert (told.slug, str(unused_tcp_port) in str(told)) == ("unreachable", False)
        await client.close()


# Limits ---------------------------------------------------------------------------------------------------------------


async def test_retry_after_is_honoured_whole(tmp_path: Path, secrets: list[str]) -> None:
    async with faulty(tmp_path, secrets, too_many_requests(90), times=1) as (room, key):
        asked_at = now(room)
        told = await refused(ask(room, key))
        assert told.retry_at is not None and 90 * SECOND <= told.retry_at - asked_at < 95 * SECOND
        for late in (0, 40, 80):
            room.late[0] = late
            assert (await refused(ask(room, key))).retry_at == told.retry_at
            assert (await refused(room.client.pull_request(key, 1))).retry_at == told.retry_at, "live work waits too"
        assert len(room.asked("/pulls")) == 1
        room.late[0] = 96
        assert await ask(room, key) == 1


async def test_the_end_of_the_hour_is_waited_for(tmp_path: Path, secrets: list[str]) -> None:
    reset = int(time.time()) + 1_800
    async with faulty(tmp_path, secrets, primary_limit(reset), times=1) as (room, key):
        told = await refused(ask(room, key))
        assert told.retry_at is not None and 1_800 * SECOND - SECOND <= told.retry_at - now(room) <= 1_803 * SECOND
        room.late[0] = 1_700
        await refused(ask(room, key))
        assert len(room.asked("/pulls?")) == 1
        room.late[0] = 1_810
        assert await ask(room, key) == 1


async def test_a_secondary_limit_without_a_word_is_a_minute_and_longer_each_time(
    tmp_path: Path, secrets: list[str]
) -> None:
    async with faulty(tmp_path, secrets, secondary_limit(), times=3) as (room, key):
        waits = []
        for _ in range(3):
            told = await refused(ask(room, key))
            assert told.retry_at is not None
            waits.append((told.retry_at - now(room)) // SECOND)
            room.late[0] += waits[-1] + 2
        assert [60 * 2**n - 2 <= wait <= 60 * 2**n * 1.2 + 1 for n, wait in enumerate(waits)] == [True] * 3
        assert len(room.asked("/pulls?")) == 3
        assert await ask(room, key) == 1


async def test_backfill_leaves_a_tenth_of_the_hour_to_live_work(
    tmp_path: Path, secrets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PULL_REQUESTS_PER_PAGE", 1)
    async with faulty(tmp_path, secrets) as (room, key):
        room.forge.access.hourly = 40
        room.forge.access._windows.clear()
        spent = 0
        with pytest.raises(ForgeUnavailableError) as caught:
            for page in range(1, 60):
                await room.client.pull_requests(key, since=None, cursor=f"{page}:0:1")
                spent += 1
        assert spent == 36, "each page was one question"
        assert caught.value.retry_at is not None and caught.value.retry_at > now(room) + 3_500 * SECOND
        assert (await room.client.pull_request(key, 1)).pull_request.number == 1
        await refused(room.client.pull_requests(key, since=None, cursor=""))
        assert len(room.asked("/pulls?")) == 36


# Strangers ------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def stranger() -> AsyncIterator[tuple[str, list[web.BaseRequest]]]:
    """Another host that answers everything, and what it was asked."""
    asked: list[web.BaseRequest] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        return web.json_response([])

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


LIES: dict[str, Callable[[str], Kind]] = {
    "found": lambda to: Redirect(to=to),
    "moved": lambda to: Redirect(to=to, status=301),
    "temporary": lambda to: Redirect(to=to, status=307),
    "link": lambda to: LyingLink(to=to),
    "link with a user": lambda to: LyingLink(to=to.replace("http://", "http://github@")),
}


@pytest.mark.parametrize("lie", LIES)
async def test_no_token_follows_to_another_host(tmp_path: Path, secrets: list[str], lie: str) -> None:
    async with stranger() as (url, asked), faulty(tmp_path, secrets, LIES[lie](url)) as (room, key):
        assert (await refused(ask(room, key))).slug == "foreign_address"
        assert len(room.asked("/pulls?")) == 1
        for _ in range(2):
            await refused(ask(room, key))
        assert asked == []
        room.forge.faults.clear()
        assert await ask(room, key) == 1, "the lie was kept, and GitHub's honest answer is never heard again"


async def test_credentials_are_asked_for_at_the_api_only(tmp_path: Path, secrets: list[str]) -> None:
    async with stranger() as (url, asked), faulty(tmp_path, secrets, Redirect(to=url, status=307), match="access_tokens") as (room, key):
        room.late[0] += 3_100
        assert (await refused(room.client.git_access(key))).slug == "foreign_address"
        assert asked == []


async def test_redirects_without_end_are_given_up(tmp_path: Path, secrets: list[str]) -> None:
    async with faulty(tmp_path, secrets) as (room, key):
        room.forge.faults.append(Fault(match=PULLS, kind=Redirect(to=room.forge.url)))
        assert (await refused(ask(room, key))).slug == "redirects"
        assert len(room.asked("/pulls?")) == wire.MOST_REDIRECTS + 1


# Credentials ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [-3_600, 3_600])
async def test_a_clock_an_hour_off_does_no_harm(tmp_path: Path, late: float) -> None:
    async with open_room(tmp_path) as room:
        room.late[0] = late
        shop = room.repository()
        room.installed(shop)
        assert await room.client.git_access(room.key(shop)) is not None
        assert len(room.asked("access_tokens")) == 2, "the first JWT is made with our clock, the second with theirs"
        reset = int(time.time()) + 600
        room.forge.faults.append(Fault(match=PULLS, kind=primary_limit(reset), times=1))
        told = await refused(ask(room, room.key(shop)))
        assert told.retry_at is not None and 595 * SECOND < told.retry_at - now(room) < 605 * SECOND


async def test_a_revoked_token_is_replaced_once(tmp_path: Path, secrets: list[str]) -> None:
    async with faulty(tmp_path, secrets) as (room, key):
        for value in list(room.forge.access.tokens):
            room.forge.access.revoke(value)
        assert await ask(room, key) == 1
        assert len(room.asked("access_tokens")) == 1
        room.forge.requests.clear()
        room.forge.faults.append(Fault(match=PULLS, kind=Status(status=401)))
        with pytest.raises(NotAllowedError, match="credentials"):
            await ask(room, key)
        assert len(room.asked("access_tokens")) == 1
        assert len(room.asked("/pulls?")) == 2


async def test_many_who_wait_for_a_token_ask_for_one(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        found = await asyncio.gather(*[room.client.git_access(room.key(shop)) for _ in range(20)])
        assert len({access.token for access in found if access is not None}) == 1
        assert len(room.asked("access_tokens")) == 1


async def test_a_key_that_cannot_sign_is_told_without_showing_it(tmp_path: Path) -> None:
    broken = "-----BEGIN RSA PRIVATE KEY-----\nnot-a-key-0123456789\n-----END RSA PRIVATE KEY-----"
    async with open_room(tmp_path) as room:
        client = GithubClient(
            room.forge.url, app=lambda: _with_key(room, broken), clock=time.time_ns, patience=2.0
        )
        with pytest.raises(NotAllowedError) as caught:
            await client.repositories(cursor="")
        assert "private key" in caught.value.detail and "not-a-key" not in str(caught.value)
        await client.close()


def _with_key(room: Room, pem: str) -> object:
    from dataclasses import replace

    return replace(known_app(room.app), private_key=Secret(pem.encode()))


async def test_a_permission_is_named_where_github_names_it(tmp_path: Path, secrets: list[str]) -> None:
    needs = {"x-accepted-github-permissions": "pull_requests=read; contents=read"}
    no = Status(status=403, headers=needs, body=json.dumps({"message": "Resource not accessible by integration"}))
    async with faulty(tmp_path, secrets, no) as (room, key):
        with pytest.raises(NotAllowedError, match="pull_requests=read"):
            await ask(room, key)
        assert len(room.asked("/pulls?")) == 1


async def test_a_history_that_may_not_be_read_leaves_the_rest(tmp_path: Path, secrets: list[str]) -> None:
    no = Status(status=403, body=json.dumps({"message": "Resource not accessible by integration"}))
    async with faulty(tmp_path, secrets, no, match=r"/issues/\d+/events") as (room, key):
        page = await room.client.pull_requests(key, since=None, cursor="")
        (seen,) = page.events
        assert getattr(seen, "pull_request").readiness == ()  # noqa: B009


@pytest.mark.parametrize("status", [404, 410, 451])
async def test_what_is_gone_is_said_to_be(tmp_path: Path, secrets: list[str], status: int) -> None:
    async with faulty(tmp_path, secrets, Status(status=status)) as (room, key):
        with pytest.raises(client_module.NotThereError):
            await ask(room, key)
        assert len(room.asked("/pulls?")) == 1


async def test_a_repository_deleted_while_it_is_listed(tmp_path: Path, secrets: list[str]) -> None:
    async with faulty(tmp_path, secrets) as (room, key):
        shop = GitHubRepo(room.forge.world, room.forge.mail, next(iter(room.forge.world.repositories.values())))
        shop.delete()
        with pytest.raises(client_module.NotThereError):
            await all_pages(lambda cursor: room.client.pull_requests(key, since=None, cursor=cursor))
