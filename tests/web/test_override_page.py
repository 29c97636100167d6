"""Correcting a deployment by its page: recorded as the API's PATCH records it, in a key's name, with every mistake said in words."""

import re
from typing import Any

from bot.store import Store
from tests.pipeline.counting_room import Room, deployed, said
from tests.web.doors import API_KEY, Door, make_key, open_door
from tests.web.test_pages import HOSTILE, Nodes

FORM = {"says": "failed", "mended_by": "three", "mended_as": "rollforward", "reason": "Orders were lost.", "key": API_KEY}


def shop(store: Store) -> Room:
    """v1, v2, v3 of shop in prod, one of staging, one of cart, one without identity."""
    room = Room(store)
    room.tell(
        deployed("one", 0, version="v1"), deployed("two", 10, version="v2"), deployed("three", 20, version="v3"),
        deployed("staged", 30, version="v3", env="staging"), deployed("of-cart", 40, version="c1", service="cart"),
        deployed("nameless", 50, service="mailer"),
    )  # fmt: skip
    return room


async def post(door: Door, id: str = "two", *, headers: dict[str, str] | None = None, **changes: str | None) -> tuple[int, Nodes]:
    """The status of a form that was sent, and the page that answers (empty after a redirect)."""
    fields = {name: value for name, value in (FORM | changes).items() if value is not None}
    answer = await door.client.post(f"/deployments/{id}/override", data=fields, headers=headers, allow_redirects=False)
    body = await answer.text()
    assert not fields.get("key") or fields["key"] not in body, "the key is nowhere"
    if answer.status == 303:
        assert answer.headers["Location"] == f"/deployments/{id}#failed"
    else:
        assert answer.content_type == "text/html"
    return answer.status, Nodes(body)


async def page(door: Door, id: str = "two") -> str:
    """The words of a deployment's page."""
    answer = await door.client.get(f"/deployments/{id}")
    assert answer.status == 200
    return re.sub(r"\s+", " ", " ".join(Nodes(await answer.text()).text))


async def test_a_person_says_that_it_failed_and_takes_it_back(store: Store) -> None:
    room = shop(store)
    key = make_key(store, "deployments:write", services=("shop",))
    async with open_door(store) as door:
        before = await page(door)
        assert "No : no later deployment had to mend it" in before
        assert (await post(door, key=key.key))[0] == 303
        words = await page(door)
        assert "Yes , as a person said" in words and "It is about to be classified again" in words, "at once, and what follows later"
        room.derive()
        words = await page(door)
        for text in (
            "Yes , as a person said", "the key test , 21 Sep 2026, 14:13 : “Orders were lost.”", "a rollforward; it took 10 min to recover",
            "a person said so (the key test )",
        ):  # fmt: skip
            assert text in words, text
        assert "It mended v2 (" in await page(door, "three")
        assert room.one("two").change_failure and room.one("three").type == "rollforward"
        door.now[0] += 1
        assert (await post(door, mended_by="", mended_as="", reason="It was not that one."))[0] == 303
        room.derive()
        assert "nobody that is known, so there is no recovery time" in await page(door), "what the form shows is what holds"
        door.now[0] += 1
        assert (await post(door, says="back", mended_by="", mended_as="", reason="I was wrong."))[0] == 303
        room.derive()
        words = await page(door)
        assert "No : no later deployment had to mend it" in words
        assert words.index("I was wrong.") < words.index("Orders were lost."), "both stay, the newest first"
        assert "a key of API_KEYS" in words
        door.now[0] += 1
        as_shown = {"mended_by": "three", "mended_was": "three", "mended_as": "rollforward"}
        assert (await post(door, says="fine", **as_shown))[0] == 303, "what the form was filled with says nothing"
        room.derive()
        assert "No , as a person said" in await page(door)


async def test_the_page_and_the_api_record_the_same_fact(store: Store) -> None:
    shop(store)
    async with open_door(store) as door:
        assert (await post(door))[0] == 303
        door.now[0] += 1
        attributes = {"change_failure": True, "remediation": {"type": "rollforward", "id": "three"}, "reason": FORM["reason"]}
        body = {"data": {"type": "dora_deployment_patch_request", "id": "two", "attributes": attributes}}
        answer = await door.client.patch("/api/v2/dora/deployments/two", json=body, headers={"DD-API-KEY": API_KEY})
        assert answer.status == 202
        found = await (await door.client.get("/api/v1/deployments/two/explain")).json()
        first, second = found["overrides"]
        assert {**first, "told_at": ""} == {**second, "told_at": ""}
        assert (first["by"], first["remediation"], first["change_failure"]) == ("API_KEYS", "rollforward three", "true")
    kept = store.read(lambda reader: reader.fetch("answer_deliveries", lambda *row: row[3], from_at=0, to_at=2**62, before_at=2**62,
                                                  before_id=0, source="api", state="done", event="deployment_patch", n=9))  # fmt: skip
    assert kept == ["deployment_patch"] * 2


MISTAKES: list[tuple[dict[str, str | None], str]] = [
    ({"says": None}, "Say whether it failed"), ({"says": "maybe"}, "Say whether it failed"), ({"reason": "  "}, "Say why"),
    ({"reason": "x" * 501}, "At most 500 characters; these are 501."), ({"mended_as": ""}, "a rollback or a rollforward"),
    ({"mended_by_id": "nobody-at-all"}, "No deployment with this id is known."), ({"mended_by_id": "two"}, "does not mend itself"),
    ({"mended_by_id": "one"}, "That one finished before the deployment"), ({"mended_by_id": "staged"}, "another service or environment"),
    ({"mended_by_id": "of-cart"}, "another service or environment"), ({"says": "fine", "mended_by_id": "three"}, "Only a deployment that failed"),
    ({"says": "fine", "mended_by": "three"}, "Only a deployment that failed"),
    ({"says": "fine", "mended_by": "three", "mended_was": "four"}, "Only a deployment that failed"),
]  # fmt: skip


async def test_every_mistake_is_said_and_what_was_typed_stays(store: Store) -> None:
    room = shop(store)
    async with open_door(store) as door:
        for changes, words in MISTAKES:
            status, shown = await post(door, **changes)
            assert status == 400, changes
            assert words in shown.words, (changes, shown.words)
            assert "Nothing was recorded" in shown.words
            assert changes.get("reason", FORM["reason"]) in shown.words or "reason" in changes
            assert changes.get("mended_by_id", "") in shown.values
        assert (await post(door, "nobody"))[0] == 404
        for body, headers in (
            (b"says=%ff%fe", {"Content-Type": "application/x-www-form-urlencoded"}), (b"{}", {"Content-Type": "application/json"}),
            (b"a=1&" * 5_000, {"Content-Type": "application/x-www-form-urlencoded"}), (b"reason=%00", {"Content-Type": "application/x-www-form-urlencoded"}),
            (b"says=" + b"x" * 70_000, {"Content-Type": "application/x-www-form-urlencoded"}),
        ):  # fmt: skip
            answer = await door.client.post("/deployments/two/override", data=body, headers=headers)
            assert answer.status == 400, body[:20]
    assert room.explain("two").overrides == ()


async def test_only_a_key_that_may_write_there_records_anything(store: Store) -> None:
    room = shop(store)
    reading, cart = make_key(store, "read").key, make_key(store, "deployments:write", services=("cart",)).key
    refused = (
        ("", 401, "is needed"), ("rf_" + "0" * 64, 401, "not known"), ("x" * 600, 401, "no API key"), (reading, 403, "lacks the scope"),
        (cart, 403, "limited to other services: it may name cart."),
    )  # fmt: skip
    async with open_door(store) as door:
        for key, status, words in refused:
            found, shown = await post(door, key=key)
            assert (found, words in shown.words) == (status, True), (key[:5], shown.words)
            assert FORM["reason"] in shown.words, "what was typed stays"
        assert (await post(door, key=cart, mended_by="", mended_by_id="nobody"))[0] == 403, "not whether there is such a deployment"
        password = [names for tag, names in shown.shape if tag == "input" and "autocomplete" in names and "required" in names]
        assert password and all("value" not in names for names in password)
        for origin in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await post(door, headers=origin))[0] == 403
        assert str((await door.client.get("/deployments/two/override")).url).endswith("/deployments/two")
    assert room.explain("two").overrides == ()


async def test_a_page_that_needs_a_key_needs_it_for_the_form_too(store: Store) -> None:
    """Else a wrong key in the form would show a page that nobody may see."""
    room = shop(store)
    key = make_key(store, "read", services=("shop",)).key
    environ = {"API_KEYS": API_KEY, "HOST": "192.0.2.1", "DASHBOARD": "login"}
    async with open_door(store, **environ) as door:
        answer = await door.client.post("/deployments/two/override", data=FORM, allow_redirects=False)
        assert (answer.status, "v2" in await answer.text()) == (401, False)
        bearer = {"Authorization": f"Bearer {key}"}
        assert (await door.client.post("/deployments/of-cart/override", data=FORM, headers=bearer)).status == 403
        assert (await post(door, headers=bearer, key="rf_" + "1" * 64))[0] == 401
        assert (await post(door, headers=bearer))[0] == 303
    assert len(room.explain("two").overrides) == 1


async def test_what_is_unknown_says_why(store: Store) -> None:
    room = shop(store)
    room.tell(said(60, "one", failed=True), said(61, "two", failed=True, kind="rollback", by="one"))
    async with open_door(store) as door:
        assert "Unknown : came with neither a commit nor a version" in await page(door, "nameless")
        assert "nobody that is known, so there is no recovery time: failed, and not recovered yet" in await page(door, "one")
        assert "or finished before this one, so there is no recovery time" in await page(door)


async def test_hostile_texts_stay_texts_typed_and_recorded(store: Store) -> None:
    room = shop(store)
    async with open_door(store) as door:
        def shape(nodes: Nodes) -> list[Any]:
            return [one for one in nodes.shape if one[0] != "option"]

        plain = shape((await post(door, mended_by_id="plain", reason="plain", key="rf_plain"))[1])
        for text in HOSTILE:
            found = (await post(door, mended_by_id=text, mended_by=text, reason=text, says="failed", key="rf_wrong"))[1]
            assert shape(found) == plain, text
            assert text.strip() in found.values
        assert (await post(door, reason="plain"))[0] == 303
        room.derive()
        before = Nodes(await (await door.client.get("/deployments/two")).text())
        for text in reversed(HOSTILE):
            door.now[0] += 1
            assert (await post(door, reason=text))[0] == 303
        room.derive()
        after, words = Nodes(await (await door.client.get("/deployments/two")).text()), await page(door)
        assert {tag for tag, _ in after.shape} == {tag for tag, _ in before.shape}
        for text in HOSTILE:
            assert re.sub(r"\s+", " ", text).strip() in words
