"""The list of deployments: what is asked of outcomes, and that every number of metrics is that many rows of it."""

import csv
import io
import json
import random

import pytest
from click.testing import CliRunner

from bot.answers.deployments import OUTCOME, Outcome, list_deployments
from bot.answers.questions import Filters, Page
from bot.cli.main import main
from bot.dora.instants import DAY, HOUR, MINUTE
from tests.support.faces import KEY, NOW, browse
from tests.support.seed import Seed, organisation, sha

BEARER = {"Authorization": f"Bearer {KEY}"}


def shop() -> Seed:
    """Shop: v2 fails and v1 mends it an hour later; v3 is said to have failed, v4 is tagged as rework; one each counts for another, and not at all."""
    seed = Seed()
    seed.definition("Shop", team="Payments")
    for id, hours, version in (("d1", 10, "v1"), ("d2", 9, "v2"), ("d3", 8, "v1"), ("d4", 7, "v3")):
        seed.deployment(id, "Shop", NOW - hours * HOUR, version=version, commit_sha=sha(version))
        seed.derived(id, type="rollback" if id == "d3" else "standard", not_computed="no_git", failed=1 if id == "d4" else None)
    seed.remediation("d3", "d2", value="v1", original="v1")
    seed.deployment("d5", "Shop", NOW - 6 * HOUR, version="v4", tags='["rework:true"]')
    seed.derived("d5", not_computed="no_git")
    seed.deployment("twin", "Shop", NOW - 6 * HOUR + MINUTE, version="v4")
    seed.derived("twin", not_computed="no_git", merged_into="d5", failed=1)
    seed.deployment("off", "Shop", NOW - 5 * HOUR, version="v5", source="apm")
    seed.derived("off", not_computed="source_off")
    seed.deployment("nameless", "cart", NOW - 4 * HOUR)
    seed.derived("nameless", not_computed="no_git")
    seed.deployment("new", "cart", NOW - 3 * HOUR, env="staging", version="c1")
    return seed


async def ids(client, **asked):
    answer = await client.get("/api/v1/deployments", params=asked, headers=BEARER)
    assert answer.status == 200, await answer.text()
    return [one["id"] for one in (await answer.json())["data"]]


CASES = [
    ({"change_failure": "true"}, ["twin", "d4", "d2"]), ({"change_failure": "true", "counted": "true"}, ["d4", "d2"]),
    ({"change_failure": "false"}, ["off", "d5", "d3", "d1"]), ({"type": "rollback"}, ["d3"]), ({"type": "rollforward"}, []),
    ({"type": "standard", "service": "SHOP", "change_failure": "false"}, ["off", "d5", "d1"]), ({"rework": "true"}, ["d5", "d3"]),
    ({"rework": "false", "service": "shop", "counted": "true"}, ["d4", "d2", "d1"]), ({"counted": "false"}, ["off", "twin"]),
    ({"counted": "true"}, ["new", "nameless", "d5", "d4", "d3", "d2", "d1"]), ({"change_failure": "true", "service": "cart"}, []),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "found"), CASES)
async def test_what_is_asked_of_outcomes(aiohttp_client, store, asked, found):
    client = await browse(aiohttp_client, store, shop())
    assert await ids(client, **asked) == found
    seen, following = [], {}
    while following is not None and len(seen) < 20:
        answer = await (await client.get("/api/v1/deployments", params={**asked, "limit": "1", **following}, headers=BEARER)).json()
        seen += [one["id"] for one in answer["data"]]
        following = {"cursor": answer["next"]} if answer["next"] else None
    assert seen == found, "page by page it is the same"
    table = await (await client.get("/api/v1/deployments.csv", params=asked, headers=BEARER)).text()
    assert [row["id"] for row in csv.DictReader(io.StringIO(table, newline=""))] == found


async def test_a_wrong_outcome_is_refused_with_the_choices(aiohttp_client, store):
    client = await browse(aiohttp_client, store, shop())
    for name, options in OUTCOME.items():
        for value in ("maybe", "TRUE", "\x00"):
            answer = await client.get("/api/v1/deployments", params={name: value}, headers=BEARER)
            (error,) = (await answer.json())["errors"]
            assert (answer.status, error["source"]) == (400, {"pointer": name})
            assert "\x00" in value or f"{name} is one of {', '.join(options)}." == error["detail"]


def wild(dice: random.Random) -> Seed:
    """Deployments of every kind, in any combination: merged, off, not derived, tagged, said to have failed, without a name, remediated twice."""
    seed = Seed()
    seed.definition("a", team="Red", tags='["rework:true"]')
    seed.definition("b", team="blue")
    for n in range(60):
        id, service, at = f"d{n:02}", dice.choice("aabbC"), NOW - dice.randrange(40 * 24) * HOUR
        more = {"source": dice.choice(("api", "api", "apm")), "version": dice.choice(("", "v1", "v2")), "team": dice.choice(("", "", "Green"))}
        more |= {"tags": dice.choice(("[]", '["rework:true"]', '["rework:false"]')), "repository": dice.choice(("", "github.com/acme/shop"))}
        seed.deployment(id, service, at, env=dice.choice(("prod", "", "Staging")), commit_sha=dice.choice((None, sha(id))), **more)
        if dice.random() < 0.9:
            seed.derived(
                id, type=dice.choice(("standard", "standard", "rollback", "rollforward")), failed=dice.choice((None, None, None, 0, 1)),
                not_computed=dice.choice((None, "no_git", "source_off")), merged_into=dice.choice((None, None, None, "d00")),
            )  # fmt: skip
        for target in dice.sample(range(60), dice.choice((0, 0, 1, 2))):
            seed.remediation(id, f"d{target:02}", type=dice.choice(("rollback", "rollforward")))
    mark = {"stage": "changes", "key": '["b", "prod"]', "from_at": NOW - 20 * DAY, "version": 1, "attempts": 0, "run_at": 0, "error": ""}
    seed.rows["mark"].append(mark)
    return seed


@pytest.mark.parametrize("kind", ["organisation", *range(4)])
async def test_every_number_of_metrics_is_that_many_rows_of_the_list(aiohttp_client, store, kind):
    seed = organisation(NOW) if kind == "organisation" else wild(random.Random(kind))
    client = await browse(aiohttp_client, store, seed)
    compared = 0
    for group in ("service", "team", "env", "repository", "source", None):
        for more in ({}, {"interval": "week"}, {"formula": "excluding_rollbacks"}, {"env": "production"}):
            grouping = {"group_by": group} if group else {}
            answer = await (await client.get("/api/v1/metrics", params={**grouping, **more}, headers=BEARER)).json()
            for row in answer["data"]:
                value = row["group"].get(group)
                if value is None and group not in (None, "env"):
                    continue  # there is no filter for what was not given
                window = {"from": row["from"], "to": row["to"], "limit": "1000", "counted": "true"}
                asked = {**({"env": "production"} if "env" in more else {}), **({group: value or "none"} if group else {}), **window}
                if group == "env" and "env" in more:
                    continue
                listed = await ids(client, **asked)
                assert len(listed) == row["deployments"]
                rollbacks = len(await ids(client, **asked, type="rollback"))
                rate = row["change_failure_rate"]
                assert len(listed) - (rollbacks if rate["formula"] == "excluding_rollbacks" else 0) == rate["deployments"]
                failed = len(await ids(client, **asked, change_failure="true"))
                recovery = row["failed_deployment_recovery_time"]
                assert failed == rate["failed"] == recovery["count"] + recovery["unrecovered"]
                assert len(await ids(client, **asked, rework="true")) == row["deployment_rework_rate"]["count"]
                compared += bool(failed)
    assert compared > 20, "and it is not all of nothing"


class Counting:
    """A reader that counts how often deployments were read."""

    def __init__(self, reader):
        self._reader, self.fetched, self.rows = reader, 0, 0

    def __getattr__(self, name):
        return getattr(self._reader, name)

    def fetch(self, query, *arguments, **parameters):
        found = self._reader.fetch(query, *arguments, **parameters)
        if query.startswith("answer_deployments"):
            self.fetched, self.rows = self.fetched + 1, self.rows + len(found)
        return found


@pytest.mark.parametrize(
    ("outcome", "rows"), [(Outcome(change_failure=True), 1), (Outcome(type="rollback"), 1), (Outcome(change_failure=False), 500), (Outcome(), 500)]
)
async def test_asking_for_few_reads_few(store, outcome, rows):
    seed = Seed()
    for n in range(1_200):
        seed.deployment(f"d{n:04}", "shop", NOW - n * MINUTE, version=f"v{n}")
        seed.derived(f"d{n:04}", type="rollback" if n == 1_100 else "standard")
    seed.remediation("d1100", "d1150")
    seed.write(store)

    def work(reader):
        counting = Counting(reader)
        listed = list_deployments(counting, Filters(), Page(limit=1), outcome)
        return [one.id for one in listed.data], counting.fetched, counting.rows

    found, fetched, read = store.read(work)
    assert found == [{Outcome(change_failure=True): "d1150", Outcome(type="rollback"): "d1100"}.get(outcome, "d0000")]
    assert (fetched, read) == (1, rows)


def test_the_command_asks_the_same(store, store_url, tmp_path, monkeypatch):
    shop().write(store)
    for name, value in {"DATABASE_URL": store_url, "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    for asked, found in CASES:
        options = [part for name, value in asked.items() for part in (f"--{name.replace('_', '-')}", value)]
        done = CliRunner().invoke(main, ["deployments", "--json", *options])
        assert done.exit_code == 0, done.output
        assert [one["id"] for one in json.loads(done.output)["data"]] == found
    done = CliRunner().invoke(main, ["deployments", "--type", "hotfix"])
    assert done.exit_code == 2 and "--type" in done.output
