"""What is merged, off, or corrected: sent through the original's API, seen on the pages and in our API."""

import re

import pytest

from bot.dora.instants import SECOND
from bot.facts.sources import select_source
from bot.store import Store
from tests.pipeline.counting_room import Room, at, deployed, said, switched
from tests.web.doors import API_KEY, NOW, Door, document, open_door

KEYS = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": API_KEY}
DEPLOYMENTS = "/api/v2/dora/deployments"


async def send(door: Door, room: Room, *, version: str, at: int) -> str:
    """A deployment by API; its id."""
    body = document(service="shop", env="prod", version=version, started_at=at, finished_at=at + 5)
    answer = await door.client.post("/api/v2/dora/deployment", data=body, headers=KEYS)
    return str((await answer.json())["data"]["id"])


async def correct(door: Door, room: Room, id: str, **attributes: object) -> None:
    """What the original's client sends to correct one."""
    door.now[0] += SECOND
    body = {"data": {"type": "dora_deployment_patch_request", "id": id, "attributes": attributes}}
    answer = await door.client.patch(f"{DEPLOYMENTS}/{id}", json=body, headers=KEYS)
    assert answer.status == 202, await answer.text()
    room.derive()


async def test_a_correction_is_seen_everywhere_and_can_be_taken_back(store: Store) -> None:
    room = Room(store)
    begin = NOW // SECOND - 86_400
    async with open_door(store) as door:
        one, two, back = [await send(door, room, version=version, at=begin + n) for n, version in ((0, "1"), (100, "2"), (200, "1"))]
        room.derive()

        async def shown() -> tuple[object, ...]:
            answer = await (await door.client.get(f"/api/v1/deployments/{two}/explain")).json()
            page = await door.client.get(f"/deployments/{two}")
            assert page.status == 200
            return answer["change_failure"], answer["remediation"], answer["recovery_time"], await page.text()

        failed, remediation, recovery, _ = await shown()
        assert (failed, remediation, recovery) == (True, {"id": back, "type": "rollback"}, 100)
        await correct(door, room, two, change_failure=True)
        failed, remediation, recovery, page = await shown()
        assert (failed, remediation, recovery) == (True, None, None)
        assert "<b>Yes</b>, as a person said." in page and "nobody that is known" in page
        await correct(door, room, two, change_failure=False)
        failed, _, _, page = await shown()
        assert failed is False
        assert "<b>No</b>, as a person said." in page
        await correct(door, room, two, remediation={"type": "rollforward", "id": back})
        failed, remediation, recovery, page = await shown()
        assert (failed, remediation, recovery) == (True, {"id": back, "type": "rollforward"}, 100)
        assert "a person said so" in page
        await correct(door, room, two, change_failure=None)
        assert (await shown())[:3] == (True, {"id": back, "type": "rollback"}, 100)
        audit = (await (await door.client.get(f"/api/v1/deployments/{two}/explain")).json())["overrides"]
        assert [(one["change_failure"], one["remediation"]) for one in audit] == [
            ("true", None), ("false", None), (None, f"rollforward {back}"), ("removed", None),
        ]  # fmt: skip
        assert await (await door.client.delete(f"/api/v2/dora/deployment/{back}", headers=KEYS)).json() == {"data": None}
        room.derive()
        assert (await shown())[0] is False
        assert (await door.client.get(f"/deployments/{back}")).status == 404
        listed = await (await door.client.get("/api/v1/deployments")).json()
        assert [row["id"] for row in listed["data"]] == [two, one]


@pytest.mark.parametrize("path", ["/", "/services/shop", "/deployments/sent", "/deployments/seen", "/deployments/off"])
async def test_pages_say_what_is_merged_and_what_is_off(store: Store, path: str) -> None:
    room = Room(store)
    room.tell(switched(0, "apm"), deployed("sent", 10, version="1"), deployed("seen", 12, source="apm", version="1"))
    room.tell(deployed("off", 300, source="tags", version="2"), said(400, "seen", failed=True))
    async with open_door(store) as door:
        door.now[0] = at(1_000)
        answer = await door.client.get(path)
        text = await answer.text()
    assert answer.status == 200
    if path == "/services/shop":
        assert (text.count(">merged<"), text.count(">not counted<"), text.count(">failed<")) == (1, 1, 1)
    if path == "/deployments/seen":
        assert "the same release, as another source saw it" in text
    if path == "/deployments/sent":
        assert '<a href="/deployments/seen">apm</a>' in text
        assert "<b>Yes</b>, as a person said" in text, "also when it was said of the merged one"
    if path == "/deployments/off":
        assert "It does not count: its data source is switched off." in text


async def test_a_service_of_which_nothing_counts_has_no_numbers_and_is_told_why(store: Store) -> None:
    """Shop's newest is of a source that is off: the last one that counts is named. Of till nothing counts."""
    room = Room(store)
    room.tell(deployed("sent", 10, version="1"), deployed("late", 300, source="tags", version="2"))
    room.tell(deployed("seen", 200, source="apm", service="till", version="1"))
    async with open_door(store) as door:
        door.now[0] = at(1_000)
        answer = await (await door.client.get("/api/v1/metrics", params={"group_by": "service"})).json()
        whole = (await (await door.client.get("/api/v1/metrics")).json())["data"][0]
        overview, till = [await (await door.client.get(path)).text() for path in ("/", "/services/till")]
    assert [row["group"]["service"] for row in answer["data"]] == ["shop"]
    assert (whole["deployments"], whole["not_counted"]["source_off"]) == (1, 2)
    assert "blend" not in overview and overview.count("data-label=\"Last deployed\"") == 1 and "/deployments/sent" in overview
    assert re.search(r"till</a> <span class=\"quiet\">\s*deployments kept, not counted: source <code>apm</code>", overview)
    assert "source Telemetry <code>apm</code> is off" in till and "rollforward sources enable apm --retroactive" in till
    assert "nobody has deployed" not in till and "never" not in till


async def test_metrics_of_a_source_count_it_alone(store: Store) -> None:
    room = Room(store)
    room.tell(deployed("sent", 10, version="1"), deployed("seen", 12, source="apm", version="1"), deployed("other", 500, source="apm", version="2"))
    store.write(lambda writer: select_source(writer, "deployments", "apm", on=True, retroactive=True, at=at(600)))
    room.derive()
    async with open_door(store) as door:
        door.now[0] = at(1_000)
        answer = await (await door.client.get("/api/v1/metrics", params={"group_by": "source"})).json()
    assert {row["group"]["source"]: row["deployments"] for row in answer["data"]} == {"api": 1, "apm": 1}
