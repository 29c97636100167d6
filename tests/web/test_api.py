"""The project's own API: shapes, filters, pages of lists, refusals; on both engines."""

import csv
import io
import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

import bot
from bot.dora.changes import Candidate
from bot.dora.deployments import Series
from bot.dora.instants import DAY, HOUR, MINUTE
from bot.dora.reasons import Dropped
from bot.facts.keys import create_key
from bot.facts.marks import mark_series
from bot.sources.editor_schema import editor_schema
from bot.web.routes import rows as all_rows
from tests.support.faces import KEY, NOW, browse
from tests.support.seed import Change, Seed, organisation, sha

BEARER = {"Authorization": f"Bearer {KEY}"}
OPENAPI = yaml.safe_load((Path(bot.__file__).parent / "openapi.yaml").read_text())
STAGED = (HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 10 * MINUTE)
LISTS = ("deployments", "failures", "services", "repositories", "pull-requests", "deliveries")


def small() -> Seed:
    """Shop: a first deployment, one with two changes that failed, its rollback; Cart: one without git; one not derived yet."""
    seed = Seed()
    seed.repository(1, "github.com/acme/shop", synced_at=NOW - HOUR)
    seed.path(1, "services/shop/app.py")
    seed.claim("Shop")
    seed.definition("Shop", team="Payments", tags='["tier:1", "lang:go"]', patterns=["services/shop/**", "gone/*"])
    git = {"repository": "github.com/acme/shop", "repository_url": "https://github.com/acme/shop"}
    seed.deployment("d1", "Shop", NOW - 8 * DAY, version="v1", commit_sha=sha("v1"), **git)
    seed.derived("d1", not_computed="first_deployment")
    seed.deployment("d2", "Shop", NOW - 6 * DAY, version="v2", commit_sha=sha("v2"), tags='["tier:2"]', **git)
    one = seed.commit(1, "one", at=NOW - 7 * DAY, author="Ada <ada@example.com>", subject="First change")
    two = seed.commit(1, "two", at=NOW - 9 * DAY, author="Bo <bo@example.com>", subject="Second change")
    out = seed.commit(1, "out", at=NOW - 7 * DAY, author="Bo <bo@example.com>", subject="Docs")
    seed.pull_request(1, 12, updated_at=NOW - 6 * DAY - 4 * HOUR, title="First change", merge_sha=one)
    seed.rows["introduced"].append(
        {"repository_id": 1, "sha": one, "number": 12, "role": "landed", "position": 0, "merged_at": NOW - 6 * DAY}
    )
    seed.derived(
        "d2",
        Change(sha=one, lead_time=DAY, stages=STAGED, number=12),
        Change(sha=two, lead_time=3 * DAY + 1, stages=(None, None, None, 2 * DAY, 5 * MINUTE), absent=("no_pull_request",) * 3
               + ("", ""), redeployed=True, first_delivery=False),
        predecessor="d1",
        dropped=[Candidate(sha=out, reason=Dropped.PATH)],
    )  # fmt: skip
    seed.deployment("d3", "Shop", NOW - 5 * DAY, version="v1", commit_sha=sha("v1"), **git)
    seed.derived("d3", type="rollback", not_computed="moved_backwards", predecessor="d2")
    seed.remediation("d3", "d2", value="v1", original="v1")
    seed.deployment("d3b", "Shop", NOW - 4 * DAY, version="v1", commit_sha=sha("v1"), **git)
    seed.derived("d3b", not_computed="same_commit", predecessor="d3")
    seed.remediation("d3b", "d2", type="rollforward", rule="revert-title", field="pr_title", value="late", original="12")
    seed.deployment("c1", "Cart", NOW - 3 * DAY, env="")
    seed.derived("c1", not_computed="no_git")
    seed.deployment("s1", "Shop", NOW - 2 * DAY, env="Staging", version="v3", commit_sha=sha("v3"), source="tags", **git)
    seed.rows["source_switch"].append(
        {"kind": "deployments", "name": "tags", "selected_from": 0, "is_on": 1, "told_at": NOW, "receipt": 0}
    )
    for n in range(5):
        seed.delivery(NOW - n * HOUR, event="push" if n % 2 else "ping", state="dead" if n == 3 else "done")
    return seed


@pytest.fixture
async def client(aiohttp_client, store):
    """The API over the small seed."""
    return await browse(aiohttp_client, store, small())


async def get(client, path, *, status=200, headers=BEARER, **parameters):
    """The JSON (or text) that a GET answers."""
    response = await client.get(f"/api/v1/{path}", params=parameters or None, headers=headers)
    body = await response.text()
    assert response.status == status, body
    return json.loads(body) if response.content_type == "application/json" else body


def check(schema, value):
    """Hold a value against the API's own description."""
    jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **OPENAPI}).validate(value)


async def test_metrics_have_exactly_the_documented_shape(client):
    answer = await get(client, "metrics", service="shop", env="production")
    check("Metrics", answer)
    begin = "2026-11-14T00:00:00Z"  # the first known event, not 30 days ago
    assert answer == {
        "from": begin,
        "to": "2026-11-22T00:00:00Z",
        "tz": "UTC",
        "interval": None,
        "filters": {"service": "shop", "env": "production"},
        "data": [
            {
                "group": {},
                "from": begin,
                "to": "2026-11-22T00:00:00Z",
                "deployments": 4,
                "deployment_frequency": {"per_day": 0.5, "days_with_deployment": 4, "median_gap": 86_400},
                "change_lead_time": {
                    "median": 172_800.0000000005,
                    "mean": 172_800.0000000005,
                    "p75": 216_000.00000000075,
                    "p90": 241_920.0000000009,
                    "commits": 2,
                    "redeployed": 1,
                    "stages": {
                        "time_to_pr_ready": dict.fromkeys(("median", "mean", "p75", "p90"), 3_600) | {"commits": 1},
                        "review_time": dict.fromkeys(("median", "mean", "p75", "p90"), 7_200) | {"commits": 1},
                        "merge_time": dict.fromkeys(("median", "mean", "p75", "p90"), 10_800) | {"commits": 1},
                        "time_to_deploy": {"median": 93_600, "mean": 93_600, "p75": 133_200, "p90": 156_960, "commits": 2},
                        "deploy_time": {"median": 450, "mean": 450, "p75": 525, "p90": 570, "commits": 2},
                    },
                },
                "change_failure_rate": {"value": 0.25, "failed": 1, "deployments": 4, "formula": "all"},
                "failed_deployment_recovery_time": {"median": 86_400, "mean": 86_400, "count": 1, "unrecovered": 0},
                "time_to_restore": {"median": None, "mean": None, "count": 0, "open": 0},
                "deployment_rework_rate": {"value": 0.25, "count": 1, "basis": "detected"},
                "failures": {"count": 0, "without_service": 0, "without_team": 0, "without_env": 0},
                "not_counted": {
                    "first_deployment": 1,
                    "moved_backwards": 1,
                    "no_failures": 1,
                    "no_pull_request": 1,
                    "same_commit": 1,
                },
            }
        ],
    }


async def test_metrics_by_group_and_bucket(client):
    answer = await get(client, "metrics", group_by="service", **{"from": "2026-11-10"})
    check("Metrics", answer)
    assert [(row["group"], row["deployments"]) for row in answer["data"]] == [({"service": "Cart"}, 1), ({"service": "Shop"}, 5)]
    assert answer["data"][0]["not_counted"] == {"no_changes": 1, "no_failures": 1, "no_git": 1, "no_identity": 1}
    by_env = await get(client, "metrics", group_by="env")
    assert [(row["group"]["env"], row["deployments"]) for row in by_env["data"]] == [(None, 1), ("prod", 4), ("Staging", 1)]
    weeks = await get(client, "metrics", interval="week", tz="Europe/Berlin", service="shop", env="prod")
    assert [(row["from"], row["to"], row["deployments"]) for row in weeks["data"]] == [
        ("2026-11-14T00:00:00Z", "2026-11-15T23:00:00Z", 1),
        ("2026-11-15T23:00:00Z", "2026-11-22T00:00:00Z", 3),
    ]
    empty = await get(client, "metrics", service="nobody")
    assert empty["data"][0]["not_counted"] == {"no_changes": 1, "no_deployments": 1, "no_failures": 1}
    assert empty["data"][0]["change_lead_time"]["median"] is None
    assert (await get(client, "metrics", service="nobody", group_by="service"))["data"] == []


async def test_metrics_by_unit_formula_and_first_delivery(client):
    async def ask(**parameters):
        answer = await get(client, "metrics", service="shop", env="prod", **parameters)
        return answer["data"][0]

    assert (await ask(unit="deployment"))["change_lead_time"]["p90"] == 172_800
    assert (await ask(first_delivery="true"))["change_lead_time"]["median"] == 86_400
    assert (await ask(formula="excluding_rollbacks"))["change_failure_rate"] == {
        "value": 1 / 3, "failed": 1, "deployments": 3, "formula": "excluding_rollbacks",
    }  # fmt: skip
    incidents = await ask(formula="incidents")
    assert (incidents["change_failure_rate"]["value"], incidents["not_counted"]["no_failures"]) == (None, 1)


async def test_a_deployment_has_exactly_the_documented_fields(client):
    answer = await get(client, "deployments/d2")
    check("Deployment", answer)
    assert answer == {
        "id": "d2",
        "service": "Shop",
        "env": "prod",
        "version": "v2",
        "repository": "github.com/acme/shop",
        "commit_sha": sha("v2").hex(),
        "started_at": "2026-11-15T23:55:00Z",
        "finished_at": "2026-11-16T00:00:00Z",
        "source": "api",
        "team": "Payments",
        "tags": ["tier:2", "lang:go"],
        "type": "standard",
        "change_failure": True,
        "remediation": {"id": "d3", "type": "rollback"},
        "recovery_time": 86_400,
        "predecessor": "d1",
        "change_lead_time": {"mean": 172_800.0, "median": 172_800, "min": 86_400, "max": 259_200.000000001, "commits": 2},
        "not_computed": None,
        "flags": [],
        "merged_into": None,
    }
    cart = await get(client, "deployments/c1")
    assert (cart["env"], cart["version"], cart["repository"], cart["team"]) == (None, None, None, None)
    assert (cart["change_failure"], cart["not_computed"], cart["change_lead_time"]) == (None, "no_git", None)


async def test_what_is_not_derived_yet_is_pending(client, store):
    staging = await get(client, "deployments/s1")
    assert (staging["not_computed"], staging["type"], staging["change_failure"]) == ("pending", None, None)
    store.write(lambda writer: mark_series(writer, Series(service="shop", env="prod"), from_at=NOW - 5 * DAY))
    listed = await get(client, "deployments", service="shop", env="prod")
    assert [(one["id"], one["not_computed"]) for one in listed["data"]] == [
        ("d3b", "pending"), ("d3", "pending"), ("d2", None), ("d1", "first_deployment"),
    ]  # fmt: skip
    metrics = (await get(client, "metrics", service="shop", env="prod"))["data"][0]
    assert (metrics["deployments"], metrics["not_counted"]["pending"], metrics["change_lead_time"]["commits"]) == (4, 2, 2)
    store.write(lambda writer: mark_series(writer, Series(service="shop", env="prod"), from_at=NOW - 7 * DAY))
    metrics = (await get(client, "metrics", service="shop", env="prod"))["data"][0]
    assert (metrics["not_counted"]["pending"], metrics["change_lead_time"]["commits"]) == (3, 0)


async def test_filters_choose_deployments(client):
    async def ids(**parameters):
        return [one["id"] for one in (await get(client, "deployments", **parameters))["data"]]

    everything = ["s1", "c1", "d3b", "d3", "d2", "d1"]
    assert await ids() == everything
    assert await ids(service=" SHOP ") == ["s1", "d3b", "d3", "d2", "d1"]
    assert await ids(team="payments", env="staging") == ["s1"]
    assert await ids(env="none") == ["c1"]
    assert await ids(env="production") == ["c1", "d3b", "d3", "d2", "d1"]
    assert await ids(source="tags") == ["s1"]
    assert await ids(repository="https://token@GitHub.com/acme/shop.git") == ["s1", "d3b", "d3", "d2", "d1"]
    assert await ids(tag="tier:1") == ["s1", "d3b", "d3", "d1"]
    assert await ids(tag="tier:2") == ["d2"]
    response = await client.get("/api/v1/deployments", params=[("tag", "tier:2"), ("tag", "lang:go")])
    assert [one["id"] for one in (await response.json())["data"]] == ["d2"]
    assert await ids(**{"from": "2026-11-16T00:00:00Z", "to": "2026-11-17"}) == ["d2"]
    assert await ids(service="'; DROP TABLE deployment; --") == []


async def test_changes_are_listed_kept_and_dropped(client):
    answer = await get(client, "deployments/d2/changes")
    check("ChangeList", answer)
    one, two, out = answer["data"]
    assert one == {
        "sha": sha("one").hex(),
        "authored_at": "2026-11-15T00:00:00Z",
        "committed_at": "2026-11-15T00:00:00Z",
        "subject": "First change",
        "author": "Ada <ada@example.com>",
        "pull_request": 12,
        "kept": True,
        "reason": None,
        "change_lead_time": 86_400,
        "stages": {
            "time_to_pr_ready": 3_600,
            "review_time": 7_200,
            "merge_time": 10_800,
            "time_to_deploy": 14_400,
            "deploy_time": 600,
        },
        "absent": {},
        "redeployed": False,
        "original_of": None,
    }
    assert (two["redeployed"], two["absent"]["review_time"]) == (True, "no_pull_request")
    assert (out["kept"], out["reason"], out["subject"], out["change_lead_time"]) == (False, "path", "Docs", None)
    kept = await get(client, "deployments/d2/changes", kept="true")
    assert [change["kept"] for change in kept["data"]] == [True, True]


async def test_explain_adds_what_made_the_numbers(client):
    answer = await get(client, "deployments/d2/explain")
    check("Explanation", answer)
    assert (answer["id"], answer["predecessor"], answer["predecessor_deployment"]["id"]) == ("d2", "d1", "d1")
    text = f"{sha('v1').hex()}..{sha('v2').hex()}"
    assert answer["range"] == {"from": sha("v1").hex(), "to": sha("v2").hex(), "text": text}
    assert answer["git"] == f"git log --no-merges '--format=%H %aI %an: %s' {text}"
    assert answer["patterns"]["patterns"] == ["services/shop/**", "gone/*"]
    assert answer["counts"] == {"kept": 2, "redeployed": 1, "path": 1}
    assert [change["reason"] for change in answer["changes"]] == [None, None, "path"]
    assert answer["change_lead_time"]["max"] == 259_200.000000001
    assert [(e["deployment"], e["target"], e["rule"], e["value"]) for e in answer["evidence"]] == [
        ("d3", "d2", "rollback", "v1"), ("d3b", "d2", "revert-title", "late"),
    ]  # fmt: skip
    first = await get(client, "deployments/d1/explain")
    assert (first["range"], first["git"], first["predecessor"], first["changes"]) == (None, None, None, [])


async def test_a_move_backwards_lists_what_it_took_back(aiohttp_client, store):
    seed = small()
    seed.backwards["d3"] = [sha("two"), sha("one")]
    client = await browse(aiohttp_client, store, seed)
    answer = await get(client, "deployments/d3/explain")
    assert answer["taken_back"] == [sha("two").hex(), sha("one").hex()]
    assert answer["git"].endswith(f"{sha('v1').hex()}..{sha('v2').hex()}")


async def test_services_repositories_and_pull_requests(client):
    services = (await get(client, "services"))["data"]
    assert [(one["service"], one["team"], one["envs"], one["deployments"]) for one in services] == [
        ("Shop", "Payments", ["prod", "staging"], 5), ("Cart", None, [None], 1),
    ]  # fmt: skip
    assert (await get(client, "services/SHOP"))["definition"]["location"] == "service_definitions/Shop.yaml:1"
    assert [one["service"] for one in (await get(client, "services", tag="tier:1"))["data"]] == ["Shop"]
    assert await get(client, "services/shop/paths") == {
        "service": "Shop",
        "repositories": [
            {
                "repository": "github.com/acme/shop",
                "patterns": ["services/shop/**", "gone/*"],
                "origin": "source_patterns (service_definitions/Shop.yaml:1), overruling github.com/acme/shop@service.datadog.yaml:4",
                "warnings": ["gone/*: matches no file of this repository"],
            }
        ],
    }
    repository = (await get(client, "repositories"))["data"][0]
    assert (repository["state"], repository["commits"], repository["deployments"]) == ("synced", 3, 5)
    assert repository["services"] == ["shop"]
    requests = (await get(client, "pull-requests", service="shop"))["data"]
    assert [(one["number"], one["title"], one["flag"]) for one in requests] == [(12, "First change", None)]
    assert (await get(client, "pull-requests", service="cart"))["data"] == []
    assert await get(client, "failures", severity="high") == {"data": [], "next": None}


async def test_deliveries_always_need_a_key_and_have_their_states(client):
    await get(client, "deliveries", status=401, headers={})
    await get(client, "deliveries.csv", status=401, headers={})
    listed = (await get(client, "deliveries"))["data"]
    assert listed[3] == {
        "id": 4, "source": "github", "key": "key-4", "event": "push", "received_at": "2026-11-21T21:00:00Z", "state": "dead",
        "reason": None, "attempts": 1,
    }  # fmt: skip
    assert [one["id"] for one in (await get(client, "deliveries", state="dead"))["data"]] == [4]
    assert [one["id"] for one in (await get(client, "deliveries", event="ping"))["data"]] == [1, 3, 5]


async def test_refusals_name_the_parameter(client):
    for path in (*LISTS, "metrics", "deployments/d2", "deployments/d2/changes", "deployments/d2/explain", "services/shop"):
        answer = await get(client, path, status=400, bogus="1")
        check("Errors", answer)
        assert answer["errors"][0]["title"] == "unknown_parameter"
        assert answer["errors"][0]["source"] == {"pointer": "bogus"}
    for path in LISTS:
        wrong = {"limit": ("0", "1001", "-1", "x", "١"), "cursor": ("x", "e30", "WzFd", "\x00"), "from": ("soon",), "to": ("1e9",)}
        for name, values in wrong.items():
            for value in values:
                answer = await get(client, path, status=400, **{name: value})
                assert answer["errors"][0]["source"] == {"pointer": name}
    too_many = await get(client, "metrics", status=400, interval="day", group_by="service", **{"from": "1970-01-01", "limit": "1"})
    assert too_many["errors"][0]["source"] == {"pointer": "limit"}


@pytest.mark.parametrize("path", ["deployments/%00", "deployments/nope/changes", "services/%ED%A0%80", "deployments/nope/explain"])
async def test_what_nobody_knows_is_not_found(client, path):
    response = await client.get(f"/api/v1/{path}")
    assert response.status == 404
    check("Errors", await response.json())


async def test_pages_of_every_list_are_complete_and_stable(aiohttp_client, store):
    seed = organisation(NOW)
    client = await browse(aiohttp_client, store, seed)
    first = seed.rows["deployment"][-2]["id"]
    for path, key in (
        ("deployments", "id"), ("pull-requests", "number"), ("deliveries", "id"), ("services", "name"),
        ("repositories", "repository"), (f"deployments/{first}/changes", "sha"),
    ):  # fmt: skip
        whole = (await get(client, path, limit=1000))["data"]
        for limit in (1, 7, 100) if len(whole) < 40 else (37, 100):
            pages, cursor = [], None
            while True:
                answer = await get(client, path, limit=limit, **({"cursor": cursor} if cursor else {}))
                pages += answer["data"]
                assert len(answer["data"]) <= limit
                if (cursor := answer["next"]) is None:
                    break
                assert len(answer["data"]) == limit
            assert [one[key] for one in pages] == [one[key] for one in whole]
            assert pages == whole


async def test_a_page_that_was_begun_goes_on_although_newer_ones_come(client, store):
    first = await get(client, "deployments", limit=2)
    later = Seed()
    later.deployment("newest", "Shop", NOW - MINUTE)
    later.deployment("z-same-instant", "Shop", NOW - 3 * DAY)
    later.write(store)
    rest = await get(client, "deployments", cursor=first["next"])
    assert [one["id"] for one in first["data"] + rest["data"]] == ["s1", "c1", "d3b", "d3", "d2", "d1"]


async def test_equal_instants_are_all_listed_in_one_order(aiohttp_client, store):
    seed = Seed()
    for n in range(7):
        seed.deployment(f"d{n}", "Shop", NOW - DAY)
    client = await browse(aiohttp_client, store, seed)
    seen, cursor = [], {}
    while cursor is not None:
        answer = await get(client, "deployments", limit=2, **cursor)
        seen += [one["id"] for one in answer["data"]]
        cursor = {"cursor": answer["next"]} if answer["next"] else None
    assert seen == [f"d{n}" for n in range(6, -1, -1)]


async def test_every_list_has_a_csv_twin_with_the_same_rows(client):
    for path, key in (("deployments", "id"), ("services", "name"), ("repositories", "repository"), ("deliveries", "id"),
                      ("pull-requests", "number"), ("failures", "id"), ("deployments/d2/changes", "sha")):  # fmt: skip
        rows = (await get(client, path))["data"]
        text = await get(client, f"{path}.csv")
        table = list(csv.DictReader(io.StringIO(text, newline="")))
        assert [row[key] for row in table] == [str(one[key]) for one in rows]
    deployments = list(csv.DictReader(io.StringIO(await get(client, "deployments.csv"), newline="")))
    assert deployments[4]["remediation.id"] == "d3"
    assert deployments[4]["change_lead_time.max"] == "259200.000000001"
    metrics = list(csv.DictReader(io.StringIO(await get(client, "metrics.csv", group_by="service"), newline="")))
    assert [(row["group.service"], row["change_lead_time.stages.review_time.median"]) for row in metrics] == [
        ("Cart", ""), ("Shop", "7200"),
    ]  # fmt: skip


async def test_csv_from_hostile_rows_runs_nothing(aiohttp_client, store):
    seed = Seed()
    seed.repository(1, "github.com/acme/shop")
    texts = ("=1+1", "@SUM(A1)", "+1", "-2", "\t=1", "=cmd|'/C calc'!A0")
    for n, text in enumerate(texts):
        seed.deployment(f"d{n}", text, NOW - DAY - n, version=text, team=text, tags=json.dumps([text]))
        seed.pull_request(1, n + 1, updated_at=NOW - DAY - n, title=text, author=text)
    client = await browse(aiohttp_client, store, seed)
    for path, column in (("deployments.csv", "version"), ("pull-requests.csv", "title"), ("services.csv", "service")):
        text = await get(client, path)
        table = list(csv.DictReader(io.StringIO(text, newline="")))
        assert sorted(row[column] for row in table) == sorted(f"'{text}" for text in texts)
        assert all(not (cell or "").startswith(("=", "@", "\t")) for row in table for cell in row.values())


async def test_a_key_limited_to_services_sees_no_other(aiohttp_client, store):
    client = await browse(aiohttp_client, store, small())
    made = store.write(lambda writer: create_key(writer, name="cart", scopes=("read",), services=("Cart",), now=NOW))
    limited = {"Authorization": f"Bearer {made.key}"}
    for path in ("deployments", "metrics", "services", "repositories", "pull-requests", "deliveries", "deployments/d2",
                 "deployments/d2/changes", "deployments/d2/explain", "services/shop"):  # fmt: skip
        answer = await get(client, path, status=403, headers=limited)
        assert answer["errors"][0]["title"] == "other_service"
    assert [one["id"] for one in (await get(client, "deployments", headers=limited, service="cart"))["data"]] == ["c1"]
    await get(client, "deployments/c1", headers=limited)


METHODS = ("get", "post", "put", "patch", "delete")


def test_the_description_has_every_route_of_the_api_and_no_other():
    pages = {
        "/", "/services/{name}", "/deployments/{id}", "/repositories", "/deliveries", "/definitions", "/rules", "/setup",
        "/setup/github/created", "/deployments", "/failures", "/failures/{id}", "/deployments/{id}/override",
    }  # fmt: skip
    table = {(row.method.lower(), re.sub(r":[^}]+}", "}", row.path)) for row in all_rows()}
    routes = table - {("get", path) for path in pages | {"/static/{name}"}} - {("post", "/setup/github"), ("post", "/deployments/{id}/override")}
    described = {(method, path) for path, item in OPENAPI["paths"].items() for method in item if method in METHODS}
    assert described == routes


async def test_the_description_is_served(client):
    response = await client.get("/openapi.yaml")
    assert yaml.safe_load(await response.text()) == OPENAPI


async def test_the_schema_for_editors_needs_no_key(store, aiohttp_client):
    client = await browse(aiohttp_client, store, Seed(), HOST="dora.internal")
    assert (await client.get("/openapi.yaml")).status == 401
    response = await client.get("/schema/service-definition.json")
    assert (response.status, response.content_type) == (200, "application/schema+json")
    assert await response.json() == editor_schema()


def test_the_docs_name_every_route_and_parameter():
    docs = (Path(bot.__file__).parent.parent / "docs" / "api.md").read_text()
    for path, item in OPENAPI["paths"].items():
        if path.startswith("/api/v1/") and not path.endswith(".csv"):
            assert path in docs
            for parameter in item.get("get", {}).get("parameters", ()):
                name = parameter.get("name") or parameter["$ref"].rpartition("/")[2]
                assert f"`{name}`" in docs or f"`{name}=true`" in docs, name
