"""The original's deployments: got, listed by query, corrected, deleted; shapes its typed client can read, refusals as recorded."""

import json
from typing import Any

import pytest

from bot.dora.instants import DAY, HOUR, MINUTE
from bot.facts.keys import DEPLOYMENTS_WRITE, READ
from bot.store import Store
from tests.support.faces import KEY, NOW, browse
from tests.support.seed import Seed, sha
from tests.web.doors import make_key
from tests.web.test_api import check, small

KEYS = {"DD-API-KEY": KEY, "DD-APPLICATION-KEY": KEY}
LIST = "/api/v2/dora/deployments"
BOTH = ("/api/v2/dora/deployment", "/api/v2/dora/deployments")


def wanted(**attributes: object) -> dict[str, object]:
    """A request for a list."""
    return {"data": {"type": "dora_deployments_list_request", "attributes": attributes}}


def patch(id: str | None = None, /, **attributes: object) -> dict[str, object]:
    """A correction."""
    return {"data": {"type": "dora_deployment_patch_request", "attributes": attributes} | ({"id": id} if id else {})}


async def ids(client: Any, **attributes: object) -> list[str]:
    """The ids of a list, in its order."""
    answer = await client.post(LIST, json=wanted(**attributes), headers=KEYS)
    assert answer.status == 200, await answer.text()
    found = (await answer.json())["data"]
    for one in found:
        check("OriginalDeployment", one)
    return [one["id"] for one in found]


async def refused(client: Any, method: str, path: str, body: object, *, status: int = 400) -> dict[str, Any]:
    """The one error of a refusal, in the original's shape."""
    answer = await client.request(method, path, json=body, headers=KEYS)
    document = await answer.json()
    assert answer.status == status, document
    check("OriginalErrors", document)
    (error,) = document["errors"]
    assert (error["status"], error["title"]) == (str(status), {400: "Bad Request", 404: "Not Found"}[status])
    return dict(error)


def facts() -> Seed:
    """The small seed without its inbox, whose numbers would be given again."""
    seed = small()
    del seed.rows["inbox"]
    return seed


@pytest.fixture
async def client(aiohttp_client: Any, store: Store) -> Any:
    """The application over the small seed."""
    return await browse(aiohttp_client, store, facts())


async def test_a_deployment_has_the_shape_that_the_typed_client_reads(client: Any) -> None:
    for path in BOTH:
        answer = await client.get(f"{path}/d2", headers=KEYS)
        assert answer.status == 200
        assert answer.content_type == "application/vnd.api+json"
        found = (await answer.json())["data"]
        check("OriginalDeployment", found)
        assert found["id"] == "d2"
        attributes = found["attributes"]
        commits = attributes.pop("commits")
        assert attributes == {
            "service": "Shop", "env": "prod", "version": "v2", "team": "Payments", "source": "api",
            "started_at": "2026-11-15T23:55:00Z", "finished_at": "2026-11-16T00:00:00Z", "created_at": "2026-11-16T00:00:00Z",
            "duration": 300,
            "git": {
                "commit_sha": sha("v2").hex(), "repository_id": "github.com/acme/shop",
                "repository_url": "https://github.com/acme/shop",
            },
            "custom_tags": ["tier:2", "lang:go"],
            "deployment_type": "standard", "change_failure": True,
            "recovery_time_sec": 86_400, "remediation": {"id": "d3", "type": "rollback"},
            "number_of_commits": 2, "number_of_pull_requests": 1, "not_computed": None,
            "averaged_metrics": {
                "change_lead_time": 172_800, "time_to_pr_ready": 3600, "review_time": 7200, "merge_time": 10_800,
                "time_to_deploy": 93_600, "deploy_time": 450,
            },
        }  # fmt: skip
        assert commits[0] == {
            "sha": sha("one").hex(), "timestamp": "2026-11-15T00:00:00Z", "author": {"email": "ada@example.com"},
            "message": "First change", "change_lead_time": 86_400, "time_to_deploy": 14_400,
        }  # fmt: skip
        assert len(commits) == 2


async def test_what_is_unknown_is_left_out_or_null(client: Any) -> None:
    attributes = (await (await client.get(f"{LIST}/c1", headers=KEYS)).json())["data"]["attributes"]
    assert {"env", "version", "team", "git", "remediation", "recovery_time_sec"}.isdisjoint(attributes)
    assert attributes["change_failure"] is None
    assert attributes["number_of_commits"] is None
    assert attributes["not_computed"] == "no_git"
    assert attributes["commits"] == []
    assert await refused(client, "GET", f"{LIST}/nobody", None, status=404)


async def test_lists_are_chosen_by_query(client: Any) -> None:
    cases: list[tuple[str, list[str]]] = [
        ("", ["s1", "c1", "d3b", "d3", "d2", "d1"]),
        ("*", ["s1", "c1", "d3b", "d3", "d2", "d1"]),
        ("service:shop env:PROD", ["d3b", "d3", "d2", "d1"]),
        ("service:(Shop OR cart) -env:staging", ["c1", "d3b", "d3", "d2", "d1"]),
        ("service:(Shop OR cart) version:v1", ["d3b", "d3", "d1"]),
        ("service:nobody", []),
        ("service:sh*", ["s1", "d3b", "d3", "d2", "d1"]),
        ("env:none", ["c1"]),
        ("-env:*", ["c1"]),
        ("team:payments version:v2", ["d2"]),
        ("version:V2", []),
        ("source:tags", ["s1"]),
        ("repository:github.com/acme/* AND NOT source:tags", ["d3b", "d3", "d2", "d1"]),
        ('repository_id:"https://github.com/acme/shop"', ["s1", "d3b", "d3", "d2", "d1"]),
        ("deployment_type:rollback", ["d3"]),
        ("type:(rollback OR standard) service:shop", ["d3b", "d3", "d2", "d1"]),
        ("change_failure:true", ["d2"]),
        ("service:shop change_failure:false", ["d3b", "d3", "d1"]),
        ("tier:2", ["d2"]),
        ("tier:1 lang:go", ["s1", "d3b", "d3", "d1"]),
        ("@custom.tier:1 version:v1", ["d3b", "d3", "d1"]),
    ]
    for query, found in cases:
        assert await ids(client, query=query) == found, query


async def test_windows_hold_both_ends_and_every_spelling_of_them(client: Any) -> None:
    began = "2026-11-15T23:55:00"
    for exact in (f"{began}Z", f"{began}.000Z", f"{began}+00:00", "2026-11-16T00:55:00.000000+01:00"):
        assert await ids(client, **{"from": exact, "to": exact}) == ["d2"], exact
    assert await ids(client, **{"from": f"{began}.000000001Z"}) == ["s1", "c1", "d3b", "d3"]
    assert await ids(client, to="2026-11-15T23:54:59.999999999Z") == ["d1"]
    assert await ids(client, **{"from": "2026-11-21T00:00:00Z"}) == []


async def test_sort_and_limit(client: Any) -> None:
    assert await ids(client, limit=2) == ["s1", "c1"]
    assert await ids(client, limit=2, sort="started_at") == ["d1", "d2"]
    assert await ids(client, limit=3, sort="-finished_at") == ["s1", "c1", "d3b"]
    assert await ids(client, limit=1, sort="service") == ["c1"]
    assert (await ids(client, sort="-version"))[:2] == ["s1", "d2"]


async def test_a_client_pages_by_shrinking_to(aiohttp_client: Any, store: Store) -> None:
    seed = Seed()
    for n in range(700):
        # In groups of three that began together; the later ones took less.
        seed.deployment(f"d{n:03}", "Shop" if n % 2 else "Cart", NOW - n * MINUTE, started_at=NOW - DAY - n // 3 * MINUTE)
    client = await browse(aiohttp_client, store, seed)
    seen: dict[str, None] = {}
    until = "2026-11-22T00:00:00Z"
    while True:
        answer = await client.post(LIST, json=wanted(to=until, limit=100), headers=KEYS)
        page = (await answer.json())["data"]
        seen |= dict.fromkeys(one["id"] for one in page)
        if len(page) < 100:
            break
        until = page[-1]["attributes"]["started_at"]
    assert sorted(seen) == [f"d{n:03}" for n in range(700)]
    assert len(await ids(client, limit=1000, query="service:shop")) == 350
    assert len(await ids(client, limit=1000, query="service:(shop OR cart)")) == 700
    assert len(await ids(client)) == 10


async def test_lists_hold_what_counts(aiohttp_client: Any, store: Store) -> None:
    seed = Seed()
    seed.deployment("counts", "Shop", NOW - DAY)
    seed.deployment("gone", "Shop", NOW - DAY, gone=1)
    seed.deployment("merged", "Shop", NOW - DAY, source="github")
    seed.derived("merged", merged_into="counts")
    seed.deployment("off", "Shop", NOW - DAY, source="tags")
    seed.derived("off", not_computed="source_off")
    client = await browse(aiohttp_client, store, seed)
    assert await ids(client) == ["counts"]
    assert await ids(client, query="service:shop") == ["counts"]
    statuses = {id: (await client.get(f"{LIST}/{id}", headers=KEYS)).status for id in ("counts", "gone", "merged", "off")}
    assert statuses == {"counts": 200, "gone": 404, "merged": 200, "off": 200}


async def test_lists_that_cannot_be_read_are_refused_by_the_field(client: Any) -> None:
    recorded = 'got type "" expected one of "dora_deployments_list_request"'
    assert (await refused(client, "POST", LIST, {"data": {"attributes": {}}}))["detail"] == recorded
    assert (await refused(client, "POST", LIST, {}))["detail"] == recorded
    cases: list[tuple[dict[str, object], str, str]] = [
        ({"from": 1_693_491_974}, "from", "Expected"),
        ({"from": "yesterday"}, "from", "2026-11-21T09:30:00Z"),
        ({"to": "9999-01-01T00:00:00Z"}, "to", "1970 to 2261"),
        ({"from": "2026-11-21T00:00:00Z", "to": "2026-11-20T00:00:00Z"}, "from", "after to"),
        ({"limit": 0}, "limit", "1 to 1000"),
        ({"limit": 1001}, "limit", "1 to 1000"),
        ({"limit": "10"}, "limit", "Expected"),
        ({"sort": "-size"}, "sort", "started_at, finished_at"),
        ({"query": "service:(a"}, "query", "Character 9: This parenthesis is never closed."),
        ({"query": "shop"}, "query", "service:shop"),
    ]
    for attributes, field, detail in cases:
        error = await refused(client, "POST", LIST, wanted(**attributes))
        assert error["source"] == {"pointer": f"/data/attributes/{field}"}
        assert detail in error["detail"]
    assert await ids(client, unheard_of={"x": 1}, page=2, limit=1) == ["s1"]
    bare = await client.post(LIST, json={"data": {"type": "dora_deployments_list_request"}}, headers=KEYS)
    assert len((await bare.json())["data"]) == 6


async def said(store: Store, id: str) -> list[tuple[object, ...]]:
    """What people said of a deployment."""
    rows = store.read(lambda reader: reader.fetch_in("overrides_of", lambda *row: row, [id]))
    return [(row[3], row[4], row[5], row[6], row[7]) for row in sorted(rows, key=lambda row: row[2])]


async def test_corrections_are_recorded_with_who_said_so(client: Any, store: Store) -> None:
    ci = make_key(store, DEPLOYMENTS_WRITE)
    headers = {"DD-API-KEY": ci.key}
    for path, body in (
        (f"{BOTH[0]}/d1", patch("d1", change_failure=True, reason="The disk was full.")),
        (f"{BOTH[1]}/d1", patch("d1", change_failure=True, remediation={"type": "rollforward", "id": "d2"})),
        (f"{BOTH[1]}/d1", patch(remediation={"type": "rollback", "version": "v2"})),
        (BOTH[1], patch(service="SHOP", env="Prod", version="v2", change_failure=False)),
        (BOTH[0], patch(service="shop", env="prod", version="v1", change_failure=True)),
        (f"{BOTH[1]}/d1", patch("d1", change_failure=None)),
    ):
        answer = await client.patch(path, json=body, headers=headers)
        assert (answer.status, await answer.json()) == (202, {"data": None}), path
    assert await said(store, "d1") == [
        (ci.id, "The disk was full.", "true", None, ""),
        (ci.id, "", "true", "rollforward", "d2"),
        (ci.id, "", None, "rollback", "d2"),
        (ci.id, "", "removed", None, ""),
    ]
    assert await said(store, "d2") == [(ci.id, "", "false", None, "")]
    assert await said(store, "d3b") == [(ci.id, "", "true", None, "")], "the most recently finished of v1"
    marks = store.read(lambda reader: reader.fetch("due_marks", lambda *row: row, now=NOW, n=10))
    assert ("classification", '["shop", "prod"]') in [row[:2] for row in marks]
    kept = store.read(lambda reader: reader.fetch("answer_deliveries", lambda *row: row, from_at=NOW, to_at=NOW + 1,
        before_at=NOW + 1, before_id=0, source="api", state="done", event="deployment_patch", n=100))  # fmt: skip
    assert len(kept) == 6


async def test_corrections_that_cannot_be_taken_are_refused_by_the_field(client: Any, store: Store) -> None:
    at = "/data/attributes"
    known = f"{LIST}/d1"
    cases: list[tuple[str, dict[str, Any], str, str]] = [
        (known, {"data": {"type": "x", "attributes": {}}}, "/data/type", 'got type "x" expected one of "dora_deployment_patch_request"'),
        (known, {"data": {"type": "dora_deployment_patch_request"}}, at, "attributes is required"),
        (known, patch("d2", change_failure=True), "/data/id", "another id"),
        (known, patch(), at, "Nothing is corrected"),
        (known, patch(change_failure="yes"), f"{at}/change_failure", "Expected"),
        (known, patch(remediation={"type": "magic", "id": "d2"}), f"{at}/remediation/type",
         'attribute "type" must be one of "rollback rollforward"'),
        (known, patch(remediation={"type": "rollback"}), f"{at}/remediation", "id or by its version"),
        (known, patch(remediation={"type": "rollback", "id": "d2", "version": "v2"}), f"{at}/remediation", "not by both"),
        (known, patch(remediation={"type": "rollback", "id": "d1"}), f"{at}/remediation", "does not mend itself"),
        (known, patch(remediation={"type": "rollback", "version": "v9"}), f"{at}/remediation/version", "No deployment"),
        (known, patch(change_failure=False, remediation={"type": "rollback", "id": "d2"}), f"{at}/remediation", "failed"),
        (LIST, patch(change_failure=True), f"{at}/service", "required"),
        (LIST, patch(service="shop", env="prod", change_failure=True), f"{at}/version", "required"),
        (LIST, patch(service="shop", env="prod", version="v1"), f"{at}/change_failure", "required"),
    ]  # fmt: skip
    for path, body, pointer, detail in cases:
        error = await refused(client, "PATCH", path, body)
        assert error["source"] == {"pointer": pointer}, body
        assert detail in error["detail"]
    for path, body in (
        (f"{LIST}/nobody", patch("nobody", change_failure=True)),
        (LIST, patch(service="shop", env="prod", version="v9", change_failure=True)),
        (LIST, patch(service="shop", env="none", version="v1", change_failure=True)),
    ):
        await refused(client, "PATCH", path, body, status=404)
    assert await said(store, "d1") == []


async def test_a_release_without_env_is_named_by_none(aiohttp_client: Any, store: Store) -> None:
    seed = Seed()
    seed.deployment("bare", "Shop", NOW - DAY, env="", version="v1")
    seed.deployment("prod", "Shop", NOW - HOUR, version="v1")
    client = await browse(aiohttp_client, store, seed)
    body = patch(service="shop", env="none", version="v1", change_failure=True)
    assert (await client.patch(LIST, json=body, headers=KEYS)).status == 202
    assert len(await said(store, "bare")) == 1
    assert await said(store, "prod") == []


async def test_what_is_deleted_stays_so(client: Any) -> None:
    body = {"data": {"attributes": {"service": "Shop", "started_at": 1_793_000_000, "finished_at": 1_793_000_100}}}

    async def send() -> str:
        answer = await client.post(BOTH[0], json=body, headers=KEYS)
        assert answer.status == 200
        return str((await answer.json())["data"]["id"])

    id = await send()
    assert id in await ids(client)
    for path, other in ((f"{BOTH[0]}/{id}", id), (f"{BOTH[1]}/d2", "d2")):
        answer = await client.delete(path, headers=KEYS)
        assert answer.status == 202, await answer.text()
        assert other not in await ids(client)
        await refused(client, "GET", path, None, status=404)
        await refused(client, "DELETE", path, None, status=404)
    assert await send() == id
    assert id not in await ids(client)


async def test_who_may(aiohttp_client: Any, store: Store) -> None:
    client = await browse(aiohttp_client, store, facts(), DASHBOARD="login")
    ci, reading = make_key(store, DEPLOYMENTS_WRITE), make_key(store, READ)
    cart = make_key(store, DEPLOYMENTS_WRITE, READ, services=("Cart",))

    async def status(method: str, path: str, body: object, *keys: str) -> int:
        headers = dict(zip(("DD-API-KEY", "DD-APPLICATION-KEY"), keys, strict=False))
        answer = await client.request(method, path, json=body, headers=headers)
        if answer.status in {401, 403}:
            errors = (await answer.json())["errors"]
            assert errors == [{401: "Unauthorized", 403: "Forbidden"}[answer.status]]
        return int(answer.status)

    all_of_them = wanted()
    assert await status("POST", LIST, all_of_them) == 401
    assert await status("POST", LIST, all_of_them, ci.key) == 401
    assert await status("POST", LIST, all_of_them, ci.key, ci.key) == 403
    assert await status("POST", LIST, all_of_them, ci.key, reading.key) == 200
    assert await status("POST", LIST, all_of_them, cart.key, cart.key) == 403
    assert await status("POST", LIST, wanted(query="service:(cart OR shop)"), cart.key, cart.key) == 403
    assert await status("POST", LIST, wanted(query="service:cart OR env:prod"), cart.key, cart.key) == 403
    assert await status("POST", LIST, wanted(query="service:cart"), cart.key, cart.key) == 200
    assert await status("GET", f"{LIST}/c1", None, cart.key, cart.key) == 200
    assert await status("GET", f"{LIST}/d1", None, cart.key, cart.key) == 403
    assert await status("PATCH", f"{LIST}/d1", patch(change_failure=True), reading.key, reading.key) == 403
    assert await status("PATCH", f"{LIST}/d1", patch(change_failure=True), cart.key) == 403
    assert await status("PATCH", f"{LIST}/c1", patch(change_failure=True), cart.key) == 202
    mended = patch(change_failure=True, remediation={"type": "rollback", "id": "d1"})
    assert await status("PATCH", f"{LIST}/c1", mended, cart.key) == 403, "the other one's type would change"
    asked = patch(change_failure=True, remediation={"type": "rollback", "version": "v9"})
    assert await status("PATCH", f"{LIST}/d1", asked, cart.key) == 403, "not whether it deployed that version"
    by_version = patch(service="shop", env="prod", version="v1", change_failure=True)
    assert await status("PATCH", LIST, by_version, cart.key) == 403
    by_version = patch(service="shop", env="prod", version="v9", change_failure=True)
    assert await status("PATCH", LIST, by_version, cart.key) == 403, "not even whether there is one"
    assert await status("DELETE", f"{LIST}/d1", None, reading.key) == 403
    assert await status("DELETE", f"{LIST}/d1", None, cart.key) == 403
    assert await status("DELETE", f"{LIST}/c1", None, cart.key) == 202


async def test_strange_texts_are_no_trouble(client: Any, store: Store) -> None:
    for id in ("%00", "a%2Fb", "%ED%A0%80", "x" * 2000):
        assert (await client.get(f"{LIST}/{id}", headers=KEYS)).status == 404
        assert (await client.delete(f"{LIST}/{id}", headers=KEYS)).status == 404
    nul = json.loads('"a\\u0000b"')
    assert await ids(client, query=f'service:"{nul}"') == []
    answer = await client.patch(
        LIST, json=patch(service="shop", env="prod", version=nul, change_failure=True, reason=nul), headers=KEYS
    )
    assert answer.status == 404
    answer = await client.patch(f"{LIST}/d1", json=patch(change_failure=True, reason=nul), headers=KEYS)
    assert answer.status == 202
    assert await said(store, "d1") == [("API_KEYS", "a\\u0000b", "true", None, "")]
