"""Health, readiness, counters, and what every response has in common."""

import asyncio
import io
import json
import logging
import re
from typing import cast

import pytest
import structlog

from bot.store import Store
from bot.web import bodies, health
from bot.web.bodies import ByteBudget
from tests.web.doors import API_KEY, DownStore, document, github_headers, open_door, raw_status


async def test_healthz_and_readyz(store: Store) -> None:
    async with open_door(store) as door:
        assert (await door.client.get("/healthz")).status == 200
        ready = await door.client.get("/readyz")
        assert (ready.status, (await ready.json())["checks"]) == (200, {"store": "ok", "engine": "ok"})
        door.engine[0] = False
        stalled = await door.client.get("/readyz")
        assert (stalled.status, (await stalled.json())["checks"]) == (503, {"store": "ok", "engine": "down"})
        assert (await door.client.get("/healthz")).status == 200
        assert (await door.client.head("/healthz")).status == 200


async def test_readyz_sees_the_store() -> None:
    async with open_door(cast("Store", DownStore())) as door:
        answer = await door.client.get("/readyz")
        assert (answer.status, (await answer.json())["checks"]["store"]) == (503, "down")


async def test_counters_account_for_every_delivery(store: Store) -> None:
    body = b"{}"
    async with open_door(store) as door:
        for headers in (github_headers(body), github_headers(body), {"X-GitHub-Event": "push"}):
            await door.client.post("/webhooks/github", data=body, headers=headers)
        await door.client.post("/api/v2/dora/deployment", data=document(), headers={"DD-API-KEY": API_KEY})
        text = await (await door.client.get("/metrics")).text()
    for source, outcome in (("github", "stored"), ("github", "known"), ("github", "refused"), ("api", "stored")):
        assert f'rollforward_deliveries_total{{outcome="{outcome}",source="{source}"}} 1.0' in text
    assert 'rollforward_refusals_total{reason="no_signature",status="401"} 1.0' in text


async def test_every_response_is_careful(store: Store) -> None:
    async with open_door(store) as door:
        for path in ("/healthz", "/metrics", "/nothing", "/api/v1/deployments/nothing"):
            answer = await door.client.get(path)
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert answer.headers["Server"] == "rollforward"


async def test_errors_have_one_shape(store: Store) -> None:
    async with open_door(store) as door:
        answer = await door.client.get("/nothing/here?token=canary")
        body = await answer.json()
        assert answer.status == 404
        assert body["errors"] == [{"status": "404", "title": "unknown_route", "detail": "There is nothing here."}]
        assert re.fullmatch(r"[0-9a-f]{32}", body["id"])
        assert "canary" not in await answer.text()


async def test_an_accident_shows_its_id_alone(store: Store, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO) -> None:
    async def breaks(request: object) -> None:
        raise RuntimeError("canary: /srv/secret/path SELECT * FROM api_key")

    row = health.ROWS[0]._replace(handler=breaks)  # type: ignore[arg-type]
    monkeypatch.setattr(health, "ROWS", (row, *health.ROWS[1:]))
    async with open_door(store) as door:
        answer = await door.client.get("/healthz")
        text = await answer.text()
    assert answer.status == 500
    assert "canary" not in text and "Traceback" not in text
    events = [json.loads(line) for line in logged.getvalue().splitlines()]
    (accident,) = [event for event in events if event["event"] == "request failed"]
    assert accident["request"] == json.loads(text)["id"]
    assert "RuntimeError" in accident["exception"]


async def test_logs_tell_no_secrets(store: Store, logged: io.StringIO) -> None:
    body = b'{"canary-in-body": 1}'
    async with open_door(store) as door:
        await door.client.post("/webhooks/github?api_key=canary-in-query", data=body, headers=github_headers(body) | {"Cookie": "canary-cookie"})
        await door.client.post("/webhooks/github", data=body, headers={"X-Hub-Signature-256": "sha256=canary"})
        await door.client.get("/metrics?api_key=canary", headers={"Authorization": "Bearer canary-key-0123456"})
        await door.client.post("/api/v2/dora/deployment", data=document(service="shop\n\x1b[31m"), headers={"DD-API-KEY": API_KEY})
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert "canary" not in logged.getvalue()
    assert API_KEY not in logged.getvalue()
    assert {"delivery", "delivery refused", "deployment", "request"} <= {line["event"] for line in lines}
    assert all(line["request"] for line in lines)
    assert "\x1b" not in logged.getvalue()


def test_redaction_is_the_last_line_of_defence(logged: io.StringIO) -> None:
    log = structlog.get_logger("test")
    url = "https://user:canary@h/x?token=canary"
    log.info("x", api_key="canary", headers={"a": "canary"}, url=url, nested=[{"password": "canary", "n": f"key {API_KEY}"}], raw=b"canary")
    logging.getLogger("library").warning("GET %s token=canary", url)
    try:
        raise ValueError(f"could not reach {url} with {API_KEY}")
    except ValueError:
        log.exception("failed")
    assert "canary" not in logged.getvalue()
    assert API_KEY not in logged.getvalue()
    assert "https://h/x" in logged.getvalue()


async def test_a_dribbling_sender_is_let_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.2)
    head = b"POST /webhooks/github HTTP/1.1\r\nHost: localhost\r\nX-GitHub-Event: push\r\nContent-Length: 100\r\n\r\n{"
    async with open_door(store) as door:
        started = asyncio.get_running_loop().time()
        assert await raw_status(door.client.port, head) == 503
        assert asyncio.get_running_loop().time() - started < 5


async def test_larger_than_the_forges_send(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from bot.web import webhooks

    monkeypatch.setattr(webhooks, "LARGEST_BODY", 100_000)

    async def chunks():  # type: ignore[no-untyped-def]
        for _ in range(4):
            yield bytes(50_000)

    async with open_door(store) as door:
        assert (await door.client.post("/webhooks/github", data=bytes(100_001))).status == 413
        assert (await door.client.post("/webhooks/github", data=chunks())).status == 413
        assert (await door.client.post("/webhooks/github", data=bytes(100_000))).status == 401


async def test_the_budget_is_first_come_first_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WAIT_FOR_MEMORY", 0.1)
    budget = ByteBudget(10)
    await budget.take(6)
    large = asyncio.create_task(budget.take(8))
    await asyncio.sleep(0)
    small = asyncio.create_task(budget.take(2))
    await asyncio.sleep(0)
    assert not small.done(), "a small one does not overtake"
    budget.give_back(6)
    await asyncio.gather(large, small)
    with pytest.raises(TimeoutError):
        await budget.take(1)
    budget.give_back(10)
    await budget.take(10)
    cancelled = asyncio.create_task(budget.take(1))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    budget.give_back(10)
    await budget.take(10)
