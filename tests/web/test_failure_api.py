"""The original's failures at the HTTP door: matched, closed, asked for, deleted; and listed by our own API."""

import csv
import io
from itertools import permutations
from typing import Any

import pytest

from bot.dora.instants import DAY, SECOND
from bot.facts.sources import select_source
from bot.store import Store
from tests.sources.test_failures import FULL, INVALID, SHA, STARTED, URL, document
from tests.support.seed import Seed
from tests.web.doors import API_KEY, NOW, Door, make_key, open_door, receipts
from tests.web.test_api import check

PATH = "/api/v2/dora/failure"
KEY = {"DD-API-KEY": API_KEY, "Content-Type": "application/json"}
READ = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": API_KEY}


async def send(door: Door, *, path: str = PATH, headers: dict[str, str] = KEY, **attributes: object) -> str:
    """Report a failure; its id."""
    door.now[0] += 1
    answer = await door.client.post(path, data=document(**attributes), headers=headers)
    assert answer.status == 200, await answer.text()
    assert answer.content_type == "application/vnd.api+json"
    data = (await answer.json())["data"]
    assert data["type"] == "dora_failure"
    return str(data["id"])


async def get(door: Door, path: str, *, status: int = 200, headers: dict[str, str] = READ, **parameters: str) -> Any:
    """The JSON that a GET answers."""
    answer = await door.client.get(path, params=parameters, headers=headers)
    assert answer.status == status, await answer.text()
    found = await answer.json()
    if path == "/api/v1/failures" and status == 200:
        check("FailureList", found)
    elif status == 200:
        check("OriginalFailure", found["data"])
    return found


async def listed(door: Door, *, status: int = 200, headers: dict[str, str] = READ, **attributes: object) -> Any:
    """The ids that the original's list answers, or its refusal."""
    body = {"data": {"type": "dora_failures_list_request", "attributes": attributes}}
    answer = await door.client.post("/api/v2/dora/failures", json=body, headers=headers)
    assert answer.status == status, await answer.text()
    found = await answer.json()
    for one in found.get("data", ()):
        check("OriginalFailure", one)
    return [one["id"] for one in found["data"]] if status == 200 else found


async def test_a_failure_is_told_closed_and_read(store: Store) -> None:
    """The documented example: sent at the start, and again once it is over."""
    async with open_door(store) as door:
        id = await send(door, **{name: value for name, value in FULL.items() if name not in ("id", "finished_at")})
        assert len(id) == 36
        begun = (await get(door, f"/api/v2/dora/failures/{id}"))["data"]["attributes"]
        assert (begun["state"], begun["time_to_restore"]) == ("active", None)
        assert "finished_at" not in begun
        assert await send(door, **FULL | {"id": ...}) == id
        for path in ("failures", "failure"):
            data = (await get(door, f"/api/v2/dora/{path}/{id}"))["data"]
            assert data == {
                "id": id,
                "type": "dora_failure",
                "attributes": {
                    "services": ["cart", "Shopist"], "team": "shopist-devs", "env": "Prod", "name": "Web server is down",
                    "severity": "High", "version": "v1.12.07", "started_at": "2023-08-31T14:26:14Z",
                    "finished_at": "2023-08-31T14:26:24Z", "custom_tags": ["department:engineering", "app_type:backend"],
                    "git": {"commit_sha": SHA, "repository_url": URL, "repository_id": "github.com/organization/example-repository"},
                    "source": "api", "state": "resolved", "time_to_restore": 10, "deployments": [],
                },
            }  # fmt: skip
        assert "marks" in door.woken
    assert receipts(store) == [], "nothing is left to do"


async def test_what_one_failure_is_matched_by(store: Store) -> None:
    async with open_door(store) as door:
        id = await send(door, services=["Shopist", "cart"], env="Prod")
        for same in (
            {"services": ["cart", " shopist "], "env": "prod", "started_at": STARTED * 1_000},
            {"services": ["cart", "shopist"], "env": "PROD", "team": "core", "version": "v2", "git": {"commit_sha": SHA, "repository_url": URL}},
        ):  # fmt: skip
            assert await send(door, **same) == id
            assert await send(door, path="/api/v2/dora/incident", **same) == id
        others = [
            await send(door, services=["cart"], env="prod"),
            await send(door, services=["cart", "shopist"]),
            await send(door, services=["cart", "shopist"], env="prod", started_at=STARTED + 1),
            await send(door, services=..., team="core", env="prod"),
            await send(door, services=..., team="Pay", env="prod"),
            # Different ids never merge: what has an id of its own is matched by that alone.
            await send(door, services=["cart", "shopist"], env="prod", id="incident-of-today-1"),
        ]
        assert len({id, *others}) == 7
        assert await send(door, services=..., team=" CORE", env="prod", name="x") == others[3]
        assert await send(door, services=["other"], started_at=STARTED + 5, id=others[5]) == others[5]
        found = (await get(door, "/api/v1/failures"))["data"]
        assert sorted(one["id"] for one in found) == sorted({id, *others})
        assert {one["id"]: one["services"] for one in found}[others[5]] == ["other"]


async def test_any_order_of_the_same_posts_is_one_state(store: Store) -> None:
    posts: list[dict[str, object]] = [
        {"services": ["Shop"], "env": "prod"},
        {"services": ["shop"], "env": "prod", "finished_at": 10, "name": "closed"},
        {"services": ["shop"], "env": "prod", "id": "an-id-of-its-own", "name": "other"},
        {"services": ["cart"], "env": "prod", "id": "an-id-of-its-own", "name": "moved"},
    ]
    seen = set()
    async with open_door(store) as door:
        for day, order in enumerate(permutations(range(len(posts)))):
            begun = STARTED + day * 86_400
            for n in order:
                own = {"started_at": begun} | posts[n]
                own |= {"id": f"{posts[n]['id']}-{day}"} if "id" in posts[n] else {}
                own |= {"finished_at": begun + 10} if "finished_at" in posts[n] else {}
                door.now[0] = NOW + n
                assert (await door.client.post(PATH, data=document(**own), headers=KEY)).status == 200
            found = (await get(door, "/api/v1/failures", limit="2"))["data"]
            seen.add(tuple(sorted((row["name"], row["state"], *row["services"], row["time_to_restore"] or 0) for row in found)))
    assert seen == {(("closed", "resolved", "shop", 10), ("moved", "active", "cart", 0))}


async def test_every_invalid_field_is_named_and_nothing_is_kept(store: Store) -> None:
    async with open_door(store) as door:
        for path in (PATH, "/api/v2/dora/incident"):
            for attributes, field in INVALID:
                answer = await door.client.post(path, data=document(**attributes), headers=KEY)
                assert answer.status == 400, attributes
                (error,) = (await answer.json())["errors"]
                assert (error["status"], error["title"]) == ("400", "Bad Request")
                assert error["source"] == {"pointer": f"/data/attributes/{field}"}
        assert (await get(door, "/api/v1/failures"))["data"] == []
    assert store.read(lambda reader: reader.fetch("answer_delivery_counts", lambda *row: row)) == []


async def test_deleted_stays_deleted(store: Store) -> None:
    async with open_door(store) as door:
        one, other = await send(door), await send(door, id="an-id-of-its-own-1")
        deploy_key = make_key(store, "deployments:write").key
        refused = await door.client.delete(f"{PATH}/{one}", headers={"DD-API-KEY": deploy_key})
        assert refused.status == 403
        for path, id in ((PATH, one), ("/api/v2/dora/failures", other)):
            gone = await door.client.delete(f"{path}/{id}", headers=READ)
            assert (gone.status, await gone.json()) == (202, {"data": None})
            again = await door.client.delete(f"{path}/{id}", headers=READ)
            assert again.status == 404
            await get(door, f"/api/v2/dora/failures/{id}", status=404)
        assert await send(door, finished_at=STARTED + 1) == one
        assert (await get(door, "/api/v1/failures"))["data"] == []
        new = await send(door, id="another-id-for-it-1")
        assert await listed(door) == [new]


async def test_the_list_of_the_original(store: Store) -> None:
    async with open_door(store) as door:
        ids = {
            name: await send(door, id=f"the-failure-called-{name}", **attributes)
            for name, attributes in {
                "a": {"severity": "SEV-1", "env": "prod", "finished_at": STARTED + 50},
                "b": {"severity": "SEV-2", "services": ["cart", "Shop"], "started_at": STARTED + 10, "team": "core"},
                "c": {"severity": "SEV-3", "services": ["cart"], "started_at": STARTED + 20, "finished_at": STARTED + 30, "version": "v1"},
                "d": {"services": ..., "team": "core", "started_at": STARTED + 30, "custom_tags": ["department:hr"]},
            }.items()
        }  # fmt: skip
        names = {id: name for name, id in ids.items()}

        async def found(**attributes: object) -> str:
            return "".join(names[id] for id in await listed(door, **attributes))

        assert await found() == "dcba"
        assert await found(limit=2) == "dc"
        assert await found(sort="started_at", limit=3) == "abc"
        assert await found(sort="finished_at") == "cabd"
        assert await found(sort="-finished_at") == "acdb"
        assert await found(sort="severity") == "abcd"
        assert await found(query="severity:(SEV-1 OR SEV-2)") == "ba"
        assert await found(query="service:(shop OR shopist) -env:prod") == "b"
        assert await found(query="env:none team:CORE") == "db"
        assert await found(query="department:hr OR version:v1 OR state:resolved") == "dca"
        # Both ends belong to the window: one pages by shrinking `to`.
        assert await found(**{"from": "2023-08-31T14:26:24Z", "to": "2023-08-31T14:26:34+00:00"}) == "cb"
        for attributes, pointer in (
            ({"query": "service:("}, "attributes/query"), ({"limit": 1001}, "attributes/limit"), ({"sort": "id"}, "attributes/sort"),
            ({"from": 5}, "attributes/from"),
        ):  # fmt: skip
            refused = await listed(door, status=400, **attributes)
            assert refused["errors"][0]["source"]["pointer"] == f"/data/{pointer}"
        bad = await door.client.post("/api/v2/dora/failures", json={"data": {}}, headers=READ)
        assert (await bad.json())["errors"][0]["detail"] == 'got type "" expected one of "dora_failures_list_request"'


async def test_the_definitions_team_tags_and_languages_are_attached(store: Store) -> None:
    seed = Seed()
    seed.definition("Shopist", team="Payments", tags='["tier:1", "lang:go"]', languages='["go"]')
    seed.definition("Cart", team="Core", tags='["tier:2"]')
    seed.write(store)
    async with open_door(store) as door:
        one = await send(door, custom_tags=["lang:rust"])
        both = await send(door, services=["shopist", "CART"])
        own = await send(door, services=["cart"], team="Mine", custom_tags=["tier:9"])
        shown = {id: (await get(door, f"/api/v2/dora/failures/{id}"))["data"]["attributes"] for id in (one, both, own)}
        assert (shown[one]["team"], shown[one]["custom_tags"]) == ("Payments", ["lang:rust", "tier:1", "language:go"])
        assert (shown[both]["team"], shown[both]["custom_tags"]) == ("Core", ["tier:2", "tier:1", "lang:go", "language:go"])
        assert (shown[own]["team"], shown[own]["custom_tags"]) == ("Mine", ["tier:9"])

        async def found(**parameters: str) -> set[str]:
            return {row["id"] for row in (await get(door, "/api/v1/failures", **parameters))["data"]}

        assert await found(team="payments") == {one, both}, "several teams: any of them"
        assert await found(team="core") == {both}
        assert await found(tag="language:go") == {one, both}


async def test_a_commit_or_a_version_names_the_deployment(store: Store) -> None:
    seed, at = Seed(), STARTED * SECOND
    git = {"repository": "github.com/organization/example-repository", "repository_url": URL, "commit_sha": bytes.fromhex(SHA)}
    seed.deployment("before", "Shopist", at - DAY, version="v1", **git)
    seed.deployment("latest", "Shopist", at - 1, version="v2", **git)
    seed.deployment("after", "Shopist", at + DAY, version="v1", **git)
    seed.deployment("staging", "Shopist", at - 1, env="staging", version="v1")
    seed.deployment("cart-later", "Cart", at + 5, version="v1")
    seed.deployment("gone", "Cart", at + 4, version="v1", gone=1)
    seed.deployment("foreign", "Other", at - 1, version="v1", **git)
    seed.write(store)
    told = {"commit_sha": SHA, "repository_url": URL}
    async with open_door(store) as door:
        for attributes, deployments in (
            ({"env": "prod", "git": told, "version": "v1"}, ["latest"]),
            ({"env": "prod", "version": "v1"}, ["before"]),
            ({"version": "v1"}, ["before", "staging"]),
            ({"services": ["shopist", "cart"], "env": "prod", "version": "v1"}, ["cart-later", "before"]),
            ({"version": "v9"}, []),
            ({}, []),
        ):
            id = await send(door, **attributes)
            assert (await get(door, f"/api/v2/dora/failures/{id}"))["data"]["attributes"]["deployments"] == deployments


async def test_failures_in_our_own_list(store: Store) -> None:
    async with open_door(store) as door:
        one = await send(door, env="Prod", severity="High", finished_at=STARTED + 90, name="Down", git={"commit_sha": SHA, "repository_url": URL})
        two = await send(door, services=["cart", "Shop"], started_at=STARTED + 10, custom_tags=["a:b"])
        three = await send(door, services=..., team="Core", started_at=STARTED + 10, env="live")
        first = await get(door, "/api/v1/failures", limit="1")
        assert first["next"] is not None
        rest = await get(door, "/api/v1/failures", limit="2", cursor=first["next"])
        assert rest["next"] is None
        assert {first["data"][0]["id"], rest["data"][0]["id"]} == {two, three}
        assert rest["data"][1] == {
            "id": one, "services": ["shopist"], "team": None, "env": "Prod", "name": "Down", "severity": "High", "source": "api",
            "state": "resolved", "started_at": "2023-08-31T14:26:14Z", "finished_at": "2023-08-31T14:27:44Z", "time_to_restore": 90,
            "other_services": 0,
        }  # fmt: skip
        for parameters, ids in (
            ({"service": "SHOP"}, {two}), ({"service": "cart"}, {two}), ({"env": "none"}, {two}), ({"env": "production"}, {one, two, three}),
            ({"team": "core"}, {three}), ({"severity": "high"}, {one}), ({"tag": "a:b"}, {two}), ({"source": "incidents"}, set()),
            ({"repository": "git@github.com:Organization/example-repository.git"}, {one}), ({"from": "2023-08-31T14:26:24Z"}, {two, three}),
            ({"to": "2023-08-31T14:26:24Z"}, {one}),
        ):  # fmt: skip
            assert {row["id"] for row in (await get(door, "/api/v1/failures", **parameters))["data"]} == ids, parameters
        await get(door, "/api/v1/failures", status=400, colour="red")
        table = await (await door.client.get("/api/v1/failures.csv", headers=READ)).text()
        rows = list(csv.DictReader(io.StringIO(table)))
        assert [row["id"] for row in rows][2] == one
        assert (rows[2]["time_to_restore"], rows[2]["team"]) == ("90", "")


async def test_a_source_that_is_off_is_kept_and_not_listed(store: Store) -> None:
    async with open_door(store) as door:
        id = await send(door)
        store.write(lambda writer: select_source(writer, "failures", "api", on=False, at=NOW))
        assert (await get(door, "/api/v1/failures"))["data"] == []
        assert await listed(door) == []
        assert (await get(door, f"/api/v2/dora/failures/{id}"))["data"]["id"] == id
        store.write(lambda writer: select_source(writer, "failures", "api", on=True, at=NOW + 1))
        assert await listed(door) == [id], "off and on keeps the first selection: the beginning of time"


async def test_keys_that_are_limited_to_services(store: Store) -> None:
    limited = {"DD-API-KEY": make_key(store, "failures:write", "read", services=("Shopist",)).key}
    limited["DD-APPLICATION-KEY"] = limited["DD-API-KEY"]
    async with open_door(store, API_KEYS=API_KEY, DASHBOARD="login") as door:
        mine = await send(door, headers=limited, services=["SHOPIST"])
        mixed = await send(door, services=["shopist", "cart"])
        theirs = await send(door, services=["cart"], id="an-id-of-their-own-1")
        for attributes in (
            {"services": ["shopist", "cart"]}, {"services": ["cart"]}, {"services": ..., "team": "core"}, {"services": ["shopist"], "id": theirs},
        ):  # fmt: skip
            refused = await door.client.post(PATH, data=document(**attributes), headers=limited)
            assert (refused.status, (await refused.json())["errors"]) == (403, ["Forbidden"])
        for id, status in ((mine, 200), (mixed, 200), (theirs, 403)):
            await get(door, f"/api/v2/dora/failures/{id}", status=status, headers=limited)
        await listed(door, status=403, headers=limited)
        assert set(await listed(door, headers=limited, query="service:shopist")) == {mine, mixed}
        await get(door, "/api/v1/failures", status=403, headers=limited)
        for id, status in ((theirs, 403), (mixed, 403), (mine, 202), ("never-heard-of-this", 404)):
            assert (await door.client.delete(f"{PATH}/{id}", headers=limited)).status == status
        await listed(door, status=401, headers={})


async def test_what_has_not_come_yet_is_refused(store: Store) -> None:
    now = NOW // SECOND
    async with open_door(store) as door:
        for told, field in (
            ({"started_at": now + 3_600}, "started_at"),
            ({"started_at": now - 60, "finished_at": now + 3_600}, "finished_at"),
        ):
            answer = await door.client.post(PATH, data=document(**told), headers=KEY)
            assert answer.status == 400
            assert (await answer.json())["errors"][0]["source"] == {"pointer": f"/data/attributes/{field}"}
        attributes = {"title": "Down", "customer_impacted": False, "declared": "2027-01-01T00:00:00Z"}
        body = {"data": {"type": "incidents", "attributes": attributes}}
        assert (await door.client.post("/api/v2/incidents", json=body, headers=KEY)).status == 400
        assert (await get(door, "/api/v1/failures"))["data"] == []
        await send(door, started_at=now + 300)


@pytest.mark.parametrize("path", [PATH, "/api/v2/dora/incident"])
async def test_who_may_send(store: Store, path: str) -> None:
    async with open_door(store) as door:
        assert (await door.client.post(path, data=document())).status == 401
        reader = {"DD-API-KEY": make_key(store, "read").key}
        assert (await door.client.post(path, data=document(), headers=reader)).status == 403
        url = "https://user:canary-token@github.com/organization/example-repository.git"
        await send(door, path=path, git={"commit_sha": SHA, "repository_url": url})
    store.write(lambda writer: writer.execute("replay_delivery", id=1, now=NOW, empty=b""))
    ((_, _, kept),) = receipts(store)
    assert isinstance(kept, bytes) and b"example-repository" in kept and b"canary" not in kept
