"""Step 1 of the mapping by PagerDuty's API: asked once per incident, calmly where it does not answer, never in a webhook's way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from bot.dora.instants import HOUR, SECOND
from bot.engine.pagerduty import Inquirer
from bot.facts.pagerduty import inquiries_waiting
from bot.settings import Secret
from bot.sources.pagerduty_rest import PagerDutyApi
from bot.standins.faults import Delay, Fault, Kind, Status, Truncate
from bot.standins.pagerduty import PagerDuty, datadog_alert, rate_limit
from bot.store import Store
from tests.support.pagerduty import alert, event
from tests.web.pagerduty_room import Room, open_room

TOKEN = "pagerduty-token-of-the-tests"


class House:
    """The room, PagerDuty, and who asks it."""

    def __init__(self, room: Room, pagerduty: PagerDuty, inquirer: Inquirer) -> None:
        self.room, self.pagerduty, self.inquirer = room, pagerduty, inquirer

    async def ask(self, later: int = 0) -> int:
        """Ask until nothing is due, and derive; how many questions there were."""
        before = len(self.pagerduty.door.requests)
        self.room.door.now[0] += later
        while await self.inquirer.ask_due():
            pass
        self.room.work()
        return len(self.pagerduty.door.requests) - before

    def waiting(self) -> tuple[int, str]:
        return self.room.store.read(inquiries_waiting)


@asynccontextmanager
async def open_house(store: Store, token: str = TOKEN) -> AsyncIterator[House]:
    pagerduty = PagerDuty(TOKEN)
    server = TestServer(pagerduty.application())
    await server.start_server()
    api = PagerDutyApi(str(server.make_url("/")), Secret(token.encode()), patience=0.5)
    try:
        async with open_room(store) as room:
            yield House(room, pagerduty, Inquirer(store, api, clock=lambda: room.door.now[0]))
    finally:
        await api.close()
        await server.close()


async def test_the_monitor_is_asked_for_once(store: Store) -> None:
    async with open_house(store) as house:
        house.pagerduty.alerts["Q0STORY1"] = [
            datadog_alert("Q0STORY1", 1, tags="team:payments,env:prod,service:shop,service:till"),
            datadog_alert("Q0STORY1", 2, tags="env:staging", group="env:prod,service:Basket"),
        ]
        await house.room.tell(event("incident.triggered"), event("incident.triggered", id="by-another-way"), dd_env="dev")
        assert (await house.room.failure())["services"] == ["Checkout API"]
        assert house.waiting() == (1, "")
        assert await house.ask() == 1
        one = await house.room.failure()
        assert (one["env"], one["services"], one["team"]) == ("prod", ["Basket", "shop", "till"], "payments")
        asked = house.pagerduty.door.requests[0]
        assert asked.path_qs == "/incidents/Q0STORY1/alerts?limit=100&offset=0"
        assert asked.headers["authorization"] == f"Token token={TOKEN}"
        await house.room.tell(event("incident.resolved", 5), event("incident.reopened", 6), event("incident.triggered", id="again"))
        assert await house.ask(later=HOUR) == 0
        assert (await house.room.failure())["services"] == ["Basket", "shop", "till"]
        kept = house.room.fingerprint()
        house.room.rebuild()
        assert house.room.fingerprint() == kept


async def test_what_a_webhook_carries_is_not_asked_for_and_wins(store: Store) -> None:
    async with open_house(store) as house:
        await house.room.tell(event("incident.triggered", alerts=[alert("service:shop")]), event("incident.resolved", 5))
        assert await house.ask() == 0
        assert (await house.room.failure())["services"] == ["shop"]


async def test_all_pages_are_read(store: Store) -> None:
    async with open_house(store) as house:
        house.pagerduty.alerts["Q0STORY1"] = [datadog_alert("Q0STORY1", n, tags=f"service:s{n}") for n in range(230)]
        await house.room.tell(event("incident.triggered"))
        assert await house.ask() == 3
        assert len((await house.room.failure())["services"]) == 230


async def test_an_incident_that_is_not_there_has_no_monitor(store: Store) -> None:
    async with open_house(store) as house:
        await house.room.tell(event("incident.triggered"))
        assert await house.ask() == 1
        assert (await house.ask(later=24 * HOUR), house.waiting()) == (0, (0, ""))


FAULTS: dict[str, tuple[Kind, int, str]] = {
    "a limit": (rate_limit(17), 17 * SECOND, "its rate limit is reached"),
    "a limit without an end": (Status(status=429), 60 * SECOND, "its rate limit is reached"),
    "a fault": (Status(status=500, body="{}"), 120 * SECOND, "it answered 500"),
    "a redirect": (Status(status=302, headers={"Location": "https://example.com"}), 120 * SECOND, "it answered 302"),
    "no answer": (Delay(seconds=1), 120 * SECOND, "no answer within 0.5 s"),
    "half an answer": (Truncate(), 120 * SECOND, "the answer is not the JSON it promises"),
    "a torn answer": (Truncate(torn=True), 120 * SECOND, "it cannot be reached (ClientPayloadError)"),
    "no JSON": (Status(status=200, body="<html>"), 120 * SECOND, "the answer is not the JSON it promises"),
}


@pytest.mark.parametrize("case", FAULTS)
async def test_what_goes_wrong_is_tried_again_later(store: Store, case: str) -> None:
    kind, wait, error = FAULTS[case]
    async with open_house(store) as house:
        house.pagerduty.alerts["Q0STORY1"] = [datadog_alert("Q0STORY1", 1, tags="env:prod")]
        house.pagerduty.door.faults.append(Fault(match="alerts", kind=kind, times=1))
        other = event("incident.triggered", id="other").replace(b"Q0STORY1", b"Q0STORY2")
        await house.room.tell(event("incident.triggered"), other)
        assert await house.ask() == 1, "nothing else is asked while it is to be left alone"
        assert house.waiting() == (2, error)
        assert await house.ask(later=min(wait - SECOND, SECOND)) == 0
        assert await house.ask(later=wait) == 2
        assert house.waiting() == (0, "")
        assert {one["env"] for one in await house.room.failures()} == {"prod", None}


async def test_a_refused_token_is_tried_hourly_and_said(store: Store) -> None:
    async with open_house(store, token="another-token-of-nobody") as house:
        await house.room.tell(event("incident.triggered"))
        assert await house.ask() == 1
        assert house.waiting() == (1, "the token of PAGERDUTY_API_TOKEN is refused (401)")
        assert (await house.ask(later=HOUR - SECOND), await house.ask(later=2 * SECOND)) == (0, 1)


async def test_the_stand_in_answers_in_the_vendors_shapes() -> None:
    """The schema of `GET /incidents/{id}/alerts` (its text may not be copied): what an alert, a page and an error have."""
    shape: dict[str, Any] = {
        "id": str, "type": "alert", "summary": str, "self": str, "html_url": str, "created_at": str, "status": ("triggered", "resolved"),
        "alert_key": str, "suppressed": bool, "severity": ("info", "warning", "error", "critical"),
        "service": {"type": "service_reference", "id": str}, "incident": {"type": "incident_reference", "id": str},
        "integration": {"id": str, "type": str},
        "body": {"type": "alert_body", "contexts": [{"type": ("link", "image"), "href": str}], "details": {}},
    }  # fmt: skip

    def check(told: Any, expected: Any, where: str) -> None:
        if isinstance(expected, dict):
            for name, inner in expected.items():
                check(told[name], inner, f"{where}.{name}")
        elif isinstance(expected, list):
            for one in told:
                check(one, expected[0], f"{where}[]")
        elif isinstance(expected, type):
            assert isinstance(told, expected), where
        else:
            assert told == expected or told in expected, where

    check(datadog_alert("Q1", 1, group="env:prod"), shape, "alert")
    check(alert("env:prod", "https://app.datadoghq.com/monitors/1"), {name: shape[name] for name in ("id", "type", "body")}, "alert")
    pagerduty = PagerDuty(TOKEN)
    pagerduty.alerts["Q1"] = [datadog_alert("Q1", n) for n in range(30)]
    async with TestServer(pagerduty.application()) as server:
        headers = {"Authorization": f"Token token={TOKEN}", "Accept": "application/vnd.pagerduty+json;version=2"}
        async with aiohttp.ClientSession() as session:

            async def ask(path: str, **given: str) -> tuple[int, Any]:
                async with session.get(server.make_url(path), headers=given or headers) as answer:
                    return answer.status, await answer.json()

            status, page = await ask("/incidents/Q1/alerts?offset=25")
            assert (status, len(page["alerts"]), page["more"], page["limit"], page["offset"]) == (200, 5, False, 25, 25)
            for path, given, expected in (("/incidents/Q2/alerts", headers, 404), ("/incidents/Q1/alerts", {"Accept": "x"}, 401)):
                status, body = await ask(path, **given)
                assert (status, set(body["error"])) == (expected, {"message", "code"})
