"""AI activity of users: taken as the original's client sends it, and shown beside the changes that those users wrote."""

from typing import Any

import pytest

from bot.dora.instants import DAY, HOUR
from bot.facts.keys import DEPLOYMENTS_WRITE, FAILURES_WRITE
from bot.store import Store
from tests.support.faces import KEY, NOW, browse
from tests.support.seed import Change, Seed, sha
from tests.web.doors import make_key
from tests.web.test_pages import load

PATH = "/api/v2/ai_impact/user_activity"
ADA, BO = "Ada Lovelace <Ada@Example.com>", "Bo <bo@example.com>"


def entry(**attributes: object) -> dict[str, object]:
    """One user's day."""
    given = {"user_email": "ada@example.com", "day": "2026-11-20", "is_active": True, "tools": ["Claude Code"]} | attributes
    return {"type": "ai_impact_user_activity", "attributes": {name: value for name, value in given.items() if value is not ...}}


def changes() -> Seed:
    """Shop's changes: two of Ada's on the 20th, one on the 21st; one of Bo's on the 20th; one of nobody's; an old one of Ada's."""
    seed = Seed()
    seed.repository(1, "github.com/acme/shop", synced_at=NOW)
    git = {"repository": "github.com/acme/shop", "commit_sha": sha("head")}
    noon = NOW - DAY - 12 * HOUR  # of the 20th
    written = [
        seed.commit(1, name, at=at, author=author, subject=name)
        for name, at, author in (
            ("a", noon, ADA), ("b", noon + 11 * HOUR, ADA), ("c", noon + 12 * HOUR, ADA), ("d", noon, BO), ("e", noon, "Nobody <>"),
        )
    ]  # fmt: skip
    seed.deployment("new", "Shop", NOW - HOUR, **git)
    seed.derived("new", *(Change(sha=one, lead_time=HOUR) for one in written))
    seed.deployment("old", "Shop", NOW - 40 * DAY, **git)
    seed.derived("old", Change(sha=seed.commit(1, "old", at=noon, author=ADA, subject="old"), lead_time=HOUR))
    return seed


@pytest.fixture
async def client(aiohttp_client: Any, store: Store) -> Any:
    """The application over those changes."""
    return await browse(aiohttp_client, store, changes())


async def send(client: Any, *entries: dict[str, object], key: str = KEY) -> int:
    """The status of a report."""
    answer = await client.post(PATH, json={"data": list(entries)}, headers={"DD-API-KEY": key})
    return int(answer.status)


async def shown(client: Any, service: str = "shop") -> dict[str, Any]:
    """What one service shows."""
    answer = await client.get(f"/api/v1/services/{service}", headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status == 200
    return dict((await answer.json())["ai_activity"])


async def test_nobody_knows_before_anything_was_reported(client: Any) -> None:
    assert await shown(client) == {
        "from": "2026-10-23T00:00:00Z", "to": "2026-11-22T00:00:00Z",
        "changes": 4, "active": None, "share": None, "tools": None,
    }  # fmt: skip


async def test_changes_are_held_against_their_authors_days(client: Any) -> None:
    assert await send(client, entry(user_email="ADA@example.COM", tools=["Claude Code", "github-copilot"])) == 202
    told = await shown(client)
    assert (told["changes"], told["active"], told["share"]) == (4, 2, 0.5)
    assert told["tools"] == {"claude_code": 2, "copilot": 2}
    assert await send(client, entry(user_email="bo@example.com", tools=[]), entry(user_email="who@example.com")) == 202
    told = await shown(client)
    assert (told["active"], told["tools"]) == (3, {"claude_code": 2, "copilot": 2})


async def test_the_newest_report_of_a_user_day_and_tool_counts(client: Any) -> None:
    assert await send(client, entry(tools=["Claude Code", "Cursor"])) == 202
    assert await send(client, entry(tools=["claude_code"], is_active=False)) == 202
    assert (await shown(client))["tools"] == {"cursor": 2}
    assert await send(client, entry(tools=["CURSOR"]), entry(tools=["cursor"], is_active=False)) == 202
    told = await shown(client)
    assert (told["active"], told["share"], told["tools"]) == (0, 0, {})


async def test_what_is_wrong_is_named(client: Any) -> None:
    cases: list[tuple[object, str]] = [
        ([], "/data"),
        ({}, "/data"),
        ([entry()] * 1001, "/data"),
        ([{"type": "x"}], "/data/0/type"),
        ([{"type": "ai_impact_user_activity"}], "/data/0/attributes"),
        ([entry(), entry(user_email="ada")], "/data/1/attributes/user_email"),
        ([entry(user_email="a b@example.com")], "/data/0/attributes/user_email"),
        ([entry(day="20261120")], "/data/0/attributes/day"),
        ([entry(day="2026-11-31")], "/data/0/attributes/day"),
        ([entry(day=...)], "/data/0/attributes/day"),
        ([entry(is_active=...)], "/data/0/attributes/is_active"),
        ([entry(is_active=1)], "/data/0/attributes/is_active"),
        ([entry(tools=...)], "/data/0/attributes/tools"),
        ([entry(tools=["cursor", " - "])], "/data/0/attributes/tools/1"),
        ([entry(tools=["cursor"] * 33)], "/data/0/attributes/tools"),
        ([entry(models=[""])], "/data/0/attributes/models/0"),
    ]
    for data, pointer in cases:
        answer = await client.post(PATH, json={"data": data}, headers={"DD-API-KEY": KEY})
        assert answer.status == 400, data
        (error,) = (await answer.json())["errors"]
        assert error["source"] == {"pointer": pointer}
    assert (await shown(client))["active"] is None
    assert await send(client, *([entry()] * 1000)) == 202


async def test_who_may_report(client: Any, store: Store) -> None:
    keys = (
        make_key(store, DEPLOYMENTS_WRITE), make_key(store, FAILURES_WRITE),
        make_key(store, DEPLOYMENTS_WRITE, services=("Shop",)),
    )  # fmt: skip
    assert [await send(client, entry(), key=one.key) for one in keys] == [202, 403, 403]
    assert await send(client, entry(), key="a-key-that-nobody-knows") == 401


async def test_the_page_of_a_service_tells_it_when_there_is_some(client: Any) -> None:
    assert "AI tools" not in (await load(client, "/services/shop")).words, "nobody knows"
    assert await send(client, entry(user_email="bo@example.com", day="2026-11-19")) == 202
    assert "AI tools" not in (await load(client, "/services/shop")).words, "there is none"
    assert await send(client, entry(tools=["Claude Code", "Cursor"])) == 202
    words = (await load(client, "/services/shop")).words
    assert (
        "AI tools: of 4 changes that were deployed in the last 30 days, 2 (50 %) were written by somebody who used one on that day: "
        "claude_code 2, cursor 2." in words
    )
