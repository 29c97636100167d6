"""A GitLab that is slow, lies, breaks off or says no: what the client makes of it, and that nobody else waits."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from bot.dora.instants import HOUR, MINUTE, SECOND
from bot.forges.client import ForgeUnavailableError, NotAllowedError
from bot.forges.gitlab import answers, transport
from bot.standins.faults import Delay, Dribble, Fault, LyingLink, Redirect, Status, Truncate
from bot.standins.gitlab import GitLab
from tests.forges.gitlab_room import asking, key, landed, longest_lag, other_host, standing


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[GitLab]:
    async with standing(tmp_path) as forge:
        yield forge


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed(forge: GitLab, status: int) -> None:
    shop = landed(forge)
    async with other_host() as (elsewhere, came), asking(forge) as client:
        forge.faults.append(Fault(match="GET .*merge_requests", kind=Redirect(to=elsewhere, status=status)))
        with pytest.raises(ForgeUnavailableError) as refused:
            await client.pull_requests(key(shop), since=None, cursor="")
    assert refused.value.slug == "redirected"
    assert came == []


async def test_a_link_to_another_host_is_not_believed(forge: GitLab) -> None:
    for at in range(101):
        forge.create_repository(f"acme/shop-{at}")
    async with other_host() as (elsewhere, came), asking(forge) as client:
        forge.faults.append(Fault(match="GET .*/projects", kind=LyingLink(to=elsewhere)))
        first = await client.repositories(cursor="")
        second = await client.repositories(cursor=first.cursor)
    assert (len(first.events), len(second.events)) == (100, 1)
    assert came == []


async def test_a_link_names_a_page_and_nothing_else(forge: GitLab) -> None:
    link = '<https://evil.example.com/api/v4/users?id_after=7&membership=false&sudo=root>; rel="next"'
    async with asking(forge) as client:
        forge.faults.append(Fault(match="GET .*/projects", kind=Status(status=200, headers={"Link": link}, body="[]"), times=1))
        await client.api.all("/projects", answers.Project, {"membership": True, "pagination": "keyset", "order_by": "id"})
    asked = forge.requests[-1].path_qs
    assert "id_after=7" in asked
    assert "membership=true" in asked
    assert "sudo" not in asked


async def test_a_wrong_external_url_leads_nowhere_else(forge: GitLab) -> None:
    for at in range(101):
        forge.create_repository(f"acme/shop-{at}")
    async with other_host() as (elsewhere, came), asking(forge) as client:
        forge.external_url = elsewhere
        first = await client.repositories(cursor="")
        second = await client.repositories(cursor=first.cursor)
    assert len(first.events) + len(second.events) == 101
    assert came == []


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [
        ("7", 7 * SECOND),
        ("0", SECOND),
        (format_datetime(datetime.fromtimestamp(1_780_000_330 + 90, UTC), usegmt=True), 90 * SECOND),
        ("soon", MINUTE),
        ("99999999", HOUR),
    ],
)
async def test_a_rate_limit_says_when_to_come_again(forge: GitLab, retry_after: str, pause: int) -> None:
    shop = landed(forge)
    forge.now = 1_780_000_330
    async with asking(forge) as client:
        limit = Status(status=429, headers={"Retry-After": retry_after})
        forge.faults.append(Fault(match="merge_requests", kind=limit, times=1))
        with pytest.raises(ForgeUnavailableError) as refused:
            await client.pull_request(key(shop), 1)
        assert refused.value.slug == "rate_limited"
        assert refused.value.retry_at == forge.now * SECOND + pause
        asked = len(forge.requests)
        with pytest.raises(ForgeUnavailableError):
            await client.pull_request(key(shop), 1)
        assert len(forge.requests) == asked
        forge.now += pause // SECOND
        assert (await client.pull_request(key(shop), 1)).pull_request.number == 1


async def test_a_fault_that_passes_is_not_seen(forge: GitLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.forges.gitlab.calls.PAUSES", (0.01, 0.01))
    shop = landed(forge)
    async with asking(forge) as client:
        forge.faults.append(Fault(match="merge_requests/1", kind=Status(status=502), times=1))
        forge.faults.append(Fault(match="merge_requests/1", kind=Truncate(torn=True), times=1))
        assert (await client.pull_request(key(shop), 1)).pull_request.number == 1


@pytest.mark.parametrize(
    ("kind", "slug"),
    [
        (Status(status=500), "server_error"),
        (Truncate(), "broken_answer"),
        (Truncate(torn=True), "unreachable broken_answer"),
        (Status(status=200, body="<html>a proxy's page</html>"), "broken_answer"),
        (Status(status=200, body='{"iid":"one"}'), "broken_answer"),
        (Status(status=200, body="[" * 100_000), "broken_answer"),
        (Status(status=400), "refused"),
        (Delay(seconds=1), "timeout"),
    ],
)
async def test_a_broken_answer_is_an_unavailable_forge(
    forge: GitLab, monkeypatch: pytest.MonkeyPatch, kind: Status | Truncate | Delay, slug: str
) -> None:
    monkeypatch.setattr("bot.forges.gitlab.calls.PAUSES", (0.01, 0.01))
    shop = landed(forge)
    async with asking(forge, waits=(1.0, 0.3)) as client:
        forge.faults.append(Fault(match="merge_requests/1", kind=kind))
        with pytest.raises(ForgeUnavailableError) as refused:
            await client.pull_request(key(shop), 1)
    assert refused.value.slug in slug
    tries = len([one for one in forge.requests if one.path_qs.endswith("merge_requests/1")])
    assert tries == (1 if slug in {"refused", "timeout"} else 3)


async def test_an_answer_has_a_largest_size(forge: GitLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER", 1_000)
    shop = landed(forge)
    async with asking(forge) as client:
        with pytest.raises(ForgeUnavailableError) as refused:
            await client.pull_request(key(shop), 1)
    assert refused.value.slug == "too_large"


async def test_a_dribble_ends_at_the_deadline_and_holds_nobody(forge: GitLab) -> None:
    shop = landed(forge)
    async with asking(forge, waits=(1.0, 1.0), deadline=0.5) as client:
        forge.faults.append(Fault(match="merge_requests/1", kind=Dribble(pause=0.02)))
        forge.faults.append(Fault(match="GET .*/projects.*id_after", kind=Delay(seconds=0.4)))

        async def work() -> None:
            slow = [client.pull_request(key(shop), 1) for _ in range(3)]
            ended = await asyncio.gather(*slow, client.repositories(cursor="1"), return_exceptions=True)
            assert [getattr(one, "slug", None) for one in ended] == ["timeout"] * 3 + [None]

        lag = await longest_lag(work)
    assert lag < 0.25, f"the event loop was held for {lag:.3f} s"


async def test_one_feature_of_one_project_may_be_closed(forge: GitLab) -> None:
    shop = landed(forge)
    forge.faults.append(Fault(match="/approvals", kind=Status(status=403, body='{"message":"403 Forbidden"}')))
    async with asking(forge) as client:
        told = (await client.pull_request(key(shop), 1)).pull_request
    assert {review.reviewer for review in told.reviews} == {"bob", "cat"}


async def test_a_revoked_token_is_named_and_not_shown(forge: GitLab) -> None:
    shop = landed(forge)
    token = forge.create_token("read_api")
    token.revoked = True
    async with asking(forge, token=token.value) as client:
        with pytest.raises(NotAllowedError) as refused:
            await client.pull_request(key(shop), 1)
    assert "revoked" in refused.value.detail
    assert token.value not in repr(refused.value)


async def test_nobody_there(forge: GitLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.forges.gitlab.calls.PAUSES", (0.01, 0.01))
    shop = landed(forge)
    async with asking(forge) as client:
        await forge.stop()
        with pytest.raises(ForgeUnavailableError) as refused:
            await client.pull_request(key(shop), 1)
    assert refused.value.slug == "unreachable"
    assert "glpat" not in f"{refused.value}"

