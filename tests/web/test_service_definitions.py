"""Service definitions by the original's API: every form and version in, the same out; refusals that say what is wrong where."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bot.dora.deployments import Series
from bot.facts.catalog import FROM_FOLDER, load_definition, plan_claims, write_claims
from bot.sources.definitions import read_definitions
from bot.store import Store, Writer
from tests.pipeline.test_catalog import SHOPIST, deploy
from tests.sources.test_definitions import HOSTILE, SEED
from tests.support.server import rows
from tests.web.doors import API_KEY, NOW, Door, document, make_key, open_door

PATH = "/api/v2/services/definitions"
KEY = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": API_KEY}
EXTENSION = {"datadoghq.com/dora-metrics": {"source_patterns": ["src/**"]}}
V1 = {
    "schema-version": "v1", "info": {"dd-service": "shop", "service-tier": "1", "description": "sells"}, "org": {"team": "web", "application": "store"},
    "contact": {"email": "a@example.com"}, "external-resources": [{"name": "Source", "type": "repo", "url": "https://github.com/o/r"}],
    "tags": ["a:b"], "extensions": EXTENSION,
}  # fmt: skip
V2 = {
    "schema-version": "v2", "dd-service": "shop", "team": "web", "contacts": [{"type": "email", "contact": "a@example.com"}],
    "repos": [{"name": "Source", "provider": "github", "url": "https://github.com/o/r"}], "docs": [{"name": "d", "url": "https://docs"}],
    "integrations": {"pagerduty": "https://o.pagerduty.com/service-directory/P1"}, "tags": ["a:b"], "extensions": EXTENSION,
}  # fmt: skip
V2_1 = {
    "schema-version": "v2.1", "dd-service": "shop", "team": "web", "application": "store", "tier": "1", "lifecycle": "production",
    "links": [{"name": "Source", "type": "repo", "provider": "github", "url": "https://github.com/o/r"}], "tags": ["a:b"],
    "integrations": {"pagerduty": {"service-url": "https://o.pagerduty.com/service-directory/P1"}}, "extensions": EXTENSION,
}  # fmt: skip
V2_2 = V2_1 | {"schema-version": "v2.2", "type": "web", "languages": ["go", "python"], "ci-pipeline-fingerprints": ["x"]}
EVERY: Mapping[str, Any] = {"v1": V1, "v2": V2, "v2.1": V2_1, "v2.2": V2_2}


async def put(door: Door, sent: object, *, status: int = 200, **headers: str) -> Any:
    """Send an object as JSON, a text as it is."""
    body = sent.encode() if isinstance(sent, str) else json.dumps(sent)
    answer = await door.client.post(PATH, data=body, headers=KEY | {"Content-Type": "application/json"} | headers)
    assert answer.status == status, await answer.text()
    return await answer.json()


async def get(door: Door, path: str = "", *, status: int = 200, **query: str) -> Any:
    answer = await door.client.get(PATH + path, params=query, headers=KEY)
    assert answer.status == status, await answer.text()
    return await answer.json()


@pytest.mark.parametrize("version", EVERY)
async def test_every_version_comes_in_and_goes_out_in_every_version(store: Store, version: str) -> None:
    async with open_door(store) as door:
        created = await put(door, EVERY[version])
        (one,) = created["data"]
        assert (one["type"], one["attributes"]["schema"]) == ("service-definition", EVERY[version])
        meta = one["attributes"]["meta"]
        assert (meta["ingestion-source"], meta["ingested-schema-version"], meta["origin"]) == ("api", version, "api")
        assert meta["last-modified-time"] == "2026-09-21T14:13:20Z"
        found = store.read(lambda reader: load_definition(reader, "shop"))
        assert found is not None
        assert (found.team, found.tags, found.source_patterns) == ("web", ("a:b",), ("src/**",))
        assert (await get(door, "/shop"))["data"]["attributes"]["schema"] == EVERY[version]
        for other in EVERY:
            shown = (await get(door, "/Shop", schema_version=other))["data"]["attributes"]["schema"]
            assert shown["schema-version"] == other
            assert (shown.get("team") or shown["org"]["team"], shown["tags"], shown["extensions"]) == ("web", ["a:b"], EXTENSION)
            if other == version:
                assert shown == EVERY[version]


async def test_more_than_a_version_knows_is_kept_in_the_others(store: Store) -> None:
    async with open_door(store) as door:
        await put(door, V1)
        assert (await get(door, "/shop", schema_version="v2.1"))["data"]["attributes"]["schema"] == {
            "schema-version": "v2.1", "dd-service": "shop", "team": "web", "application": "store", "description": "sells", "tier": "1",
            "contacts": [{"type": "email", "contact": "a@example.com"}], "tags": ["a:b"], "extensions": EXTENSION,
            "links": [{"name": "Source", "type": "repo", "url": "https://github.com/o/r"}],
        }  # fmt: skip
        await put(door, V2)
        assert (await get(door, "/shop", schema_version="v2.2"))["data"]["attributes"]["schema"] == {
            "schema-version": "v2.2", "dd-service": "shop", "team": "web", "contacts": [{"type": "email", "contact": "a@example.com"}],
            "links": [
                {"name": "Source", "type": "repo", "provider": "github", "url": "https://github.com/o/r"},
                {"name": "d", "type": "doc", "url": "https://docs"},
            ],
            "integrations": {"pagerduty": {"service-url": "https://o.pagerduty.com/service-directory/P1"}}, "tags": ["a:b"], "extensions": EXTENSION,
        }  # fmt: skip
        await put(door, V2_2)
        assert (await get(door, "/shop", schema_version="v2"))["data"]["attributes"]["schema"] == {
            "schema-version": "v2", "dd-service": "shop", "team": "web", "tags": ["a:b"], "extensions": EXTENSION,
            "links": [{"name": "Source", "type": "repo", "url": "https://github.com/o/r"}],
            "integrations": {"pagerduty": "https://o.pagerduty.com/service-directory/P1"},
        }  # fmt: skip
        # Microsoft Teams' address is no contact of v1's, and a link that is not https none of its resources: what fits is shown.
        await put(door, V2_2 | {"contacts": [{"type": "microsoft-teams", "contact": "https://teams/x"}]})
        assert "contact" not in (await get(door, "/shop", schema_version="v1"))["data"]["attributes"]["schema"]
        assert (await get(door, "/shop", status=400, schema_version="v9"))["errors"] == ["schema_version is one of v1, v2, v2.1, v2.2, v3."]


async def test_what_a_version_cannot_say_is_shown_as_it_is(store: Store) -> None:
    contact = {"contacts": [{"type": "irc", "contact": "#shop"}]}
    async with open_door(store) as door:
        await put(door, V2_2 | contact)
        assert (await get(door, "/shop", schema_version="v2.1"))["data"]["attributes"]["schema"] == V2_2 | contact


FORMS = {
    "object": json.dumps(V2_2),
    "a string of JSON": json.dumps(json.dumps(V2_2)),
    "a string of YAML": json.dumps("schema-version: v2.2\ndd-service: shop\nteam: web\n"),
    "YAML": "# ours\nschema-version: v2.2\ndd-service: shop\nteam: web\n",
    "a flow mapping": "{schema-version: v2.2, dd-service: shop, team: web}",
    "with a byte order mark": "\ufeff" + json.dumps(V2_2),
}


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_is_read(store: Store, form: str) -> None:
    async with open_door(store) as door:
        (one,) = (await put(door, FORMS[form]))["data"]
        assert one["attributes"]["schema"]["team"] == "web"
        assert (await get(door, "/shop"))["data"]["attributes"]["schema"]["dd-service"] == "shop"


async def test_several_documents_come_together_or_not_at_all(store: Store) -> None:
    two = "schema-version: v2.2\ndd-service: shop\n---\nschema-version: v2\ndd-service: cart\n"
    async with open_door(store) as door:
        refused = await put(door, two + "teem: x\n---\nschema-version: v2.1\n", status=400)
        assert refused["errors"] == ["6:1: unknown key 'teem'; did you mean team?", "8:1: the key 'dd-service' is missing"]
        assert (await get(door))["data"] == []
        assert [one["attributes"]["schema"]["dd-service"] for one in (await put(door, two))["data"]] == ["shop", "cart"]
        assert [one["id"] for one in (await get(door))["data"]] == ["service:default/cart", "service:default/shop"]
        twice = await put(door, two.replace("cart", "SHOP "), status=400)
        assert twice["errors"] == ["'SHOP' is defined twice in it."]


async def test_pages(store: Store) -> None:
    async with open_door(store) as door:
        await put(door, "\n---\n".join(f"schema-version: v2.2\ndd-service: s{i:02}" for i in range(25)))
        names = [[one["id"][-3:] for one in (await get(door, **{"page[number]": str(n)}))["data"]] for n in range(4)]
        assert [len(page) for page in names] == [10, 10, 5, 0]
        assert names[2] == ["s20", "s21", "s22", "s23", "s24"]
        assert len((await get(door, **{"page[size]": "100"}))["data"]) == 25
        for query in ({"page[size]": "101"}, {"page[size]": "0"}, {"page[number]": "-1"}, {"page[number]": "x"}, {"page[number]": "9" * 30}):
            assert (await get(door, status=400, **query))["errors"][0].startswith(next(iter(query)))


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (V2_2 | {"teem": "x"}, ["/teem: unknown key 'teem'; did you mean team?"]),
        (V2_2 | {"tags": "a"}, ["/tags: tags: expected a list, found the text 'a'"]),
        (
            V2_2 | {"extensions": {"datadoghq.com/dora-metrics": {"source_patterns": ["a", ""]}}},
            ["/extensions/datadoghq.com~1dora-metrics/source_patterns/1: a pattern is a text, this is empty (a # begins a comment); put it in quotes"],
        ),
        ({"a": 1}, ["/: the key 'schema-version' is missing; write schema-version: v2.2"]),
        (V2_2 | {"schema-version": "v9"}, ["/schema-version: schema-version 'v9' is none of v1, v2, v2.1, v2.2; v3 is written apiVersion: v3, kind: service, metadata: {name: …}"]),
        (V2_2 | {"dd-service": " "}, ["/dd-service: dd-service may not be empty"]),
        (V2_2 | {"dd-service": "x" * 201}, ["The name 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…' is longer than 200 characters."]),
        ("schema-version: v2.2\ndd-service: [", ["3:1: not YAML: while parsing a flow node: did not find expected node content"]),
        ("", ["There is no definition in it."]),
        ("# nothing\n", ["There is no definition in it."]),
        ("12", ["1:1: a service definition is a mapping, with the keys schema-version and dd-service"]),
        (
            {"apiVersion": "v3", "kind": "service", "metadata": {"name": "shop"}},
            ["An entity of schema v3 is sent to /api/v2/catalog/entity; here are definitions of v1, v2, v2.1 and v2.2."],
        ),
    ],
)  # fmt: skip
async def test_refusals_say_what_is_wrong_where(store: Store, sent: object, told: list[str]) -> None:
    async with open_door(store) as door:
        refused = await put(door, sent, status=400)
        assert refused["errors"] == told
        assert len(refused["id"]) == 32
        assert (await get(door))["data"] == []
        assert door.woken == []


async def test_the_seeds_unquoted_pattern_is_mended_and_told(store: Store) -> None:
    async with open_door(store) as door:
        (one,) = (await put(door, json.dumps(SEED)))["data"]
        (warning,) = one["attributes"]["meta"]["warnings"]
        assert warning["message"].startswith("'**' must be quoted in YAML; it is read as if it were: write - '**'")
        assert warning["instance-location"].partition(":")[0].isdigit()
        (again,) = (await get(door))["data"]
        assert again["attributes"]["meta"]["warnings"] == [warning]


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_texts_are_refused(store: Store, name: str) -> None:
    text = HOSTILE[name]
    async with open_door(store) as door:
        for body in (text, json.dumps(text.decode(errors="surrogateescape")).encode()):
            answer = await door.client.post(PATH, data=body[: 1 << 20], headers=KEY)
            assert answer.status in {200, 400}, await answer.text()
            assert "Traceback" not in await answer.text()


@pytest.mark.parametrize(
    "body",
    [
        b"{" * 500_000, b'{"a":' * 40 + b"1" + b"}" * 40, b"[" + b"[]," * 300_000 + b"[]]", b'"' * 1000, b'"\\ud800"', b'{"dd-service": NaN}', b"\xff\xfe",
        json.dumps(V2_2 | {"tags": ["a"] * 20_000}).encode(), json.dumps(V2_2 | {"extensions": {"x": 10**30}}).encode(), b"null", b"true", b'""',
        b"a: &a [*a]", b"!!python/object/apply:os.system [id]", json.dumps({"a" * 70_000: 1}).encode(),
    ],
)  # fmt: skip
async def test_hostile_objects_are_refused(store: Store, body: bytes) -> None:
    async with open_door(store) as door:
        answer = await door.client.post(PATH, data=body, headers=KEY)
        assert answer.status == 400
        assert all(len(told) < 1000 for told in (await answer.json())["errors"])


async def test_odd_text_is_kept(store: Store) -> None:
    odd = V2_2 | {"team": "a\0b \uffff é \ud83d\ude00", "extensions": {"n": 1, "b": True, "l": [None, 1.5], "deep": {"x": {"y": "z"}}}}
    async with open_door(store) as door:
        await put(door, odd)
        shown = (await get(door, "/shop"))["data"]["attributes"]["schema"]
        assert shown == odd | {"team": "a\\u0000b \uffff é \U0001f600"}


async def test_credentials_are_cut_before_anything_is_kept(store: Store, store_url: str) -> None:
    link = "https://ci:canary-token@github.com/o/r/tree/main/src"
    sent = V2_2 | {"links": [{"name": "Source", "type": "repo", "url": link}, {"name": "x", "type": "other", "url": "ssh://git@h/a"}], "extensions": {}}
    async with open_door(store) as door:
        for form in (sent, json.dumps(json.dumps(sent)), json.dumps(sent).replace("/", "\\/"), f"schema-version: v2.2\ndd-service: shop\ntags: [{link}]"):
            created = json.dumps(await put(door, form))
            assert "canary" not in created
            assert "https://github.com/o/r/tree/main/src" in created
        assert "canary" not in json.dumps(await get(door, "/shop"))
    kept = [rows(store_url, f"SELECT * FROM {table}") for table in ("inbox", "catalog_entity", "definition_claim", "definition")]
    assert all(kept)
    assert "canary" not in repr(kept)


async def test_missing_ones(store: Store) -> None:
    async with open_door(store) as door:
        answer = await get(door, "/shop", status=404)
        assert (answer["errors"], answer["error_details"]) == (["Not Found"], [{}])
        gone = await door.client.delete(PATH + "/shop", headers=KEY)
        assert gone.status == 404
        assert (await gone.json())["errors"] == ["Not Found"]
        assert (await door.client.get(PATH + "/a%00b", headers=KEY)).status == 404


async def test_delete_and_create_again(store: Store) -> None:
    async with open_door(store) as door:
        await put(door, V2_2)
        door.now[0] += 1
        gone = await door.client.delete(PATH + "/SHOP", headers=KEY)
        assert (gone.status, await gone.read()) == (204, b"")
        await get(door, "/shop", status=404)
        assert (await door.client.delete(PATH + "/shop", headers=KEY)).status == 404
        door.now[0] += 1
        await put(door, V2)
        assert (await get(door, "/shop"))["data"]["attributes"]["schema"] == V2


def take_changes(store: Store) -> list[str]:
    """The series whose changes are marked, and no mark left."""

    def take(writer: Writer) -> list[str]:
        found = writer.fetch("due_marks", lambda *columns: columns, now=10**18 * 9, n=1000)
        for stage, key, _, version, _ in found:
            writer.execute("delete_mark", stage=stage, key=key, version=version)
        return [str(key) for stage, key, *_ in found if stage == "changes"]

    return store.write(take)


async def test_a_definition_marks_the_series_whose_paths_it_changes(store: Store) -> None:
    deploy(store, Series(service="shop", env="prod"), Series(service="other", env="prod"))
    async with open_door(store) as door:
        await put(door, V2_2)
        assert "marks" in door.woken
        assert take_changes(store) == ['["shop", "prod"]']
        await put(door, V2_2 | {"team": "else", "tags": ["c:d"]})
        assert take_changes(store) == []
        await put(door, V2_2 | {"extensions": {"datadoghq.com/dora-metrics": {"source_patterns": ["lib/**"]}}})
        assert take_changes(store) == ['["shop", "prod"]']
        await door.client.delete(PATH + "/shop", headers=KEY)
        assert take_changes(store) == ['["shop", "prod"]']


async def test_team_tags_and_languages_are_the_deployments(store: Store) -> None:
    async with open_door(store) as door:
        await put(door, V2_2)
        sent = document(service="Shop", custom_tags=["language:rust"]), document(service="Shop", version="2")
        for body in sent:
            await door.client.post("/api/v2/dora/deployment", data=body, headers=KEY)

        async def tags(**query: str) -> list[list[str]]:
            answer = await door.client.get("/api/v1/deployments", params={"team": "WEB"} | query)
            return sorted(one["tags"] for one in (await answer.json())["data"])

        assert await tags() == [["a:b", "language:go", "language:python"], ["language:rust", "a:b"]]
        assert await tags(tag="language:python") == [["a:b", "language:go", "language:python"]]
        assert "language:go" in await (await door.client.get("/api/v1/deployments.csv")).text()
        services = await (await door.client.get("/api/v1/services", params={"tag": "language:go"})).json()
        assert [one["service"] for one in services["data"]] == ["shop"]


async def test_keys(store: Store) -> None:
    limited = make_key(store, "catalog:write", "read", services=("shop",)).key
    reader = make_key(store, "read").key
    async with open_door(store) as door:
        await put(door, {"schema-version": "v2.2", "dd-service": "cart"})
        mine = {"DD-API-KEY": limited, "DD-APPLICATION-KEY": limited}
        await put(door, V2_2, **mine)
        both = "schema-version: v2.2\ndd-service: shop\n---\nschema-version: v2.2\ndd-service: cart\n"
        assert (await put(door, both, status=403, **mine))["errors"] == ["Forbidden"]
        assert [one["id"] for one in (await (await door.client.get(PATH, headers=mine)).json())["data"]] == ["service:default/shop"]
        assert (await door.client.get(PATH + "/cart", headers=mine)).status == 403
        assert (await door.client.delete(PATH + "/cart", headers=mine)).status == 403
        assert (await door.client.delete(PATH + "/shop", headers=mine)).status == 204
        assert (await put(door, V2_2, status=403, **{"DD-API-KEY": reader}))["errors"] == ["Forbidden"]
        assert (await door.client.post(PATH, json=V2_2)).status == 401
        assert (await door.client.post(PATH, json=V2_2, headers={"DD-API-KEY": "x"})).status == 401


async def test_receipts_are_kept(store: Store, store_url: str) -> None:
    async with open_door(store) as door:
        await put(door, SHOPIST)
        await door.client.delete(PATH + "/shopist", headers=KEY)
    found = rows(store_url, "SELECT source, event, state, body, received_at FROM inbox ORDER BY id")
    assert [(*row[:3], bytes(row[3]), row[4]) for row in found] == [
        ("api", "service-definition", "done", SHOPIST.strip().encode(), NOW),
        ("api", "service-definition-deletion", "done", b"service:default/shopist", NOW),
    ]


FILE = b"""schema-version: v2.2
dd-service: Till
team: web
description: Takes the money
tier: 1
contacts: [{type: email, contact: till@acme.test}]
links: [{name: Runbook, type: doc, url: "https://ci:canary@wiki.acme.test/till"}]
"""


async def test_a_definition_in_a_file_is_shown_whole(store: Store, store_url: str) -> None:
    said = read_definitions({"till.yaml": FILE}).definitions
    store.write(lambda writer: write_claims(writer, plan_claims(writer, {FROM_FOLDER: said})))
    whole = {
        "schema-version": "v2.2", "dd-service": "Till", "team": "web", "description": "Takes the money", "tier": "1",
        "contacts": [{"type": "email", "contact": "till@acme.test"}],
        "links": [{"name": "Runbook", "type": "doc", "url": "https://wiki.acme.test/till"}],
    }  # fmt: skip
    async with open_door(store) as door:
        shown = (await get(door, "/till"))["data"]["attributes"]
        assert (shown["schema"], shown["meta"]["origin"], shown["meta"]["origin-detail"]) == (whole, "folder", "till.yaml:2")
        older = (await get(door, "/till?schema_version=v2.1"))["data"]["attributes"]["schema"]
        assert (older["schema-version"], older["contacts"], older["links"]) == ("v2.1", whole["contacts"], whole["links"])
        await put(door, V2_2 | {"dd-service": "till", "team": "else"})
        assert (await get(door, "/till"))["data"]["attributes"]["schema"] == whole, "the folder stays in force"
    assert "canary" not in repr(rows(store_url, "SELECT * FROM definition_claim"))
