"""Whose an incident of PagerDuty is, step by step, through HTTP; definitions may come before or after, and change."""

import re
from typing import Any

import pytest

from bot.dora.definitions import ServiceDefinition
from bot.dora.pagerduty import Step, service_page
from bot.facts.keys import READ
from bot.sources.definitions import read_definitions
from bot.store import Store
from tests.support.pagerduty import alert, event, reference, service
from tests.web.doors import API_KEY, make_key
from tests.web.pagerduty_room import Room, open_room
from tests.web.pagerduty_room import service as defined

PAGE = "https://acme.pagerduty.com/service-directory/PSHOP01"
GROUP = "https://app.datadoghq.com/monitors/4711?from_ts=1&to_ts=2&group={}&link_source=monitor_notif"
OLD_GROUP = "https://acme.datadoghq.eu/monitors#4711?to_ts=2&group={}&from_ts=1"


def triggered(minute: float = 0, type: str = "incident.triggered", **fields: Any) -> bytes:
    return event(type, minute, **fields)


async def mapped(room: Room) -> tuple[object, object, object]:
    """Env, services and team as the API shows them; the steps that gave them are asked for too."""
    one = await room.failure()
    return one["env"], one["services"], one["team"]


async def steps(room: Room) -> tuple[str | None, ...]:
    """The evidence of the same."""
    response = await room.door.client.get("/api/v1/failures/Q0STORY1", headers={"Authorization": f"Bearer {API_KEY}"})
    return tuple(one["step"] for one in (await response.json())["pagerduty"]["mapped_by"])


MONITORS: dict[str, tuple[dict[str, Any], tuple[object, object, object]]] = {
    "the group of a multi alert": (
        {"alerts": [alert("env:staging,team:others", GROUP.format("env%3Aprod%2Cservice%3AShop%2Cteam%3Apayments"))]},
        ("prod", ["Shop"], "payments"),
    ),
    "an older link": ({"alerts": [alert("", OLD_GROUP.format("env%3Aprod%2Cservice%3Ashop"))]}, ("prod", ["shop"], "Payments")),
    "the monitor's tags": (
        {"alerts": [alert("env:prod, service:shop, service:basket, team:payments, monitor")]}, ("prod", ["basket", "shop"], "payments"),
    ),
    "several envs and teams": (
        {"alerts": [alert("env:prod,env:staging,team:a,team:b,service:shop")]}, ("dev", ["shop"], "Payments"),
    ),
    "one env said twice": ({"alerts": [alert("env:prod,Env:PROD")]}, ("prod", ["Checkout API"], "Payments")),
    "a group beside tags": (
        {"alerts": [alert("env:prod,service:a,service:b", GROUP.format("service%3Aa"))]}, ("prod", ["a"], "Payments"),
    ),
    "details of the incident": ({"body": {"details": {"tags": ["env:prod", "service:shop"]}}}, ("prod", ["shop"], "Payments")),
    "custom details": ({"custom_details": {"tags": "service:shop"}}, ("dev", ["shop"], "Payments")),
    "the event's client": (
        {"client": {"name": "Datadog", "url": GROUP.format("service%3Ashop")}}, ("dev", ["shop"], "Payments"),
    ),
    "another tool": ({"alerts": [alert("env:prod,service:shop", client="Nagios")]}, ("dev", ["Checkout API"], "Payments")),
    "an unknown shape": (
        {"alerts": [7, {"body": [alert()]}, {"body": {"details": "env:prod", "contexts": {"href": 1}}}]}, ("dev", ["Checkout API"], "Payments"),
    ),
}


@pytest.mark.parametrize("case", MONITORS)
async def test_step_1_the_monitor(store: Store, case: str) -> None:
    fields, expected = MONITORS[case]
    async with open_room(store) as room:
        await room.tell(triggered(**fields), dd_env="dev")
        assert await mapped(room) == expected


async def test_the_page_says_which_step_gave_what(store: Store) -> None:
    async with open_room(store) as room:
        room.define(defined("Shop", page=PAGE))
        await room.tell(triggered(), dd_env="dev")
        headers = {"Authorization": f"Bearer {API_KEY}", "Accept": "text/html"}
        page = await (await room.door.client.get("/failures/Q0STORY1", headers=headers)).text()
        words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
        assert "Environment dev the webhook’s header dd_env dd_env" in words
        assert "Services Shop definitions that name the service’s page in PagerDuty service_url" in words
        assert "Team Payments PagerDuty’s own names pagerduty" in words
        assert 'href="https://acme.pagerduty.com/incidents/Q0STORY1"' in page


async def test_a_key_of_one_service_is_told_of_no_other(store: Store) -> None:
    """Of PagerDuty's own name of the other neither."""
    limited = make_key(store, READ, services=("shop",)).key
    async with open_room(store) as room:
        await room.tell(triggered(title="Down", alerts=[alert("env:prod,service:shop,service:checkout api")]))
        told = []
        for key in (API_KEY, limited):
            for path in ("/api/v1/failures/Q0STORY1", "/failures/Q0STORY1"):
                async with room.door.client.get(path, headers={"Authorization": f"Bearer {key}"}) as answer:
                    assert answer.status == 200
                    told.append("checkout api" in (await answer.text()).lower())
        assert told == [True, True, False, False]


async def test_an_event_without_monitor_never_weakens(store: Store) -> None:
    """A resolve by hand, also where it arrives first."""
    told = triggered(alerts=[alert("env:prod,service:shop,team:payments")]), triggered(9, "incident.resolved")
    async with open_room(store) as room:
        await room.tell(told[1], dd_env="dev")
        assert await mapped(room) == ("dev", ["Checkout API"], "Payments")
        await room.tell(told[0])
        assert await mapped(room) == ("prod", ["shop"], "payments") and await steps(room) == (Step.MONITOR,) * 3
        assert (await room.failure())["time_to_restore"] == 540


STEPS: dict[str, tuple[tuple[ServiceDefinition, ...], dict[str, Any], tuple[object, object], tuple[Step, Step]]] = {
    "2: one service has its page": (
        (defined("Shop", team="Sales", page=f"{PAGE}/"), defined("Other", page=PAGE.replace("acme", "else"))),
        {}, (["Shop"], "Sales"), (Step.SERVICE_URL, Step.SERVICE_URL),
    ),
    "2: several have its page": (
        (defined("Shop", team="Sales", page=PAGE), defined("Basket", team="sales", page="acme.pagerduty.com/service-directory/pshop01")),
        {}, (["Checkout API"], "sales"), (Step.PAGERDUTY, Step.SERVICE_URL),
    ),
    "2: several, of several teams": (
        (defined("Shop", team="Sales", page=PAGE), defined("Basket", team="Stock", page=PAGE)),
        {}, (["Checkout API"], "Payments"), (Step.PAGERDUTY, Step.PAGERDUTY),
    ),
    "2 before 3": (
        (defined("Shop", team="Sales", page=PAGE), defined("Checkout API", team="Stock")),
        {}, (["Shop"], "Sales"), (Step.SERVICE_URL, Step.SERVICE_URL),
    ),
    "3: a service has its name": ((defined("checkout api", team="Stock"),), {}, (["checkout api"], "Stock"), (Step.SERVICE_NAME, Step.SERVICE_NAME)),
    "3 before 4": (
        (defined("Checkout API", team="Stock"), defined("x", team="Payments")), {}, (["Checkout API"], "Stock"),
        (Step.SERVICE_NAME, Step.SERVICE_NAME),
    ),
    "4: a team has the team's name": ((defined("x", team="PAYMENTS"),), {}, (["Checkout API"], "PAYMENTS"), (Step.PAGERDUTY, Step.TEAM_NAME)),
    "4: one of several teams": (
        (defined("x", team="payments"),),
        {"teams": [reference("team", "P1", "On call"), reference("team", "P2", "Payments")]},
        (["Checkout API"], "payments"), (Step.PAGERDUTY, Step.TEAM_NAME),
    ),
    "5: a team has the service's name": (
        (defined("x", team="Checkout API"),), {}, (["Checkout API"], "Checkout API"), (Step.PAGERDUTY, Step.SERVICE_NAME_OF_TEAM),
    ),
    "6: PagerDuty's own names": ((defined("x", team="y"),), {}, (["Checkout API"], "Payments"), (Step.PAGERDUTY, Step.PAGERDUTY)),
}  # fmt: skip


@pytest.mark.parametrize("first", ["definitions", "event"])
@pytest.mark.parametrize("case", STEPS)
async def test_steps_2_to_6(store: Store, case: str, first: str) -> None:
    definitions, fields, expected, given = STEPS[case]
    async with open_room(store) as room:
        if first == "definitions":
            room.define(*definitions)
        await room.tell(triggered(**fields))
        room.define(*definitions)
        assert (await mapped(room))[1:] == expected
        assert (await steps(room))[1:] == given
        room.define()
        assert (await mapped(room))[1] == ["Checkout API"], "its definition is gone"


async def test_definitions_change_under_an_incident(store: Store) -> None:
    async with open_room(store) as room:
        await room.tell(triggered())
        for definition, expected in (
            (defined("Shop", team="Sales", page=PAGE), (["Shop"], "Sales")),
            (defined("Shop", team="Stock", page=PAGE), (["Shop"], "Stock")),
            (defined("SHOP", team="Stock", page=PAGE), (["SHOP"], "Stock")),
            (defined("Shop", team="Stock", page=PAGE.replace("1", "2")), (["Checkout API"], "Payments")),
            (defined("Shop", team="payments"), (["Checkout API"], "payments")),
            (defined("Shop"), (["Checkout API"], "Payments")),
        ):
            room.define(definition)
            assert (await mapped(room))[1:] == expected, definition


async def test_a_changed_service_is_mapped_again_and_a_monitor_stays(store: Store) -> None:
    moved = triggered(5, "incident.service_updated", service=service("Basket API", "PBASK01"), teams=[])
    async with open_room(store) as room:
        room.define(defined("Shop", team="Sales", page=PAGE), defined("Basket API", team="Stock"))
        await room.tell(triggered(alerts=[alert("env:prod")]))
        assert await mapped(room) == ("prod", ["Shop"], "Sales")
        await room.tell(moved)
        assert await mapped(room) == ("prod", ["Basket API"], "Stock")


async def test_an_older_event_that_comes_late_changes_nothing_newer(store: Store) -> None:
    async with open_room(store) as room:
        await room.tell(triggered(5, "incident.priority_updated", title="New", priority=reference("priority", "P1", "P1")), dd_env="prod")
        await room.tell(triggered(0, title="Old", service=service("Old", "POLD001")), dd_env="old")
        one = await room.failure()
        assert (one["name"], one["severity"], one["services"], one["env"]) == ("New", "P1", ["Checkout API"], "prod")


async def test_what_a_capture_leaves_out(store: Store) -> None:
    """No instant of creation, no team, no priority; or only what refers to the incident."""
    async with open_room(store) as room:
        await room.tell(event("incident.annotated", 1))
        assert await room.failures() == [], "nobody knows when it began"
        await room.tell(triggered(9, "incident.resolved", created_at=..., teams=[], priority=None, service=None))
        one = await room.failure()
        assert (one["state"], one["time_to_restore"], one["services"], one["team"]) == ("resolved", None, [], None)
        await room.tell(triggered(2, created_at=..., incident_key=..., teams=..., priority=...))
        one = await room.failure()
        assert (one["time_to_restore"], one["services"], one["severity"]) == (420, ["Checkout API"], None)


@pytest.mark.parametrize(
    "text",
    [
        "schema-version: v1\ninfo:\n  dd-service: shop\n  display-name: Shop\n  description: ''\n  service-tier: '1'\norg:\n  team: a\n"
        "  application: b\ncontact:\n  email: a@b.example\n  slack: https://a.example\nintegrations:\n  pagerduty: {}",
        "schema-version: v2\ndd-service: shop\nintegrations:\n  pagerduty: {}",
        "schema-version: v2.1\ndd-service: shop\nintegrations:\n  pagerduty:\n    service-url: {}",
        "schema-version: v2.2\ndd-service: shop\nintegrations:\n  pagerduty:\n    service-url: {}",
        "apiVersion: v3\nkind: service\nmetadata:\n  name: shop\nintegrations:\n  pagerduty:\n    serviceURL: {}",
    ],
    ids=["v1", "v2", "v2.1", "v2.2", "v3"],
)
def test_every_schema_names_the_page(text: str) -> None:
    read = read_definitions({"shop.yaml": text.format(PAGE).encode()})
    assert [one.pagerduty for one in read.definitions] == [PAGE], read.problems


@pytest.mark.parametrize(
    ("url", "page"),
    [
        (PAGE, "acme/PSHOP01"),
        ("acme.pagerduty.com/service-directory/PSHOP01/activity?a=b", "acme/PSHOP01"),
        ("https://ACME.pagerduty.com/services/pshop01", "acme/PSHOP01"),
        ("https://acme.eu.pagerduty.com/services/PSHOP01", "acme.eu/PSHOP01"),
        ("https://acme.pagerduty.com/incidents/PSHOP01", ""),
        ("https://acme.pagerduty.com/services/", ""),
        ("https://acme.example.com/services/PSHOP01", ""),
        ("https://[", ""),
        ("", ""),
    ],
)
def test_pages_are_compared_by_subdomain_and_id(url: str, page: str) -> None:
    assert service_page(url) == page
