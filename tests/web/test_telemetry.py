"""Telemetry through the door: bodies of real SDKs become deployments, whatever order they come in, and cost one write a minute."""

import asyncio
import gzip
import json
import random
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from unittest.mock import patch

import pytest

from bot.answers import undefined
from bot.answers.undefined import show_undefined
from bot.dora.changes import Limits
from bot.dora.definitions import ServiceDefinition
from bot.dora.instants import DAY, MINUTE, SECOND, Instant
from bot.dora.repositories import WebRoots
from bot.facts.catalog import FROM_FOLDER, plan_claims, write_claims
from bot.facts.keys import CATALOG_WRITE, DEPLOYMENTS_WRITE
from bot.facts.sources import select_source
from bot.pipeline.derive import Deriver, rebuild
from bot.pipeline.derive.inference_stage import Options
from bot.pipeline.history import HistoryCache
from bot.sources.sightings import Gathered, Told
from bot.store import Store, Writer
from bot.web import sightings, telemetry
from tests.sources.test_telemetry import RECORDED, RECORDED_ON, SHA, recorded, resource, traces
from tests.web.doors import API_KEY, NOW, Door, DownStore, make_key, open_door, raw_status

PROTOBUF, MSGPACK, JSON = "application/x-protobuf", "application/msgpack", "application/json"
ROUTES = {
    "ddtrace-4.16.0.traces-v0.4": ("/v0.4/traces", MSGPACK),
    "ddtrace-4.16.0.traces-v0.5": ("/v0.5/traces", MSGPACK),
    "ddtrace-4.16.0.app-started": ("/telemetry/proxy/api/v2/apmtelemetry", JSON),
    "ddtrace-4.16.0.message-batch": ("/telemetry/proxy/api/v2/apmtelemetry", JSON),
    "opentelemetry-sdk-1.45.2.traces": ("/v1/traces", PROTOBUF),
    "opentelemetry-sdk-1.45.2.metrics": ("/v1/metrics", PROTOBUF),
    "opentelemetry-sdk-1.45.2.logs": ("/v1/logs", PROTOBUF),
}
KEY = {"DD-API-KEY": API_KEY}
START = (NOW - DAY) // MINUTE * MINUTE


@dataclass
class Room:
    """A door with what stands behind it."""

    door: Door
    store: Store
    silence: int = 10

    async def send(self, path: str, body: bytes, content_type: str, expected: int = 200, **headers: str) -> bytes:
        """Send a body; what is answered."""
        answer = await self.door.client.post(path, data=BytesIO(body), headers={"Content-Type": content_type, **KEY, **headers})
        text = await answer.read()
        assert answer.status == expected, text
        return text

    async def seen(self, version: str, *minutes: int, service: str = "shopist", env: str = "prod") -> None:
        """OpenTelemetry tells of a version in these minutes since yesterday."""
        one = resource(service_name=service, service_version=version, deployment_environment_name=env)
        for minute in minutes:
            body = traces(one, start=START + minute * MINUTE, seconds=1).SerializeToString()
            await self.send("/v1/traces", body, PROTOBUF)

    def define(self, *services: str) -> None:
        """These services have definitions, and no others."""
        said = [
            ServiceDefinition(service=one, shown=one, schema_version="v2.2", source_patterns=("**",), location=f"{one}.yaml:1")
            for one in services
        ]

        def work(writer: Writer) -> None:
            write_claims(writer, plan_claims(writer, {FROM_FOLDER: said}))

        self.store.write(work)

    def derive(self) -> None:
        """Derive all that is marked."""
        deriver = Deriver(
            self.store, HistoryCache(), limits=Limits(max_gap=None, max_commits=None), clock=lambda: self.door.now[0],
            options=Options(telemetry_silence=self.silence),
        )  # fmt: skip
        while deriver.derive_next():
            pass
        assert self.store.read(lambda reader: reader.fetch("count_marks", int)) == [0]

    async def deployments(self, **query: str) -> list[dict[str, object]]:
        """What the API lists, oldest first."""
        self.derive()
        answer = await self.door.client.get("/api/v1/deployments", params=query, headers={"Authorization": f"Bearer {API_KEY}"})
        return list(reversed((await answer.json())["data"]))

    async def told(self, **query: str) -> list[str]:
        """The deployments as `version@minute` since yesterday."""
        return [f"{one['version']}@{_minute(one)}" for one in await self.deployments(**query)]

    def rows(self, service: str = "shopist") -> list[tuple[object, ...]]:
        """The minutes as stored."""
        return self.store.read(lambda reader: reader.fetch("telemetry_days_of", _row, service=service))


@asynccontextmanager
async def room(store: Store, **environ: str) -> AsyncIterator[Room]:
    """A server with one definition, whose telemetry counts."""
    async with open_door(store, **environ) as door:
        made = Room(door, store)
        made.define("shopist")
        store.write(lambda writer: select_source(writer, "deployments", "apm", on=True, retroactive=True, at=NOW))
        made.derive()
        yield made


def _row(*columns: object) -> tuple[object, ...]:
    return columns


def _minute(one: dict[str, object]) -> int:
    at = int(datetime.fromisoformat(str(one["finished_at"])).timestamp()) * SECOND
    return (at - START) // MINUTE


async def counted(door: Door) -> dict[str, int]:
    """What became of sightings."""
    text = await (await door.client.get("/metrics", headers={"Authorization": f"Bearer {API_KEY}"})).text()
    lines = [line.removeprefix("rollforward_telemetry_sightings_total{outcome=").split("} ") for line in text.splitlines()
             if line.startswith("rollforward_telemetry_sightings_total")]  # fmt: skip
    return {name.strip('"'): int(float(value)) for name, value in lines}


@pytest.mark.parametrize("name", RECORDED)
async def test_a_real_body_becomes_a_deployment(store: Store, name: str) -> None:
    async with room(store) as shop:
        shop.door.now[0] = RECORDED_ON + DAY
        path, content_type = ROUTES[name]
        answer = await shop.send(path, recorded(name), content_type)
        expected = {PROTOBUF: b"", JSON: b"{}", MSGPACK: b'{"rate_by_service": {"service:,env:": 1}}'}
        assert answer == expected[content_type]
        assert "marks" in shop.door.woken
        (one,) = await shop.deployments()
        assert (one["service"], one["env"], one["version"], one["source"]) == ("shopist", "prod", "v1", "apm")
        assert one["started_at"] == one["finished_at"]
        has_git = RECORDED[name][1]
        assert one["commit_sha"] == (SHA if has_git else None)
        assert one["repository"] == ("github.com/acme/shopist" if has_git else None)
        assert one["not_computed"] == ("commit_unknown" if has_git else "no_git")
        assert "secret" not in json.dumps(one)


async def test_a_service_that_nobody_defined_is_shown_until_somebody_does(store: Store) -> None:
    async with room(store) as shop:
        await shop.seen("v1", 5, service="Till")
        await shop.seen("v2", 65, 10, service="till", env="stage")
        await shop.seen("v1", 7, service="shopist")
        (one,) = store.read(show_undefined).services
        assert (one.service, (one.last_seen_at - START) // MINUTE, one.versions) == ("Till", 65, 2)
        page = await (await shop.door.client.get("/definitions", headers={"Authorization": f"Bearer {API_KEY}"})).text()
        assert "Seen in telemetry, not defined" in page and "Till" in page
        assert "and the source <code>apm</code> is on" in page and "rollforward sources enable apm --retroactive" in page
        shop.define("shopist", "till")
        assert store.read(show_undefined).count == 0
        page = await (await shop.door.client.get("/definitions", headers={"Authorization": f"Bearer {API_KEY}"})).text()
        assert "Seen in telemetry" not in page


async def test_of_many_undefined_services_some_are_named_and_all_are_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undefined, "MOST", 2)
    async with room(store) as shop:
        for number, name in enumerate(("a", "b", "c")):
            await shop.seen("v1", number, service=name)
        found = store.read(show_undefined)
        assert ([one.service for one in found.services], found.count) == (["b", "a"], 3)
        page = await (await shop.door.client.get("/definitions", headers={"Authorization": f"Bearer {API_KEY}"})).text()
        assert "And 1 more." in page


async def test_what_many_sdks_tell_of_one_release_is_one_deployment(store: Store) -> None:
    async with room(store) as shop:
        shop.door.now[0] = RECORDED_ON + DAY
        for name in random.Random(7).sample(sorted(RECORDED), len(RECORDED)):
            path, content_type = ROUTES[name]
            await shop.send(path, recorded(name), content_type)
        (one,) = await shop.deployments()
        assert one["commit_sha"] == SHA


async def test_methods_encodings_and_json(store: Store) -> None:
    async with room(store) as shop:
        shop.door.now[0] = RECORDED_ON + DAY
        for path, name in (("/v0.4/traces", "ddtrace-4.16.0.traces-v0.4"), ("/v0.5/traces", "ddtrace-4.16.0.traces-v0.5")):
            answer = await shop.door.client.put(path, data=recorded(name), headers={"Content-Type": MSGPACK} | KEY)
            assert answer.status == 200
        body = recorded("opentelemetry-sdk-1.45.2.traces")
        await shop.send("/v1/traces", gzip.compress(body), PROTOBUF, **{"Content-Encoding": "gzip"})
        as_json = {"resourceLogs": [{"resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "shopist"}}, {"key": "service.version", "value": {"stringValue": "v2"}},
        ]}}]}  # fmt: skip
        assert await shop.send("/v1/logs", json.dumps(as_json).encode(), JSON) == b"{}"
        assert [one["version"] for one in await shop.deployments()] == ["v1", "v2"]
        info = await shop.door.client.get("/info", headers=KEY)
        assert {"/v0.4/traces", "/v0.5/traces", "/telemetry/proxy/api/v2/apmtelemetry"} <= set((await info.json())["endpoints"])


async def test_large_bodies_are_read_too(store: Store) -> None:
    """Decoded in a thread."""
    async with room(store) as shop:
        many = traces(*[resource(service_name="shopist", service_version=f"v{n % 7}") for n in range(1_000)], start=START)
        body = many.SerializeToString()
        assert len(body) > 100_000
        answers = [shop.send("/v1/traces", gzip.compress(body), PROTOBUF, **{"Content-Encoding": "gzip"}) for _ in range(8)]
        await asyncio.gather(*answers)
        assert sorted(str(one["version"]) for one in await shop.deployments()) == [f"v{n}" for n in range(7)]


async def test_only_small_bodies_are_decoded_on_the_event_loop(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    on_loop: list[bool] = []
    real = telemetry.gather

    def watched(told: list[Told], *, arrived: Instant, web_roots: WebRoots) -> Gathered:
        on_loop.append(threading.current_thread() is threading.main_thread())
        return real(told, arrived=arrived, web_roots=web_roots)

    monkeypatch.setattr(telemetry, "gather", watched)
    one = resource(service_name="shopist", service_version="v1")
    small, large = traces(one).SerializeToString(), traces(*[one] * 500).SerializeToString()
    async with room(store) as shop:
        await shop.send("/v1/traces", small, PROTOBUF)
        await shop.send("/v1/traces", large, PROTOBUF)
        await shop.send("/v1/traces", gzip.compress(small), PROTOBUF, **{"Content-Encoding": "gzip"})
    assert on_loop == [True, False, False]


# What follows ---------------------------------------------------------------------------------------------------------


async def test_a_rollback_seen_in_telemetry(store: Store) -> None:
    async with room(store) as shop:
        await shop.seen("v1", *range(30))
        await shop.seen("v2", *range(30, 60))
        assert await shop.told() == ["v1@0", "v2@30"]
        await shop.seen("v1", *range(60, 69))
        assert await shop.told() == ["v1@0", "v2@30"], "too early to tell"
        await shop.seen("v1", 69)
        found = await shop.deployments()
        assert [(one["version"], _minute(one)) for one in found] == [("v1", 0), ("v2", 30), ("v1", 60)]
        assert [one["type"] for one in found] == ["standard", "standard", "rollback"]
        assert [one["change_failure"] for one in found] == [False, True, False]
        assert found[1]["recovery_time"] == 30 * 60
        assert len({str(one["id"]) for one in found}) == 3


async def test_the_silence_is_the_setting(store: Store) -> None:
    async with room(store) as shop:
        shop.silence = 30
        for version, minutes in (("v1", range(30)), ("v2", range(30, 60)), ("v1", range(60, 80))):
            await shop.seen(version, *minutes)
        assert await shop.told() == ["v1@0", "v2@30"]
        await shop.seen("v1", *range(80, 90))
        assert await shop.told() == ["v1@0", "v2@30", "v1@60"]


async def test_each_env_is_a_series_of_its_own_and_names_compare_without_case(store: Store) -> None:
    async with room(store) as shop:
        await shop.seen("v1", 0, env="Prod")
        await shop.seen("v1", 5, env="staging")
        await shop.seen("v1", 10, env="prod", service="SHOPIST")
        await shop.seen("V1", 20)
        found = await shop.deployments()
        assert [(one["service"], one["env"], one["version"], _minute(one)) for one in found] == [
            ("shopist", "Prod", "v1", 0), ("shopist", "staging", "v1", 5), ("shopist", "prod", "V1", 20),
        ]  # fmt: skip


async def test_only_services_with_a_definition_and_from_the_beginning_once_they_have_one(store: Store) -> None:
    async with room(store) as shop:
        await shop.seen("v1", 0, service="cart")
        assert await shop.told() == []
        shop.define("shopist", "cart")
        assert await shop.told(service="cart") == ["v1@0"]
        shop.define("shopist")
        assert await shop.told() == []
        shop.define("cart")
        assert await shop.told() == ["v1@0"]


async def test_off_until_selected(store: Store) -> None:
    async with room(store) as shop:
        store.write(lambda writer: select_source(writer, "deployments", "apm", on=False, at=NOW))
        await shop.seen("v1", 0)
        (one,) = await shop.deployments()
        assert one["not_computed"] == "source_off"


async def test_the_first_deployment_keeps_its_id_when_an_earlier_sighting_is_late(store: Store) -> None:
    async with room(store) as shop:
        await shop.seen("v1", 30)
        (before,) = await shop.deployments()
        await shop.seen("v1", 10)
        (after,) = await shop.deployments()
        assert after["id"] == before["id"]
        assert _minute(after) == 10


async def test_of_several_commits_the_one_seen_first_stands(store: Store) -> None:
    async with room(store) as shop:
        for service, order in (("shopist", (0, 1, 2)), ("cart", (2, 1, 0)), ("web", (1, 0, 2))):
            for at in order:
                git = {} if at == 0 else {"vcs_ref_head_revision": f"{at}" * 40, "vcs_repository_url_full": "https://h/acme/shop"}
                one = resource(service_name=service, service_version="v1", **git)
                await shop.send("/v1/traces", traces(one, start=START + at * MINUTE, seconds=1).SerializeToString(), PROTOBUF)
        shop.define("shopist", "cart", "web")
        found = await shop.deployments()
        assert [(one["commit_sha"], _minute(one)) for one in found] == [("1" * 40, 0)] * 3


async def test_any_order_gives_the_same(store: Store) -> None:
    story = [("v1", minute) for minute in (*range(20), *range(45, 60))] + [("v2", minute) for minute in range(20, 45)]
    story += [("v3", 60), ("v3", 61)]
    async with room(store) as shop:
        for service, chance in (("shopist", random.Random(1)), ("cart", random.Random(2)), ("web", None)):
            told = story if chance is None else chance.sample(story, len(story))
            for at, (version, minute) in enumerate(told):
                await shop.seen(version, minute, service=service)
                if at % 20 == 0:
                    shop.derive()
        shop.define("shopist", "cart", "web")
        assert len({tuple(shop.rows(service)) for service in ("shopist", "cart", "web")}) == 1
        expected = ["v1@0", "v2@20", "v1@45", "v3@60"]
        assert [await shop.told(service=service) for service in ("shopist", "cart", "web")] == [expected] * 3
        for _ in rebuild(store, progress=lambda _: None):
            pass
        assert await shop.told(service="web") == expected


# What it costs --------------------------------------------------------------------------------------------------------


async def test_a_version_costs_one_write_a_minute(store: Store) -> None:
    writes: list[int] = []
    real = sightings.record_sightings

    def counting(writer: Writer, told: Sequence[object], *, now: Instant) -> object:
        told = list(told)
        writes.append(len(told))
        return real(writer, told, now=now)  # type: ignore[arg-type]

    one = resource(service_name="shopist", service_version="v1")
    async with room(store) as shop:
        with patch.object(sightings, "record_sightings", counting):
            for second in range(0, 180, 5):
                body = traces(one, start=START + second * SECOND, seconds=0).SerializeToString()
                await asyncio.gather(*(shop.send("/v1/traces", body, PROTOBUF) for _ in range(3)))
        minutes = len({(START + second * SECOND) // MINUTE for second in range(180)})
        assert minutes <= len(writes) <= minutes * 2, "bodies that come together may both be new"
        assert (await counted(shop.door))["known"] >= 3 * 36 - 3 * len(writes)
        assert await shop.told() == ["v1@0"]


async def test_what_is_new_is_durable_before_the_answer_and_written_together(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with room(store) as shop:
        bodies = [traces(resource(service_name=f"s{n}", service_version="v1")).SerializeToString() for n in range(40)]
        transactions: list[int] = []
        monkeypatch.setattr(sightings, "TOGETHER", 12)
        real = sightings.record_sightings

        def counting(writer: Writer, told: Sequence[object], *, now: Instant) -> object:
            told = list(told)
            transactions.append(len(told))
            return real(writer, told, now=now)  # type: ignore[arg-type]

        async def send(n: int) -> None:
            await shop.send("/v1/traces", bodies[n], PROTOBUF)
            assert len(shop.rows(f"s{n}")) == 1

        with patch.object(sightings, "record_sightings", counting):
            await asyncio.gather(*map(send, range(40)))
        assert len(transactions) < 30
        assert max(transactions) <= 12


async def test_another_process_may_have_written_it(store: Store) -> None:
    async with room(store) as one, room(store) as other:
        for shop, minutes in ((one, (0, 2)), (other, (0, 1)), (one, (1, 3)), (other, (3, 4))):
            await shop.seen("v1", *minutes)
        ((env, version, day, minutes),) = one.rows()
        first = START // MINUTE
        assert (env, version, day) == ("prod", "v1", first // 1440)
        bits = int.from_bytes(bytes(minutes), "little")  # type: ignore[arg-type]
        assert bits >> first % 1440 == 0b11111


async def test_a_day_makes_no_more_rows_than_it_may(store: Store) -> None:
    async with room(store) as shop:
        with patch("bot.facts.telemetry.MOST_A_DAY", 5):
            for n in range(8):
                await shop.seen(f"v{n}", n)
            assert len(await shop.told()) == 5
            await shop.seen("v0", 1)
            assert (await counted(shop.door))["full"] == 3
            shop.door.now[0] += DAY
            await shop.seen("v8", 9)
            assert len(await shop.told()) == 6


# Who may, and what is refused -----------------------------------------------------------------------------------------

BODY = traces(resource(service_name="shopist", service_version="v1")).SerializeToString()


@pytest.mark.parametrize(
    ("environ", "without"),
    [({}, 200), ({"HOST": "dora.internal"}, 401), ({"HOST": "dora.internal", "TELEMETRY_OPEN": "1"}, 200)],
    ids=["loopback", "elsewhere", "open"],
)
async def test_who_may_send(store: Store, environ: dict[str, str], without: int) -> None:
    good, other = make_key(store, DEPLOYMENTS_WRITE), make_key(store, CATALOG_WRITE)
    async with open_door(store, API_KEYS=API_KEY, **environ) as door:

        async def status(**headers: str) -> int:
            answer = await door.client.post("/v1/traces", data=BODY, headers={"Content-Type": PROTOBUF, **headers})
            return answer.status

        assert await status() == without
        assert (await door.client.get("/info")).status == without
        assert await status(Host="collector.internal:8126") == without
        assert await status(**{"dd-api-key": API_KEY}) == 200
        assert await status(**{"DD-API-KEY": good.key}) == 200
        assert await status(Authorization=f"Bearer {good.key}") == 200
        assert await status(**{"DD-API-KEY": other.key}) == 403
        assert await status(**{"DD-API-KEY": "wrong-key-of-somebody"}) == 401
        assert await status(Authorization="Bearer wrong-key-of-somebody") == 401
        assert await status(Authorization="Basic dXNlcjpwYXNz") == 401


async def test_a_key_for_some_services_tells_of_no_others(store: Store) -> None:
    key = {"DD-API-KEY": make_key(store, DEPLOYMENTS_WRITE, services=("shopist",)).key}
    async with room(store) as shop:
        foreign = resource(service_name="cart", service_version="v1")
        await shop.send("/v1/traces", traces(foreign).SerializeToString(), PROTOBUF, 403, **key)
        both = traces(foreign, resource(service_name="shopist", service_version="v1"))
        await shop.send("/v1/traces", both.SerializeToString(), PROTOBUF, **key)
        assert (len(shop.rows()), len(shop.rows("cart"))) == (1, 0)
        assert (await counted(shop.door))["other_service"] == 1


async def test_what_is_broken_is_refused_and_nothing_is_kept(store: Store) -> None:
    gzipped = {"Content-Encoding": "gzip"}
    cases: list[tuple[str, str, bytes, str, dict[str, str]]] = [
        ("broken protobuf", "/v1/traces", b"\x0a\x7f", PROTOBUF, {}),
        ("broken JSON", "/v1/metrics", b"{", JSON, {}),
        ("broken msgpack", "/v0.4/traces", b"\xdd\xff\xff\xff\xff", MSGPACK, {}),
        ("JSON for msgpack", "/v0.5/traces", b"[]", JSON, {}),
        ("text", "/v1/traces", BODY, "text/plain", {}),
        ("form", "/v0.4/traces", b"\x90", "application/x-www-form-urlencoded", {}),
        ("msgpack for JSON", "/telemetry/proxy/api/v2/apmtelemetry", b"\x80", MSGPACK, {}),
        ("bomb", "/v1/logs", gzip.compress(bytes(50_000_000)), PROTOBUF, gzipped),
        ("not gzip", "/v1/traces", BODY, PROTOBUF, gzipped),
        ("brotli", "/v1/traces", BODY, PROTOBUF, {"Content-Encoding": "br"}),
    ]
    async with room(store) as shop:
        for title, path, body, content_type, headers in cases:
            answer = json.loads(await shop.send(path, body, content_type, 400, **headers))
            assert answer["errors"][0]["title"], title
        head = f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: {PROTOBUF}\r\nContent-Length: {16 * 1024 * 1024 + 1}\r\n\r\n"
        assert await raw_status(shop.door.client.port, head.encode()) == 400, "too large, and nobody waits for the rest"
        assert await shop.send("/v1/traces", b"", PROTOBUF) == b"", "an empty request is one"
        assert shop.rows() == []
        assert shop.door.woken == []


async def test_a_store_that_is_down_is_said_and_tried_again() -> None:
    async with open_door(DownStore()) as door:  # type: ignore[arg-type]
        answer = await door.client.post("/v1/traces", data=BODY, headers={"Content-Type": PROTOBUF})
        assert (answer.status, "Retry-After" in answer.headers) == (503, True)
        nothing = traces(resource(service_name="shopist")).SerializeToString()
        answer = await door.client.post("/v1/traces", data=nothing, headers={"Content-Type": PROTOBUF})
        assert answer.status == 200, "without a version there is nothing to keep"
