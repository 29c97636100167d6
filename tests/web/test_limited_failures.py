"""What a key of one service is told of failures and incidents that name several: of the others their number alone, by every door."""

import json
from typing import Any

import pytest

from bot.dora.instants import HOUR
from bot.facts.keys import FAILURES_WRITE, READ, create_key
from bot.store import Store
from tests.support.faces import KEY, NOW, browse
from tests.support.failures import add_failure
from tests.support.seed import Seed, sha
from tests.web.doors import API_KEY, make_key, open_door
from tests.web.test_incidents_api import PATH, declare

OTHER = "zebra"
EVERYONE = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": API_KEY}


def several() -> Seed:
    """Shop and Zebra are deployed, and break together; Zebra breaks alone, and its team too."""
    seed = Seed()
    seed.definition("Shop", team="Payments", tags='["tier:1"]')
    seed.definition("Zebra", team="Zebras", tags='["zebra:1"]')
    for service in ("Shop", "Zebra"):
        for id, hours, type in (("1", 9, "standard"), ("2", 8, "standard"), ("3", 6, "rollback")):
            version = "v1" if id == "3" else f"v{id}"
            seed.deployment(f"{service[0]}{id}", service, NOW - hours * HOUR, version=version, commit_sha=sha(version))
            seed.derived(f"{service[0]}{id}", type=type, not_computed="no_git")
        seed.remediation(f"{service[0]}3", f"{service[0]}2", value="v1", original="v1")
    add_failure(seed, "both", "Shop Zebra Third", NOW - 7 * HOUR, HOUR, name="Down", severity="High", version="v2")
    add_failure(seed, "theirs", "Zebra", NOW - 7 * HOUR, name="Theirs", severity="zebra-high", env="zebra-env")
    add_failure(seed, "team", "", NOW - 7 * HOUR, name="Of a team", team="Zebras")
    return seed


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/failures?service=shop", "/api/v1/failures.csv?service=shop", "/api/v1/failures/both", "/failures?service=shop",
        "/failures?service=shop&team=payments", "/failures/both", "/deployments/S2", "/api/v1/deployments/S2/explain",
        "/api/v1/metrics?service=shop&group_by=team&group_by=env", "/api/v1/metrics.csv?service=shop&group_by=service&formula=incidents",
        "/services/shop", "/?service=shop", "/api/v2/dora/failures/both", "/api/v2/dora/failure/both",
    ],
)  # fmt: skip
async def test_no_door_names_another_service(aiohttp_client, store, path: str) -> None:
    key = store.write(lambda writer: create_key(writer, name="shop", scopes=[READ], services=["shop"], now=NOW)).key
    client = await browse(aiohttp_client, store, several())
    told = []
    for given in (KEY, key):
        headers = {"Authorization": f"Bearer {given}", "DD-API-KEY": given, "DD-APPLICATION-KEY": given}
        async with client.get(path, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            told.append((await answer.text()).lower())
    everything, limited = told
    assert OTHER not in limited and "third" not in limited
    if "failure" in path:
        assert OTHER in everything and "third" in everything, "who may see all is told all"
        assert "down" in limited


async def test_how_many_others_there_are_is_told(aiohttp_client, store) -> None:
    key = store.write(lambda writer: create_key(writer, name="shop", scopes=[READ], services=["shop"], now=NOW)).key
    client = await browse(aiohttp_client, store, several())
    bearer, whole = {"Authorization": f"Bearer {key}"}, {"Authorization": f"Bearer {KEY}"}

    async def get(path: str, headers: dict[str, str]) -> Any:
        async with client.get(path, headers=headers) as answer:
            return await (answer.json() if "json" in answer.content_type else answer.text())

    for headers, services, others in ((bearer, ["Shop"], 2), (whole, ["Shop", "Third", "Zebra"], 0)):
        (row,) = (await get("/api/v1/failures?service=shop", headers))["data"]
        detail = await get("/api/v1/failures/both", headers)
        assert (row["services"], row["other_services"]) == (detail["services"], detail["other_services"]) == (services, others)
        pages = [await get(path, headers) for path in ("/failures?service=shop", "/failures/both")]
        assert ["and 2 more" in page for page in pages] == [others == 2] * 2
    assert {one["service"] for one in detail["deployments"]} == {"Shop", "Zebra"}
    limited = await get("/api/v1/failures/both", bearer)
    assert {one["service"] for one in limited["deployments"]} == {"Shop"}
    assert [one["attribution"]["level"] for one in limited["deployments"] if one["attribution"]] == ["named"]
    for path in ("/failures/theirs", "/api/v1/failures/theirs", "/api/v1/failures/team", "/api/v2/dora/failures/theirs"):
        async with client.get(path, headers=bearer) as answer:
            assert answer.status == 403
            assert OTHER not in (await answer.text()).lower()


async def test_numbers_are_the_same_for_a_key_of_the_service(aiohttp_client, store) -> None:
    key = store.write(lambda writer: create_key(writer, name="shop", scopes=[READ], services=["shop"], now=NOW)).key
    client = await browse(aiohttp_client, store, several())
    answers = []
    for given in (KEY, key):
        async with client.get("/api/v1/metrics?service=shop&formula=incidents", headers={"Authorization": f"Bearer {given}"}) as answer:
            answers.append((await answer.json())["data"])
    assert answers[0] == answers[1]
    assert answers[0][0]["time_to_restore"]["count"] == 1


async def test_a_query_of_the_original_asks_what_may_be_seen_alone(store: Store) -> None:
    limited = {"DD-API-KEY": make_key(store, FAILURES_WRITE, READ, services=("shop",)).key}
    limited["DD-APPLICATION-KEY"] = limited["DD-API-KEY"]
    async with open_door(store) as door:
        attributes = {"services": ["Shop", "Zebra"], "started_at": door.now[0] // 10**9 - 60, "env": "prod"}
        body = json.dumps({"data": {"attributes": attributes}})
        assert (await door.client.post("/api/v2/dora/failure", data=body, headers=EVERYONE)).status == 200

        async def found(query: str, headers: dict[str, str]) -> list[list[str]]:
            asked = {"data": {"type": "dora_failures_list_request", "attributes": {"query": query}}}
            answer = await door.client.post("/api/v2/dora/failures", data=json.dumps(asked), headers=headers)
            assert answer.status == 200, await answer.text()
            return [one["attributes"]["services"] for one in (await answer.json())["data"]]

        assert await found("service:shop", EVERYONE) == [["Shop", "Zebra"]]
        assert await found("service:shop -service:zebra", EVERYONE) == []
        assert await found("service:shop", limited) == await found("service:shop -service:zebra", limited) == [["Shop"]]


async def test_incidents_name_what_may_be_seen_alone(store: Store) -> None:
    limited = {"DD-API-KEY": make_key(store, FAILURES_WRITE, READ, services=("shop",)).key}
    limited["DD-APPLICATION-KEY"] = limited["DD-API-KEY"]
    async with open_door(store) as door:
        fields = {"services": {"type": "autocomplete", "value": ["Shop", "Zebra"]}}
        both = (await declare(door, title="Both", fields=fields))["id"]
        await declare(door, title="Theirs", fields={"services": {"type": "dropdown", "value": "Zebra"}})
        for path, parameters, seen in (
            (PATH, {}, 1), (f"{PATH}/{both}", {}, 1), (f"{PATH}/search", {"query": "*"}, 1),
            (f"{PATH}/search", {"query": "services:zebra"}, 0), (f"{PATH}/search", {"query": "-service:zebra"}, 1),
        ):  # fmt: skip
            async with door.client.get(path, params=parameters, headers=limited) as answer:
                text = await answer.text()
            assert answer.status == 200
            assert OTHER not in text.lower()
            assert text.count('"title": "Both"') == seen
        async with door.client.get(f"{PATH}/{both}", headers=EVERYONE) as answer:
            assert OTHER in (await answer.text()).lower()
