"""`/api/v1/validate` and `/api/v1/series`, as the original's command line client calls them."""

import io
import json

import pytest

from bot.facts.keys import DEPLOYMENTS_WRITE
from bot.store import Store
from tests.web.doors import API_KEY, make_key, open_door, receipts

SERIES = json.dumps({"series": [{"metric": "datadog.ci.report_commits.success", "points": [[1, 1]]}]})


async def test_a_known_key_is_valid_whatever_its_scopes(store: Store) -> None:
    key = make_key(store, DEPLOYMENTS_WRITE).key
    async with open_door(store) as door:
        for good in (API_KEY, key):
            async with door.client.get("/api/v1/validate", headers={"DD-API-KEY": good}) as answer:
                assert (answer.status, await answer.json()) == (200, {"valid": True})
        for headers in ({}, {"DD-API-KEY": "x" * 32}):
            async with door.client.get("/api/v1/validate", headers=headers) as answer:
                assert (answer.status, (await answer.json())["errors"]) == (401, ["Unauthorized"])


@pytest.mark.parametrize("way", ["query", "header"])
async def test_metrics_of_the_client_are_accepted_and_dropped(store: Store, way: str) -> None:
    given = {"params": {"api_key": API_KEY, "application_key": ""}} if way == "query" else {"headers": {"DD-API-KEY": API_KEY}}
    async with open_door(store) as door:
        async with door.client.post("/api/v1/series", data=SERIES, **given) as answer:
            assert (answer.status, await answer.json()) == (202, {"status": "ok"})
        async with door.client.post("/api/v1/series", data=SERIES, params={"api_key": "wrong"}) as answer:
            assert answer.status == 401
    assert receipts(store) == []


async def test_a_key_in_the_query_opens_nothing_else(store: Store) -> None:
    async with open_door(store, API_KEYS=API_KEY, DASHBOARD="login") as door:
        for path in ("/api/v1/deployments", "/api/v1/metrics"):
            assert (await door.client.get(path, params={"api_key": API_KEY})).status in {400, 401}
        assert (await door.client.post("/api/v2/dora/deployment", params={"api_key": API_KEY}, data=b"{}")).status == 401


async def test_a_key_in_the_query_is_in_no_log(store: Store, logged: io.StringIO) -> None:
    key = make_key(store, DEPLOYMENTS_WRITE).key
    async with open_door(store) as door:
        await door.client.post("/api/v1/series", data=SERIES, params={"api_key": key})
    assert "/api/v1/series" in logged.getvalue()
    assert key not in logged.getvalue()
