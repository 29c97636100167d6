"""The original's incidents at the HTTP door: declared, changed, asked for, searched, deleted; and the failure that each is."""

import asyncio
import json
from io import BytesIO
from typing import Any

from bot.dora.instants import MINUTE, SECOND
from bot.facts.incidents import change_incident
from bot.sources.incidents import parse_incident_change
from bot.store import Store
from tests.sources.test_incidents import INVALID, document, new
from tests.web.doors import API_KEY, NOW, Door, make_key, open_door, receipts
from tests.web.test_api import check

PATH = "/api/v2/incidents"
KEY = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": API_KEY, "Content-Type": "application/json"}
BEGAN = 1_790_000_000
"""NOW in seconds: 2026-09-21T14:13:20Z."""


async def declare(door: Door, *, headers: dict[str, str] = KEY, **attributes: object) -> dict[str, Any]:
    """A new incident as the server answers it."""
    answer = await door.client.post(PATH, data=new(**attributes), headers=headers)
    assert answer.status == 201, await answer.text()
    assert answer.content_type == "application/vnd.api+json"
    data = dict((await answer.json())["data"])
    check("Incident", data)
    return data


async def patch(door: Door, id: str, *, after: int = MINUTE, status: int = 200, headers: dict[str, str] = KEY, **attributes: object) -> Any:
    """What the incident is after a change; the clock goes on before it."""
    door.now[0] += after
    answer = await door.client.patch(f"{PATH}/{id}", data=document(id=id, **attributes), headers=headers)
    assert answer.status == status, await answer.text()
    return (await answer.json())["data"]["attributes"] if status == 200 else None


async def get(door: Door, path: str, *, status: int = 200, headers: dict[str, str] = KEY, **parameters: str) -> Any:
    """The JSON that a GET answers."""
    answer = await door.client.get(path, params=parameters, headers=headers)
    assert answer.status == status, await answer.text()
    found = await answer.json()
    if path == f"{PATH}/search" and status == 200:
        check("IncidentSearchResults", found)
    return found


def state(word: str, **more: object) -> dict[str, object]:
    return {"state": {"type": "dropdown", "value": word, **more}}


FIELDS: dict[str, object] = {
    "severity": {"type": "dropdown", "value": "SEV-2"}, "services": {"type": "autocomplete", "value": ["Shopist", "cart"]},
    "teams": {"type": "autocomplete", "value": ["Core"]}, "envs": {"type": "multiselect", "value": ["Prod"]},
    "summary": {"type": "textbox", "value": "It is down."},
}  # fmt: skip


async def failures(door: Door, **parameters: str) -> list[dict[str, Any]]:
    """Our own list of failures."""
    return list((await get(door, "/api/v1/failures", **parameters))["data"])


async def test_an_incident_has_the_originals_shape(store: Store) -> None:
    led = {"commander_user": {"data": {"id": "00000000-0000-0000-0000-00000000000a", "type": "users"}}}
    async with open_door(store) as door:
        told = new(fields=FIELDS, customer_impact_scope="all", notification_handles=[{"handle": "@a", "display_name": "A"}])
        body = json.loads(told)
        body["data"]["relationships"] = led
        answer = await door.client.post(PATH, json=body, headers=KEY)
        data = (await answer.json())["data"]
        at = "2026-09-21T14:13:20Z"
        assert data == {
            "id": data["id"],
            "type": "incidents",
            "attributes": {
                "public_id": 1, "title": "Down", "state": "active", "severity": "SEV-2", "created": at, "modified": at, "declared": at,
                "detected": at, "resolved": None, "customer_impacted": True, "customer_impact_scope": "all",
                "customer_impact_start": None, "customer_impact_end": None, "is_test": False,
                "notification_handles": [{"handle": "@a", "display_name": "A"}],
                "fields": FIELDS | state("active"),
                "field_analytics": {"state": {"active": {"duration": 0, "spans": [{"start": BEGAN, "end": None}]}}},
                "time_to_internal_response": 0,
            },
            "relationships": led,
        }  # fmt: skip
        assert (await get(door, f"{PATH}/{data['id']}", include="users"))["data"] == data
        changed = await patch(
            door, data["id"], customer_impact_start="2026-09-21T14:12:20.000Z", customer_impact_end="2026-09-21T14:15:00+00:00",
            fields=state("resolved") | {"summary": {"type": "textbox", "value": None}}, title="Was down",
        )  # fmt: skip
        assert {name: changed[name] for name in changed if name.startswith("time_to") or name.endswith("duration")} == {
            "customer_impact_duration": 160, "time_to_detect": 60, "time_to_internal_response": 0, "time_to_repair": 100,
            "time_to_resolve": 60,
        }  # fmt: skip
        assert (changed["title"], changed["state"], changed["resolved"]) == ("Was down", "resolved", "2026-09-21T14:14:20Z")
        assert (changed["created"], changed["modified"]) == (at, "2026-09-21T14:14:20Z")
        assert "summary" not in changed["fields"] and changed["fields"]["services"] == FIELDS["services"]
        cleared = await patch(door, data["id"], customer_impact_end=None)
        assert cleared["customer_impact_end"] is None and "customer_impact_duration" not in cleared
        bare = await declare(door, title="Other")
        assert (bare["attributes"]["public_id"], bare["attributes"]["severity"]) == (2, "UNKNOWN")
        assert bare["relationships"] == {"commander_user": {"data": None}}
    assert receipts(store) == [], "nothing is left to do"


async def test_the_time_to_restore_is_the_sum_of_active_periods(store: Store) -> None:
    """S: active, stable, active, stable: all active periods; a resolved one that comes back is hidden until it is resolved again."""
    story = [
        ("active", "active", None, None),
        ("stable", "stable", 60, None),
        ("active", "active", None, None),
        ("stable", "stable", 120, None),
        ("resolved", "resolved", 120, "2026-09-21T14:17:20Z"),
        ("active", "active", None, None),
        ("stable", "stable", None, None),
        ("resolved", "resolved", 180, "2026-09-21T14:20:20Z"),
    ]
    async with open_door(store) as door:
        id = (await declare(door, fields=FIELDS))["id"]
        for n, (word, shown, restore, finished) in enumerate(story):
            if n:
                await patch(door, id, fields=state(word))
            (failure,) = await failures(door)
            assert failure == {
                "id": id, "services": ["cart", "Shopist"], "team": "Core", "env": "Prod", "name": "Down", "severity": "SEV-2",
                "source": "incidents", "state": shown, "started_at": "2026-09-21T14:13:20Z", "finished_at": finished,
                "time_to_restore": restore, "other_services": 0,
            }  # fmt: skip
        found = await get(door, f"{PATH}/search", query="state:resolved")
        analytics = found["data"]["attributes"]["incidents"][0]["data"]["attributes"]["field_analytics"]
        assert analytics["state"]["active"] == {
            "duration": 180,
            "spans": [{"start": BEGAN + 60 * n, "end": BEGAN + 60 * (n + 1)} for n in (0, 2, 5)],
        }
        assert analytics["state"]["resolved"]["spans"][-1] == {"start": BEGAN + 420, "end": None}
        shown = (await get(door, f"/api/v2/dora/failures/{id}"))["data"]["attributes"]
        assert (shown["time_to_restore"], shown["source"], shown["services"]) == (180, "incidents", ["cart", "Shopist"])


async def test_states_of_the_past_and_late_words(store: Store) -> None:
    async with open_door(store) as door:
        fields = FIELDS | state("resolved", at="2026-09-20T11:00:00Z")
        incident = await declare(door, declared="2026-09-20T10:00:00Z", fields=fields)
        assert incident["attributes"]["time_to_resolve"] == 3_600
        (failure,) = await failures(door)
        assert (failure["started_at"], failure["finished_at"]) == ("2026-09-20T10:00:00Z", "2026-09-20T11:00:00Z")
        assert failure["time_to_restore"] == 3_600
        await patch(door, incident["id"], fields=state("stable", at="2026-09-20T10:15:00Z"))
        (failure,) = await failures(door)
        assert (failure["state"], failure["time_to_restore"]) == ("resolved", 900)


async def test_requests_that_commit_out_of_order(store: Store) -> None:
    """What was received first may be written last, where several processes receive: the newest word stands all the same."""
    async with open_door(store) as door:
        id = (await declare(door, fields=FIELDS))["id"]
        await patch(door, id, fields=state("resolved"), title="Newest")
        late = parse_incident_change(document(title="Late", fields=state("stable")), id=id)
        at = NOW + 30 * SECOND
        store.write(lambda writer: change_incident(writer, id, late, received_at=at, receipt=10**6))
        shown = (await get(door, f"{PATH}/{id}"))["data"]["attributes"]
        assert (shown["title"], shown["state"], shown["modified"]) == ("Newest", "resolved", "2026-09-21T14:14:20Z")
        (failure,) = await failures(door)
        assert (failure["name"], failure["time_to_restore"]) == ("Newest", 30)


async def test_changes_at_the_same_time_lose_nothing(store: Store) -> None:
    async with open_door(store) as door:
        id = (await declare(door, fields={}))["id"]
        door.now[0] += MINUTE
        said = [{name: field} for name, field in FIELDS.items()] + [state("stable")]
        await asyncio.gather(*(patch(door, id, after=0, fields=fields) for fields in said))
        (failure,) = await failures(door)
        assert (failure["services"], failure["team"], failure["env"]) == (["cart", "Shopist"], "Core", "Prod")
        assert (failure["severity"], failure["state"], failure["time_to_restore"]) == ("SEV-2", "stable", 60)


async def test_tests_do_not_count(store: Store) -> None:
    async with open_door(store) as door:
        incident = await declare(door, is_test=True, fields=FIELDS)
        assert incident["attributes"]["is_test"] is True
        assert (await patch(door, incident["id"], fields=state("resolved")))["state"] == "resolved"
        assert await failures(door) == []
        await get(door, f"/api/v2/dora/failures/{incident['id']}", status=404)


async def test_pages(store: Store) -> None:
    async with open_door(store) as door:
        ids = []
        for _ in range(3):
            door.now[0] += SECOND
            ids.append((await declare(door))["id"])

        async def page(**parameters: str) -> tuple[list[str], dict[str, int]]:
            found = await get(door, PATH, **parameters)
            return [one["id"] for one in found["data"]], found["meta"]["pagination"]

        assert await page() == (ids[::-1], {"size": 3, "offset": 0, "next_offset": 3})
        assert await page(**{"page[size]": "2"}) == ([ids[2], ids[1]], {"size": 2, "offset": 0, "next_offset": 2})
        assert await page(**{"page[size]": "2", "page[offset]": "2"}) == ([ids[0]], {"size": 1, "offset": 2, "next_offset": 3})
        assert (await page(**{"page[offset]": "9"}))[0] == []
        for name, value in (("page[size]", "101"), ("page[size]", "0"), ("page[offset]", "-1"), ("page[offset]", "²"), ("colour", "red")):
            await get(door, PATH, status=400, **{name: value})


async def test_search(store: Store) -> None:
    async with open_door(store) as door:
        one = (await declare(door, title="Shop is slow", fields=FIELDS))["id"]
        door.now[0] += SECOND
        two = (await declare(door, customer_impacted=False, fields={"services": {"value": ["mail"]}} | state("stable")))["id"]
        door.now[0] += SECOND
        three = (await declare(door, fields={"severity": {"value": "sev-2"}, "team/x": {"value": "y"}} | state("resolved")))["id"]

        async def found(query: str, **parameters: str) -> list[str]:
            answer = (await get(door, f"{PATH}/search", query=query, **parameters))["data"]
            assert answer["type"] == "incidents_search_results"
            assert answer["attributes"]["total"] >= len(answer["attributes"]["incidents"])
            return [incident["data"]["id"] for incident in answer["attributes"]["incidents"]]

        assert await found("state:(active OR stable)", sort="-created") == [two, one]
        assert await found("state:(active OR stable)", sort="created") == [one, two]
        assert await found("") == [three, two, one]
        assert await found("severity:SEV-2 AND NOT state:resolved") == [one]
        assert await found("services:shopist") == await found("service:SHOPIST") == await found("title:*slow*") == [one]
        assert await found("customer_impacted:false OR severity:UNKNOWN") == [two]
        assert await found("", **{"page[size]": "1", "page[offset]": "1"}) == [two]
        facets = (await get(door, f"{PATH}/search", query="*"))["data"]["attributes"]["facets"]
        assert facets["severity"] == [{"name": "SEV-2", "count": 2}, {"name": "UNKNOWN", "count": 1}]
        assert {one["name"]: one["count"] for one in facets["state"]} == {"active": 1, "stable": 1, "resolved": 1}
        assert {"name": "services", "facets": [{"name": name, "count": 1} for name in ("Shopist", "cart", "mail")]} in facets["fields"]
        assert facets["time_to_resolve"] == [{"name": "time_to_resolve", "aggregates": {"min": 0, "max": 0}}]
        assert facets["time_to_repair"] == [{"name": "time_to_repair", "aggregates": {"min": None, "max": None}}]
        for parameters in ({"query": "state:("}, {"query": "", "sort": "title"}):
            await get(door, f"{PATH}/search", status=400, **parameters)


async def test_what_is_deleted_is_gone(store: Store) -> None:
    async with open_door(store) as door:
        id = (await declare(door, fields=FIELDS))["id"]
        answer = await door.client.delete(f"{PATH}/{id}", headers=KEY)
        assert (answer.status, await answer.read()) == (204, b"")
        missing = await get(door, f"{PATH}/{id}", status=404)
        assert missing["errors"][0]["title"] == "Not Found"
        assert (await door.client.delete(f"{PATH}/{id}", headers=KEY)).status == 404
        await patch(door, id, status=404, fields=state("resolved"))
        await patch(door, "nobody-knows-this", status=404)
        assert (await get(door, PATH))["data"] == await failures(door) == []
        await get(door, f"/api/v2/dora/failures/{id}", status=404)
        # A deleted failure stays so, whatever becomes of the incident.
        other = (await declare(door, fields=FIELDS))["id"]
        assert (await door.client.delete(f"/api/v2/dora/failures/{other}", headers=KEY)).status == 202
        assert (await patch(door, other, fields=state("resolved")))["state"] == "resolved"
        assert await failures(door) == []


async def test_a_failure_of_the_same_id_is_another_one(store: Store) -> None:
    async with open_door(store) as door:
        id = (await declare(door, fields=FIELDS))["id"]
        told = {"data": {"attributes": {"id": id, "services": ["other"], "started_at": BEGAN}}}
        assert (await door.client.post("/api/v2/dora/failure", json=told, headers=KEY)).status == 200
        assert {(one["id"], one["source"]) for one in await failures(door)} == {(id, "api"), (id, "incidents")}
        await patch(door, id, fields=state("resolved"))
        assert {(one["source"], one["state"]) for one in await failures(door)} == {("api", "active"), ("incidents", "resolved")}


async def test_every_invalid_field_is_named_and_nothing_is_kept(store: Store) -> None:
    async with open_door(store) as door:
        for attributes, field in INVALID:
            answer = await door.client.post(PATH, data=new(**attributes), headers=KEY)
            assert answer.status == 400, attributes
            assert (await answer.json())["errors"][0]["source"] == {"pointer": f"/data/attributes/{field}"}
        assert (await get(door, PATH))["data"] == []
        large = await door.client.post(PATH, data=BytesIO(new(title="x") + b" " * 1_048_576), headers=KEY)
        assert large.status == 400
        long_id = await door.client.get(f"{PATH}/{'x' * 5000}", headers=KEY)
        assert long_id.status == 404


async def test_the_fields_of_an_incident_are_bounded_over_all_its_requests(store: Store) -> None:
    async with open_door(store) as door:
        id = (await declare(door, fields={f"f{n}": {"value": "x"} for n in range(60)}))["id"]
        more: dict[str, object] = {f"f{n}": {"value": "y"} for n in range(50, 101)}
        await patch(door, id, status=400, fields=more)
        shown = (await get(door, f"{PATH}/{id}"))["data"]["attributes"]["fields"]
        assert len(shown) == 62 and shown["f55"]["value"] == "x", "nothing of it was kept; state and severity are always shown"
        assert len((await patch(door, id, fields=more | {"f0": {"value": None}}))["fields"]) == 102


async def test_who_may_do_what(store: Store) -> None:
    limited = {"DD-API-KEY": make_key(store, "failures:write", "read", services=("shopist",)).key}
    limited["DD-APPLICATION-KEY"] = limited["DD-API-KEY"]
    reader = {"DD-API-KEY": make_key(store, "read").key}
    mine: dict[str, object] = {"services": {"value": ["Shopist"]}}
    async with open_door(store, API_KEYS=API_KEY, DASHBOARD="login") as door:
        theirs = (await declare(door, fields=FIELDS))["id"]
        nobodys = (await declare(door))["id"]
        own = (await declare(door, headers=limited, fields=mine))["id"]
        for attributes in ({"fields": FIELDS}, {}):
            assert (await door.client.post(PATH, data=new(**attributes), headers=limited)).status == 403
        await patch(door, own, headers=limited, title="x")
        await patch(door, own, headers=limited, status=403, fields={"services": {"value": ["cart"]}})
        await patch(door, theirs, headers=limited, status=403, fields=mine)
        assert (await door.client.delete(f"{PATH}/{theirs}", headers=limited)).status == 403
        await get(door, f"{PATH}/{theirs}", headers=limited)
        await get(door, f"{PATH}/{nobodys}", status=403, headers=limited)
        assert {one["id"] for one in (await get(door, PATH, headers=limited))["data"]} == {own, theirs}
        assert (await get(door, f"{PATH}/search", query="*", headers=limited))["data"]["attributes"]["total"] == 2
        assert (await door.client.post(PATH, data=new(), headers=reader)).status == 403
        assert (await door.client.post(PATH, data=new())).status == 401
        for path in (PATH, f"{PATH}/search", f"{PATH}/{own}"):
            await get(door, path, status=401, headers={})
        assert (await get(door, f"{PATH}/{own}"))["data"]["attributes"]["title"] == "x"
