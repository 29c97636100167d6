"""PagerDuty through HTTP: who gets in, that an event counts once in whatever order, and whose an incident is by each step."""

import asyncio
import gzip
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.cli.main import main
from bot.dora.definitions import ServiceDefinition
from bot.facts.keys import revoke_key
from bot.sources.pagerduty import EVENTS
from bot.store import Store
from bot.store.opening import open_store
from tests.support.pagerduty import DOCUMENTED, SECRET, event, iso, reference, service, signature
from tests.web.doors import NOW, DownStore, make_key, open_door
from tests.web.pagerduty_room import open_room
from tests.web.pagerduty_room import service as defined

NEW_SECRET = "pagerduty-secret-after-rotation"
PAGE = "https://acme.pagerduty.com/service-directory/PSHOP01"
TRIGGERED = event("incident.triggered")
STORY = (
    TRIGGERED,
    event("incident.acknowledged", 2),
    event("incident.annotated", 3),
    event("incident.priority_updated", 4, priority=reference("priority", "PPRIO00", "P1")),
    event("incident.service_updated", 5, service=service("Basket API", "PBASK01")),
    event("incident.resolved", 10, priority=reference("priority", "PPRIO00", "P1"), service=service("Basket API", "PBASK01")),
    event("incident.reopened", 20, priority=None, service=service("Basket API", "PBASK01")),
    event("incident.resolved", 30, priority=None, service=service("Basket API", "PBASK01")),
    event("incident.status_update_published", 31),
    event("incident.triggered", 6, id="other-1").replace(b"Q0STORY1", b"Q0STORY2"),
)
SHOP = (defined("Shop", team="Payments", page=PAGE), defined("Basket API", team="basket"))
OTHERS = defined("Basket API", team="others")


# Who gets in ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/webhooks/pagerduty", "/api/v2/webhook/", "/api/v2/webhook"])
async def test_what_is_signed_is_kept_once_however_often_it_comes(store: Store, path: str) -> None:
    async with open_room(store) as room:
        first = await room.post(TRIGGERED, path, id="one")
        again = await room.post(TRIGGERED, path, id="one")
        assert (first.status, again.status) == (202, 200)
        assert await first.json() == await again.json() == {"delivery": 1}
        room.work()
        assert [one["id"] for one in await room.failures()] == ["Q0STORY1"]
        assert await room.deliveries() == [("incident.triggered", "done", "")]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (signature(TRIGGERED), 202),
        (signature(TRIGGERED, NEW_SECRET), 202),
        (signature(TRIGGERED, NEW_SECRET, SECRET), 202),
        (f"v1={'0' * 64}, {signature(TRIGGERED)}", 202),
        (f"v2={'0' * 64},{signature(TRIGGERED)} , v0=", 202),
        (signature(TRIGGERED, "pagerduty-secret-of-others"), 401),
        (signature(TRIGGERED + b" "), 401),
        (signature(TRIGGERED).replace("v1=", "v2="), 401),
        (signature(TRIGGERED).removeprefix("v1="), 401),
        ("v1=", 401),
        ("", 401),
    ],
)
async def test_signatures_while_secrets_are_rotated(store: Store, header: str, status: int) -> None:
    async with open_room(store, PAGERDUTY_WEBHOOK_SECRET=f"{SECRET}, {NEW_SECRET}") as room:
        response = await room.post(TRIGGERED, **{"X-PagerDuty-Signature": header})
        assert response.status == status, await response.text()


async def test_a_key_does_instead_of_a_signature(store: Store) -> None:
    good, other = make_key(store, "failures:write").key, make_key(store, "read").key
    limited = make_key(store, "failures:write", services=("shop",)).key
    async with open_room(store, PAGERDUTY_WEBHOOK_SECRET=SECRET) as room:
        for key, status in ((good, 202), (other, 403), (limited, 403), ("rf_" + "0" * 64, 401), ("", 401)):
            response = await room.post(TRIGGERED, "/api/v2/webhook/", **{"DD-API-KEY": key})
            assert response.status == status, (key, await response.text())
        wrong = {"X-PagerDuty-Signature": "v1=" + "0" * 64}
        assert (await room.post(TRIGGERED, **wrong, **{"DD-API-KEY": good})).status == 202, "either suffices"
        right = {"X-PagerDuty-Signature": signature(TRIGGERED)}
        assert (await room.post(TRIGGERED, **right, **{"DD-API-KEY": other})).status == 202
        assert (await room.post(TRIGGERED, **{"X-PagerDuty-Signature": ""})).status == 401
        kept = store.read(lambda reader: reader.fetch("due_deliveries", lambda *row: str(row[4]), now=2**62, n=10))
        assert len(kept) == 3 and not any(word in told for told in kept for word in (good, "signature", "key"))


async def test_it_is_on_by_a_secret_or_a_key(store: Store) -> None:
    async with open_room(store, GITHUB_WEBHOOK_SECRET=SECRET) as room:
        assert (await room.post(TRIGGERED)).status == 404
        make_key(store, "deployments:write")
        assert (await room.post(TRIGGERED)).status == 404
        made = make_key(store, "failures:write")
        refused = await room.post(TRIGGERED)
        assert (refused.status, (await refused.json())["errors"][0]["title"]) == (401, "wrong_signature")
        assert (await room.post(TRIGGERED, **{"DD-API-KEY": made.key})).status == 202
        store.write(lambda writer: revoke_key(writer, made.id, now=NOW))
        assert (await room.post(TRIGGERED, **{"DD-API-KEY": made.key})).status == 404


@pytest.mark.parametrize("settings", [{"PAGERDUTY_WEBHOOK_SECRET": SECRET}, {"GITHUB_WEBHOOK_SECRET": SECRET}])
@pytest.mark.parametrize("headers", [{"X-PagerDuty-Signature": signature(TRIGGERED)}, {"DD-API-KEY": "rf_" + "0" * 64}])
async def test_while_the_store_is_down_it_is_told_to_come_again(settings: dict[str, str], headers: dict[str, str]) -> None:
    """PagerDuty drops for good what is answered with 4xx, and after three of those all that follows for a day."""
    async with open_door(DownStore(), **settings) as door:  # type: ignore[arg-type]  # as much of a store as is asked
        response = await door.client.post("/webhooks/pagerduty", data=TRIGGERED, headers=headers | {"X-Webhook-Id": "1"})
        assert (response.status, "Retry-After" in response.headers) == (503, True)


@pytest.mark.parametrize("id", ["", "x" * 300, "two words"])
async def test_without_an_id_the_body_is_known_again(store: Store, id: str) -> None:
    async with open_room(store) as room:
        headers = {"X-PagerDuty-Signature": signature(TRIGGERED)} | ({"X-Webhook-Id": id} if id else {})
        statuses = [(await room.door.client.post("/webhooks/pagerduty", data=TRIGGERED, headers=headers)).status for _ in range(2)]
        assert statuses == [202, 200]


# What becomes of it -----------------------------------------------------------------------------------------------------


async def test_every_documented_event_is_taken(store: Store) -> None:
    async with open_room(store) as room:
        await room.tell(*(event(type, minute) for minute, type in enumerate(DOCUMENTED)))
        states = {type: (state, reason) for type, state, reason in await room.deliveries()}
        assert states.keys() == DOCUMENTED.keys()
        ignored = {type: reason for type, (state, reason) in states.items() if state == "ignored"}
        assert ignored == {type: "about_a_service" for type in DOCUMENTED if type.startswith("service.")} | {"pagey.ping": "ping"}
        assert {state for type, (state, _) in states.items() if type not in ignored} == {"done"}
        assert len(await room.failures()) == 1


async def test_what_is_not_known_is_answered_and_put_aside(store: Store) -> None:
    lost = json.loads(event("incident.annotated", 9))
    lost["event"]["data"]["incident"] = None
    timeless, nameless = json.loads(event("incident.resolved", 9)), json.loads(event("incident.resolved", 9))
    timeless["event"]["occurred_at"], nameless["event"]["id"] = None, 5
    bodies: list[tuple[bytes, str, str]] = [
        (event("incident.invented"), "ignored", "unknown_event"),
        (event("workflow.invented"), "ignored", "unknown_event"),
        (json.dumps(lost).encode(), "ignored", "no_incident"),
        (json.dumps(timeless).encode(), "dead", "bad_instant"),
        (json.dumps(nameless).encode(), "dead", "bad_id"),
        (event("incident.resolved", 9).replace(b'"id": "Q0STORY1"', b'"id": 5'), "dead", "bad_id"),
        (b'{"messages": [{"event": "incident.trigger"}]}', "dead", "wrong_value"),
        (b"\xff\x00", "dead", "not_utf8"),
        (b"", "dead", "invalid_json"),
    ]
    async with open_room(store) as room:
        for body, _, _ in bodies:
            assert (await room.post(body)).status == 202
        room.work()
        found = [(state, reason.split(":")[0]) for _, state, reason in await room.deliveries()]
        assert found == [(state, reason) for _, state, reason in bodies]


def resolved(minute: int, field: str, value: object) -> bytes:
    """A resolve with another value in a field."""
    fields: dict[str, Any] = {field: value}
    return event("incident.resolved", minute, **fields)


WRONG: tuple[object, ...] = (5, 10**30, 1.5, True, "", "x", [], [5, [None]], {}, {"summary": 5, "id": [], "html_url": {}, "incident": 7})


@pytest.mark.parametrize("field", ["html_url", "title", "status", "created_at", "service", "teams", "priority", "alerts", "body", "details"])
async def test_a_field_of_little_worth_that_is_wrong_costs_itself_alone(store: Store, field: str) -> None:
    """Above all not the resolve: the failure would be open for ever."""
    async with open_room(store) as room:
        await room.tell(TRIGGERED, *(resolved(10 + n, field, wrong) for n, wrong in enumerate(WRONG)))
        assert {state for _, state, _ in await room.deliveries()} == {"done"}
        one = await room.failure()
        assert (one["state"], one["finished_at"], one["started_at"]) == ("resolved", f"{iso(9 + len(WRONG))[:19]}Z", f"{iso(0)[:19]}Z")
        assert (one["severity"], one["services"]) in (("P2", ["Checkout API"]), ("P2", ["x"]), (None, ["Checkout API"]))


async def test_events_of_one_instant_and_copies_with_different_envs_in_any_order(store: Store) -> None:
    told = [
        (event("incident.triggered", 5, priority=None), "staging"), (event("incident.triggered", 5, priority=None), "prod"),
        (event("incident.triggered", 5, priority=None), ""), (event("incident.acknowledged", 5, priority=None), ""),
        (event("incident.priority_updated", 5), ""), (event("incident.reopened", 5, priority=None), ""),
        (event("incident.resolved", 5, priority=None), ""),
    ]  # fmt: skip
    seen = set()
    async with open_room(store) as room:
        for seed in range(6):
            order = random.Random(seed).sample(told, len(told))
            for body, env in order:
                # another incident each time, told in another order
                other = body.replace(b"Q0STORY1", b"Q%d" % seed).replace(b'"id": "incident', b'"id": "%d-incident' % seed)
                await room.tell(other, **({"dd_env": env} if env else {}))
        for one in await room.failures():
            seen.add((one["env"], one["severity"], one["state"], one["started_at"], one["finished_at"]))
            page = await (await room.door.client.get(f"/failures/{one['id']}", headers={"Accept": "text/html"})).text()
            assert one["id"] in page
    assert seen == {("prod", "P2", "resolved", f"{iso(0)[:19]}Z", f"{iso(5)[:19]}Z")}


async def test_a_compressed_body_is_read_as_it_was_signed(store: Store) -> None:
    packed = gzip.compress(TRIGGERED)
    async with open_room(store) as room:
        await room.tell(packed, **{"Content-Encoding": "gzip"})
        assert await room.deliveries() == [("webhook", "done", "")]
        assert (await room.failure())["id"] == "Q0STORY1"


async def test_an_incident_through_its_life(store: Store) -> None:
    async with open_room(store) as room:
        seen = []
        for body in STORY[:-1]:
            await room.tell(body, dd_env="prod")
            one = await room.failure()
            seen.append((one["state"], one["severity"], one["services"], one["time_to_restore"]))
        basket, checkout = ["Basket API"], ["Checkout API"]
        assert seen == [
            ("active", "P2", checkout, None), ("active", "P2", checkout, None), ("active", "P2", checkout, None),
            ("active", "P1", checkout, None), ("active", "P2", basket, None), ("resolved", "P1", basket, 600),
            ("active", None, basket, None), ("resolved", None, basket, 1800), ("resolved", None, basket, 1800),
        ]  # fmt: skip
        one = await room.failure()
        assert (one["id"], one["name"], one["source"], one["env"]) == ("Q0STORY1", "Checkout answers slowly", "pagerduty", "prod")
        assert (one["started_at"], one["finished_at"]) == (f"{iso(0)[:19]}Z", f"{iso(30)[:19]}Z")


@pytest.fixture(scope="module")
def one_after_another(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the story makes when it is told as it happened, definitions first."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('told') / 'test.db'}")
    store.migrate()

    async def tell() -> list[str]:
        async with open_room(store) as room:
            room.define(*SHOP)
            await room.tell(*STORY, dd_env="prod")
            return room.fingerprint()

    try:
        return asyncio.run(tell())
    finally:
        store.close()


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_and_any_repetition_gives_the_same(store: Store, one_after_another: list[str], seed: int) -> None:
    """Each event by several subscriptions, one of them with an env; definitions come, go and change between them."""
    order = random.Random(seed)
    told: list[bytes | tuple[ServiceDefinition, ...]] = [*STORY, *order.sample(STORY, 4), (), SHOP[:1], (SHOP[0], OTHERS)]
    order.shuffle(told)
    async with open_room(store) as room:
        for one in told:
            if isinstance(one, tuple):
                room.define(*one)
            else:
                await room.tell(one, **({"dd_env": "prod"} if order.random() < 0.5 else {}))
        await room.tell(*STORY, dd_env="prod")
        room.define(*SHOP)
        assert room.fingerprint() == one_after_another
        room.rebuild()
        assert room.fingerprint() == one_after_another


# How it stands ------------------------------------------------------------------------------------------------------------


async def test_the_set_up_page_says_how_it_stands(store: Store) -> None:
    async def told(**settings: str) -> str:
        async with open_room(store, **settings) as room:
            page = await (await room.door.client.get("/setup", headers={"Accept": "text/html"})).text()
            return " ".join(re.sub(r"<[^>]+>", " ", page[page.index('id="pagerduty"') : page.index('id="sources"')]).split())

    assert "off Set PAGERDUTY_WEBHOOK_SECRET , or create a key" in await told(GITHUB_WEBHOOK_SECRET=SECRET)
    both = await told()
    assert "Webhooks are taken with a signature by PAGERDUTY_WEBHOOK_SECRET , or with a key that may write failures." in both
    assert "Webhook URL https://your.host/webhooks/pagerduty" in both and "none in 30 days" in both
    async with open_room(store) as room:
        await room.tell(TRIGGERED)
    shown = await told(PAGERDUTY_WEBHOOK_SECRET=SECRET, PAGERDUTY_API_TOKEN=SECRET, BASE_URL="https://dora.example")
    assert "incident.triggered, done" in shown and "asked for" in shown and "https://dora.example/webhooks/pagerduty" in shown


def test_doctor_says_what_to_write_into_pagerduty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DATA_DIR": tmp_path, "SERVICE_DEFINITIONS": tmp_path / "none"}.items():
        monkeypatch.setenv(name, str(value))

    def said() -> str:
        lines = CliRunner().invoke(main, ["doctor"]).output.splitlines()
        return next(line for line in lines if "pagerduty webhooks" in line)

    assert said().startswith("note   pagerduty webhooks are off: set PAGERDUTY_WEBHOOK_SECRET, or `rollforward keys create")
    assert CliRunner().invoke(main, ["keys", "create", "pagerduty", "--scope", "failures:write"]).exit_code == 0
    assert said().startswith("ok     pagerduty webhooks are on: in PagerDuty a Generic Webhook (v3) to https://your.host/webhooks/pagerduty, a custom")
    monkeypatch.setenv("PAGERDUTY_WEBHOOK_SECRET", SECRET)
    assert "its secret is in PAGERDUTY_WEBHOOK_SECRET" in said()


def test_the_documentation_knows_every_event() -> None:
    assert EVENTS.keys() == DOCUMENTED.keys()
    text = (Path(__file__).parents[2] / "docs" / "pagerduty.md").read_text()
    assert [type for type in EVENTS if f"`{type}`" not in text] == []
