"""Entities of the software catalogue by the original's API: services become definitions, all others are checked, kept and shown."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from bot.facts.catalog import FROM_FOLDER, Origin, load_definition, plan_claims, write_claims
from bot.sources.definitions import read_definitions
from bot.store import Store
from tests.web.doors import API_KEY, Door, document, make_key, open_door
from tests.web.test_service_definitions import V2_2, get, put

PATH = "/api/v2/catalog/entity"
KEY = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": API_KEY}
SHOP: dict[str, Any] = {
    "apiVersion": "v3",
    "kind": "service",
    "metadata": {
        "name": "Shop", "owner": "web", "namespace": "default", "additionalOwners": [{"name": "sre", "type": "operator"}],
        "tags": ["a:b"], "displayName": "The shop", "description": "sells",
    },
    "spec": {"languages": ["go"], "dependsOn": ["datastore:orders", "cart"], "componentOf": ["system:store"], "tier": "1", "type": "web"},
    "integrations": {"pagerduty": {"serviceURL": "https://o.pagerduty.com/service-directory/P1"}},
    "datadog": {
        "codeLocations": [{"repositoryURL": "https://github.com/o/r", "paths": ["src/shop/**"]}], "performanceData": {"tags": []},
        "pipelines": {"fingerprints": ["x"]},
    },
}  # fmt: skip
OTHERS = """\
apiVersion: v3
kind: datastore
metadata: {name: orders, owner: web}
spec: {type: postgres}
---
apiVersion: v3
kind: system
metadata: {name: store}
spec:
  components: [service:shop]
---
apiVersion: v3
kind: queue
metadata: {name: jobs}
---
apiVersion: v3
kind: api
metadata: {name: shop-api}
spec:
  implementedBy: [service:shop]
  interface: {fileRef: https://github.com/o/r/blob/main/openapi.yaml}
---
apiVersion: v3
kind: cron-job   # a kind of their own
metadata: {name: nightly}
spec: {dependsOn: [service:shop]}
"""


async def send(door: Door, sent: object, *, status: int = 202, path: str = PATH, **headers: str) -> Any:
    """Send an object as JSON, a text as it is."""
    body = sent.encode() if isinstance(sent, str) else json.dumps(sent)
    answer = await door.client.post(path, data=body, headers=KEY | headers)
    assert answer.status == status, await answer.text()
    return await answer.json()


async def ask(door: Door, path: str = PATH, *, status: int = 200, **query: str) -> Any:
    answer = await door.client.get(path, params=query, headers=KEY)
    assert answer.status == status, await answer.text()
    return await answer.json()


async def names(door: Door, **query: str) -> list[str]:
    return [one["attributes"]["name"] for one in (await ask(door, **query))["data"]]


async def delete(door: Door, ref: str, *, path: str = PATH, **headers: str) -> int:
    answer = await door.client.delete(f"{path}/{quote(ref, safe='')}", headers=KEY | headers)
    return answer.status


async def test_a_service_is_a_definition(store: Store) -> None:
    async with open_door(store) as door:
        created = await send(door, SHOP)
        (one,), (schema,) = created["data"], created["included"]
        assert created["meta"] == {"count": 1, "includeCount": 1}
        assert (schema["type"], schema["id"], schema["attributes"]) == ("schema", one["id"], {"schema": SHOP})
        assert one["type"] == "entity"
        assert one["attributes"] == {
            "apiVersion": "v3", "kind": "service", "name": "Shop", "namespace": "default", "owner": "web", "tags": ["a:b"],
            "displayName": "The shop", "description": "sells",
        }  # fmt: skip
        assert one["relationships"]["schema"] == {"data": {"id": one["id"], "type": "schema"}}
        found = store.read(lambda reader: load_definition(reader, "shop"))
        assert found is not None
        assert (found.team, found.languages, [location.paths for location in found.code_locations]) == ("web", ("go",), [("src/shop/**",)])
        assert (await get(door, "/shop"))["data"]["attributes"]["schema"] == {
            "schema-version": "v2.2", "dd-service": "Shop", "team": "web", "application": "store", "description": "sells", "tier": "1",
            "type": "web", "languages": ["go"], "tags": ["a:b"], "ci-pipeline-fingerprints": ["x"],
            "integrations": {"pagerduty": {"service-url": "https://o.pagerduty.com/service-directory/P1"}},
        }  # fmt: skip
        assert (await get(door, "/shop", schema_version="v3"))["data"]["attributes"]["schema"] == SHOP
        await put(door, V2_2)
        assert await names(door) == ["shop"], "the newest writing of a service replaces the others, whatever its schema"
        (shown,) = (await ask(door, include="schema"))["included"]
        assert (shown["attributes"]["schema"]["metadata"]["owner"], shown["attributes"]["schema"]["spec"]["languages"]) == ("web", ["go", "python"])


async def test_every_other_kind_is_kept_and_changes_nothing(store: Store) -> None:
    async with open_door(store) as door:
        created = await send(door, json.dumps(OTHERS))
        assert [one["attributes"]["kind"] for one in created["data"]] == ["datastore", "system", "queue", "api", "cron-job"]
        assert await names(door) == ["shop-api", "nightly", "orders", "jobs", "store"]
        assert store.read(lambda reader: load_definition(reader, "orders")) is None
        assert store.read(lambda reader: reader.fetch("count_marks", int)) == [0]
        assert (await get(door))["data"] == []
        (raw,) = (await ask(door, include="raw_schema", **{"filter[kind]": "cron-job"}))["included"]
        assert base64.b64decode(raw["attributes"]["rawSchema"]).decode() == OTHERS[OTHERS.rindex("apiVersion") :]
        (system,) = (await ask(door, include="schema", **{"filter[name]": "STORE"}))["included"]
        assert system["attributes"]["schema"]["spec"] == {"components": ["service:shop"]}


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (SHOP | {"spec": {"teir": "1"}}, ["/spec/teir: unknown key 'teir' in spec; did you mean tier?"]),
        (SHOP | {"datadog": {"codeLocations": [{"paths": "a"}]}}, ["/datadog/codeLocations/0/paths: datadog.codeLocations[0].paths: expected a list, found the text 'a'"]),
        (SHOP | {"datadog": {"codeLocations": [{"repository": "a"}]}}, ["/datadog/codeLocations/0/repository: unknown key 'repository' in datadog.codeLocations[0]; did you mean repositoryURL?"]),
        (SHOP | {"metadata": {"name": "x", "namespace": ["y"]}}, ["/metadata/namespace: metadata.namespace: expected a text"]),
        ({"apiVersion": "v3", "metadata": {"name": "x"}}, ["/: the key 'kind' is missing; write kind: service"]),
        ({"apiVersion": "v3", "kind": "datastore", "metadata": {}}, ["/metadata: the key 'name' is missing in metadata"]),
        ({"apiVersion": "v3", "kind": "datastore", "metadata": {"name": " "}}, ["/: metadata.name may not be empty"]),
        ({"apiVersion": "v3", "kind": "Cron Job", "metadata": {"name": "x"}}, ["/kind: kind: 'Cron Job' does not look as it must: ^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$"]),
        ({"apiVersion": "v3", "kind": "x" * 64, "metadata": {"name": "x"}}, ["The kind 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…' is longer than 63 characters."]),
        ({"apiVersion": "v4", "kind": "service"}, ["/apiVersion: schema-version 'v4' is none of v1, v2, v2.1, v2.2; v3 is written apiVersion: v3, kind: service, metadata: {name: …}"]),
        ("apiVersion: v3\nkind: system\nmetadata: {name: x}\nspec: {dependsOn: [a]}", ["4:8: unknown key 'dependsOn' in spec; known are componentOf, components, lifecycle, tier, type"]),
        ("[1]", ["1:1: a service definition is a mapping, with the keys schema-version and dd-service"]),
    ],
)  # fmt: skip
async def test_refusals_say_what_is_wrong_where(store: Store, sent: object, told: list[str]) -> None:
    async with open_door(store) as door:
        assert (await send(door, sent, status=400))["errors"] == told
        assert (await ask(door))["data"] == []


async def test_what_does_not_count_is_told(store: Store) -> None:
    strange = SHOP | {"metadata": {"name": "Shop", "namespace": "staging"}}
    nowhere = SHOP | {"datadog": {"codeLocations": [{"paths": []}]}}
    async with open_door(store) as door:
        (one,) = (await send(door, strange))["data"]
        assert [told["message"] for told in one["meta"]["warnings"]] == [
            "only services in the namespace default are services here; it is left out"
        ]
        assert store.read(lambda reader: load_definition(reader, "shop")) is None
        assert (await ask(door, **{"filter[ref]": "service:staging/shop"}))["meta"]["count"] == 1
        (one,) = (await send(door, nowhere))["data"]
        assert [(told["instance-location"], told["message"]) for told in one["meta"]["warnings"]] == [
            ("/datadog/codeLocations/0", "this code location does not count: it names no repositoryURL")
        ]
        assert await names(door) == ["Shop", "Shop"]
        assert await delete(door, "service:staging/shop") == 204
        assert await names(door, **{"filter[ref]": "shop"}) == ["Shop"]
        page = await (await door.client.get("/definitions", headers={"Accept": "text/html"})).text()
        assert "Shop, sent by API" in page
        assert "/datadog/codeLocations/0: this code location does not count" in page


async def test_filters_relations_and_pages(store: Store) -> None:
    async with open_door(store) as door:
        await send(door, SHOP)
        await send(door, OTHERS)
        await door.client.post("/api/v2/dora/deployment", data=document(service="Deployed"), headers=KEY)
        assert await names(door, **{"filter[owner]": "Team:WEB"}) == ["orders", "Shop"]
        assert await names(door, **{"filter[kind]": "service"}) == ["Shop"]
        assert await names(door, **{"filter[kind]": "service"}, includeDiscovered="true") == ["Deployed", "Shop"]
        assert await names(door, **{"filter[relation][type]": "RelationTypeDependencyOf"}) == ["orders", "Shop"]
        assert await names(door, **{"filter[relation][type]": "RelationTypeImplements"}) == ["Shop"]
        (id,) = [one["id"] for one in (await ask(door, **{"filter[ref]": "service:shop"}))["data"]]
        assert await names(door, **{"filter[id]": id}) == ["Shop"]
        assert await names(door, **{"page[limit]": "2", "page[offset]": "1"}) == ["nightly", "orders"]
        assert (await ask(door, **{"page[limit]": "2"}))["meta"] == {"count": 6, "includeCount": 0}
        relations = await ask(door, "/api/v2/catalog/relation", **{"filter[from_ref]": "service:default/shop"})
        assert [(one["attributes"]["type"].removeprefix("RelationType"), one["attributes"]["to"]["name"]) for one in relations["data"]] == [
            ("DependencyOf", "nightly"), ("DependsOn", "orders"), ("DependsOn", "cart"), ("Implements", "shop-api"),
            ("OtherOwnedBy", "sre"), ("OwnedBy", "web"), ("PartsOf", "store"),
        ]  # fmt: skip
        owned = await ask(door, "/api/v2/catalog/relation", include="entity", **{"filter[type]": "RelationTypeOwns"})
        assert [(one["attributes"]["from"]["name"], one["attributes"]["to"]["name"]) for one in owned["data"]] == [("web", "orders"), ("web", "shop")]
        assert sorted(one["attributes"]["name"] for one in owned["included"]) == ["Shop", "orders"]
        related = await ask(door, include="relation", **{"filter[name]": "shop"})
        assert {one["type"] for one in related["included"]} == {"relatedEntity"}
        assert len(related["included"]) == len(related["data"][0]["relationships"]["relatedEntities"]["data"]) == 5
        for query in ({"include": "all"}, {"page[limit]": "0"}, {"page[offset]": "x"}, {"filter[relation][type]": "x"}, {"includeDiscovered": "x"}):
            assert (await ask(door, status=400, **query))["errors"][0].startswith(next(iter(query)))


async def test_delete_by_id_and_by_reference(store: Store) -> None:
    async with open_door(store) as door:
        await send(door, OTHERS)
        (first,) = [one for one in (await ask(door))["data"] if one["attributes"]["name"] == "orders"]
        assert await delete(door, first["id"].upper()) == 204
        assert await delete(door, first["id"]) == 404
        assert await delete(door, "System:Default/Store") == 204
        assert await delete(door, "system:default/store") == 404
        assert await names(door) == ["shop-api", "nightly", "jobs"]
        await send(door, SHOP)
        assert await delete(door, "service:default/shop") == 204
        assert store.read(lambda reader: load_definition(reader, "shop")) is None


async def test_files_stay_and_are_shown(store: Store) -> None:
    files = {
        FROM_FOLDER: "schema-version: v2.2\ndd-service: Ledger\nteam: money\nlanguages: [java]\n",
        Origin(rank=2, repository_id=1, path="entity.datadog.yaml"): "schema-version: v1\ninfo: {dd-service: Cart}\norg: {team: carts}\n",
    }
    said = {origin: read_definitions({"a.yaml": text.encode()}).definitions for origin, text in files.items()}
    store.write(lambda writer: write_claims(writer, plan_claims(writer, said)))
    async with open_door(store) as door:
        found = {one["attributes"]["name"]: one for one in (await ask(door, include="schema"))["data"]}
        assert {name: one["meta"]["ingestionSource"] for name, one in found.items()} == {"Cart": "repository", "Ledger": "folder"}
        schemas = [one["attributes"]["schema"] for one in (await ask(door, include="schema"))["included"]]
        assert schemas[1] == {"apiVersion": "v3", "kind": "service", "metadata": {"name": "Ledger", "owner": "money"}, "spec": {"languages": ["java"]}}
        listed = {one["id"]: one["attributes"] for one in (await get(door))["data"]}
        assert listed["service:default/cart"]["schema"] == {"schema-version": "v1", "info": {"dd-service": "Cart"}, "org": {"team": "carts"}}
        assert listed["service:default/ledger"]["meta"]["origin-detail"] == "a.yaml:2"
        refused = await door.client.delete(f"{PATH}/service%3Adefault%2Fledger", headers=KEY)
        assert refused.status == 400
        assert (await refused.json())["errors"] == ["The service ledger was not defined by API: delete it where it stands, in a.yaml:2."]
        (below,) = (await put(door, {"schema-version": "v2.2", "dd-service": "ledger", "team": "api"}))["data"]
        told = "not in force as long as a.yaml:2 defines the service too, which comes first"
        assert [one["message"] for one in below["attributes"]["meta"]["warnings"]] == [told]
        assert (await get(door, "/ledger"))["data"]["attributes"]["schema"]["team"] == "money"
        (above,) = (await put(door, {"schema-version": "v2.2", "dd-service": "cart", "team": "api"}))["data"]
        assert above["attributes"]["meta"]["warnings"] == []
        shown = (await get(door, "/cart"))["data"]["attributes"]
        assert (shown["schema"]["team"], shown["meta"]["origin"]) == ("api", "api")
        assert [one["message"] for one in shown["meta"]["warnings"]] == ["it overrules the definition a.yaml:2"]
        service = await (await door.client.get("/api/v1/services/ledger")).json()
        assert (service["definition"]["origin"], service["definition"]["overrules"]) == ("folder", ["sent by API"])
        assert (await door.client.delete("/api/v2/services/definitions/ledger", headers=KEY)).status == 204
        assert (await door.client.delete("/api/v2/services/definitions/ledger", headers=KEY)).status == 400


async def test_preview_keeps_nothing(store: Store) -> None:
    async with open_door(store) as door:
        path = f"{PATH}/preview"
        assert [one["attributes"]["name"] for one in (await send(door, OTHERS, path=path))["data"]] == ["orders", "store", "jobs", "shop-api", "nightly"]
        assert (await (await door.client.post(path, headers=KEY)).json()) == {"data": []}
        await send(door, "a: b", status=400, path=path)
        assert await names(door) == []


async def test_kinds(store: Store) -> None:
    path = "/api/v2/catalog/kind"
    async with open_door(store) as door:
        (made,) = (await send(door, {"kind": "cron-job", "displayName": "Jobs", "description": "at night"}, path=path))["data"]
        assert made["attributes"] == {"name": "cron-job", "displayName": "Jobs", "description": "at night"}
        await send(door, json.dumps("kind: library\n"), path=path)
        await send(door, OTHERS.replace("cron-job", "my-thing"))
        listed = {one["attributes"]["name"]: one["attributes"]["displayName"] for one in (await ask(door, path))["data"]}
        assert listed == {
            "api": "Api", "application": "Application", "cron-job": "Jobs", "datastore": "Datastore", "library": "Library", "my-thing": "My thing",
            "queue": "Queue", "repository": "Repository", "service": "Service", "system": "System",
        }  # fmt: skip
        assert [one["id"] for one in (await ask(door, path, **{"filter[name]": "cron-job"}))["data"]] == [made["id"]]
        assert (await ask(door, path, **{"filter[id]": made["id"], "page[limit]": "1"}))["meta"] == {"count": 1}
        assert await delete(door, made["id"], path=path) == 204
        assert await delete(door, "cron-job", path=path) == 404
        assert await delete(door, "service", path=path) == 400
        for wrong in ({"kind": "service"}, {"kind": "Cron Job"}, {"kind": ""}, {"kind": "x", "description": "d" * 2001}, [], "kind: ["):
            await send(door, wrong, status=400, path=path)


async def test_keys(store: Store) -> None:
    limited = make_key(store, "catalog:write", "read", services=("Shop",)).key
    mine = {"DD-API-KEY": limited, "DD-APPLICATION-KEY": limited}
    async with open_door(store) as door:
        await send(door, OTHERS)
        await send(door, SHOP, **mine)
        await send(door, {"apiVersion": "v3", "kind": "service", "metadata": {"name": "cart"}}, status=403, **mine)
        await send(door, OTHERS, status=403, **mine)
        assert await names(door) != ["Shop"]
        seen = await (await door.client.get(PATH, headers=mine)).json()
        assert [one["attributes"]["name"] for one in seen["data"]] == ["Shop"]
        assert await delete(door, "queue:default/jobs", **mine) == 403
        assert await delete(door, "service:default/shop", **mine) == 204
        await send(door, {"kind": "x"}, status=403, path="/api/v2/catalog/kind", **mine)
        assert (await door.client.post(PATH, json=SHOP)).status == 401
        reader = make_key(store, "read").key
        await send(door, SHOP, status=403, **{"DD-API-KEY": reader})
