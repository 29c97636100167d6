"""Rollforwards that wait: a flag as soon as the webhook was taken, the list until production has it; on both engines."""

import asyncio
import csv
import io
import json
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

import bot
from bot.answers.questions import Asker
from bot.answers.waiting import Waiting, load_waiting, parse_waiting
from bot.cli.main import main
from bot.dora.instants import DAY, HOUR, MINUTE
from bot.dora.waiting import Wait, wait_of
from bot.facts.keys import create_key
from bot.store import Store
from tests.pipeline.naming_room import LATER, Room, Told, at, deployed, iso, pull_request
from tests.support.faces import KEY, NOW, browse
from tests.support.gitrepo import GitRepo
from tests.support.seed import Change, Seed, sha
from tests.web.doors import API_KEY, github_headers, open_door

SHOP = (7, "acme/shop")
NAME = "github.com/acme/shop"
OPENAPI = yaml.safe_load((Path(bot.__file__).parent / "openapi.yaml").read_text())
BEARER = {"Authorization": f"Bearer {API_KEY}"}


async def test_a_flag_is_there_when_its_webhook_was_taken(store: Store, tmp_path: Path) -> None:
    room = Room(store, tmp_path)
    told = pull_request("opened", 10, SHOP, title="Basket", labels=[{"name": "Hotfix"}], created_at=iso(5))
    body = json.dumps(told.body).encode()
    async with open_door(store) as door:
        door.now[0] = at(65)
        answer = await door.client.post("/webhooks/github", data=body, headers=github_headers(body, event="pull_request"))
        assert answer.status == 202
        await asyncio.to_thread(room.work)
        (shown,) = (await (await door.client.get("/api/v1/pull-requests", headers=BEARER)).json())["data"]
        flag = {"rule": "hotfix-label", "field": "pr_label", "value": "Hotfix", "target": None, "target_sha": None}
        assert (shown["state"], shown["flag"]) == ("open", flag)
        listed = await (await door.client.get("/api/v1/rollforwards", headers=BEARER)).json()
    schema = {"$ref": "#/components/schemas/RollforwardList", **OPENAPI}
    jsonschema.Draft202012Validator(schema).validate(listed)
    assert listed == {"next": None, "data": [{
        "repository": NAME, "number": 5, "title": "Basket", "author": "", "base_ref": "main", "labels": ["Hotfix"], "flag": flag,
        "state": "open", "since": iso(5), "waits": 3600,
    }]}  # fmt: skip


# The life of a rollforward ----------------------------------------------------------------------------------------------


class Life:
    """A repository with a fix, and the pull request that brings it."""

    def __init__(self, folder: Path) -> None:
        self.git = GitRepo(folder)
        self.base = self.git.commit("base", files=["base"], authored_at=at(0) // 10**9)
        self.fix = self.git.commit("fix", files=["fix"], authored_at=at(1) // 10**9)
        self.next = self.git.commit("next", files=["next"], authored_at=at(2) // 10**9)
        self.git.close()

    def told(self, action: str, minute: float, *, labels: Sequence[str] = (), merged: bool = False) -> Told:
        more = {"state": "closed", "merged": True, "merged_at": iso(20), "merge_commit_sha": self.fix} if merged else {}
        head = {"ref": "basket", "sha": self.fix}
        return pull_request(
            action, minute, SHOP, created_at=iso(5), labels=[{"name": one} for one in labels], head=head, **more
        )


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path / "shop")


def waiting(room: Room, env: str = "", *, now: int = LATER) -> tuple[Waiting, ...]:
    filters, _ = parse_waiting([("env", env)], Asker(now=now))
    return room.store.read(lambda reader: load_waiting(reader, filters, now))


def test_a_label_after_the_merge_counts_until_production_has_it(store: Store, tmp_path: Path, life: Life) -> None:
    room = Room(store, tmp_path)
    room.read_in_place(NAME, life.git.path)
    room.hear(life.told("opened", 5), life.told("closed", 20, merged=True))
    room.deploy(deployed(10, NAME, life.base))
    room.work()
    assert waiting(room) == ()
    room.hear(life.told("labeled", 30, labels=["hotfix"], merged=True))
    room.work()
    (one,) = waiting(room, now=at(80))
    assert (one.number, one.state, one.since, one.waits, one.flag.rule) == (5, "merged", at(20), 60 * MINUTE, "hotfix-label")
    room.deploy(deployed(40, NAME, life.fix, env="staging"))
    room.work()
    assert [one.number for one in waiting(room)] == [5], "staging is not production"
    assert waiting(room, "staging") == (), "what a first deployment brought is not listed, but was merged before"
    room.deploy(deployed(50, NAME, life.next))
    room.work()
    assert waiting(room) == ()
    room.hear(life.told("unlabeled", 60, merged=True))
    room.work()
    assert waiting(room, "qa") == (), "a label that was taken off is no flag"


def test_late_events_in_any_order_say_the_same(store: Store, tmp_path: Path, life: Life) -> None:
    room = Room(store, tmp_path)
    room.read_in_place(NAME, life.git.path)
    room.deploy(deployed(10, NAME, life.base), deployed(60, NAME, life.base, env="staging"))
    room.work()
    events = (
        life.told("opened", 5), life.told("labeled", 15, labels=["hotfix"]), life.told("closed", 20, labels=["hotfix"], merged=True),
    )  # fmt: skip
    for order in permutations(events):
        for one in order:
            room.hear(one)
            room.work()
        assert [(one.state, one.since) for one in waiting(room)] == [("merged", at(20))]
    room.deploy(deployed(70, NAME, life.next))
    room.work()
    assert waiting(room) == ()


def test_where_it_waits() -> None:
    none = {"created_at": 5, "merged_at": None, "carried": False, "unlisted_at": None}
    assert wait_of("open", **none) == Wait(state="open", since=5)
    assert wait_of("closed", **none) is None, "given up"
    assert wait_of("open", **none | {"created_at": None}) == Wait(state="open", since=None)
    merged = none | {"merged_at": 9}
    assert wait_of("merged", **merged) == Wait(state="merged", since=9)
    assert wait_of("merged", **merged | {"carried": True}) is None
    assert wait_of("merged", **merged | {"unlisted_at": 8}) == Wait(state="merged", since=9)
    assert wait_of("merged", **merged | {"unlisted_at": 9}) is None
    assert (Wait(state="open", since=5).lasts(7), Wait(state="open", since=5).lasts(4), Wait(state="open", since=None).lasts(7)) == (2, 0, None)


# The list ---------------------------------------------------------------------------------------------------------------


def seeded() -> Seed:
    """Shop has 1 (open), 2 (merged), 3 (in production), 4 (in production by a source that is off), 5 (given up); Libs has 6 (open, unknown since)."""
    seed = Seed()
    seed.repository(1, NAME)
    seed.repository(2, "github.com/acme/libs")
    seed.repository(3, "github.com/acme/quiet")
    told = [(1, 1, "open"), (1, 2, "merged"), (1, 3, "merged"), (1, 4, "merged"), (1, 5, "closed"), (2, 6, "open"), (3, 7, "open")]
    for repository_id, number, state in told:
        merged_at = NOW - number * HOUR if state == "merged" else None
        created_at = None if number == 6 else NOW - number * DAY
        seed.pull_request(
            repository_id, number, updated_at=NOW, title=f"=fix {number}", state=state, merged_at=merged_at, created_at=created_at
        )
        flag = {"repository_id": repository_id, "number": number, "rule": "" if number == 7 else "hotfix-title", "field": "pr_title"}
        seed.rows["pull_request_flag"].append(flag | {"value": f"fix {number}", "target": None, "target_sha": None})
    git = {"repository": NAME, "repository_url": f"https://{NAME}"}
    for number, source in ((3, "api"), (4, "tags")):
        row = {"repository_id": 1, "sha": sha(str(number)), "number": number, "role": "landed", "position": 0, "merged_at": 1}
        seed.rows["introduced"].append(row)
        seed.deployment(f"d{number}", "Shop", NOW - HOUR, source=source, team="Payments", tags='["tier:1"]', **git)
        seed.derived(f"d{number}", Change(sha=sha(str(number)), lead_time=1, number=number))
    seed.deployment("cart", "Cart", NOW - HOUR, repository="github.com/acme/cart")
    seed.definition("Libs", team="Core", links='[["Source", "https://github.com/acme/libs"]]')
    return seed


async def numbers(client: object, **parameters: str) -> list[int]:
    response = await client.get("/api/v1/rollforwards", params=parameters, headers={"Authorization": f"Bearer {KEY}"})  # type: ignore[attr-defined]
    assert response.status == 200, await response.text()
    return [one["number"] for one in (await response.json())["data"]]


async def test_the_list_has_filters_pages_and_a_csv_twin(aiohttp_client: object, store: Store) -> None:
    client = await browse(aiohttp_client, store, seeded())
    assert await numbers(client) == [2, 4, 1, 6]
    for asked, expected in (
        ({"service": "shop"}, [2, 4, 1]), ({"service": "libs"}, [6]), ({"service": "cart"}, []), ({"team": "core"}, [6]),
        ({"team": "payments"}, [2, 4, 1]), ({"tag": "tier:1"}, [2, 4, 1]), ({"repository": "github.com/acme/libs"}, [6]),
        ({"repository": NAME, "team": "core"}, []), ({"env": "staging"}, [2, 3, 4, 1, 6]), ({"from": "2026-11-21T21:00:00Z"}, [2]),
        ({"to": "2026-11-21T21:00:00Z"}, [4, 1]), ({"source": "api"}, [2, 4, 1]),
    ):  # fmt: skip
        assert await numbers(client, **asked) == expected, asked
    seen, cursor = [], ""
    while cursor is not None:
        more = {"cursor": cursor} if cursor else {}
        response = await client.get("/api/v1/rollforwards", params={"limit": "3", **more}, headers={"Authorization": f"Bearer {KEY}"})
        page = await response.json()
        seen, cursor = seen + [one["number"] for one in page["data"]], page["next"]
    assert seen == [2, 4, 1, 6]
    table = await (await client.get("/api/v1/rollforwards.csv", headers={"Authorization": f"Bearer {KEY}"})).text()
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [(row["number"], row["title"], row["flag.rule"], row["since"], row["waits"]) for row in rows][::3] == [
        ("2", "'=fix 2", "hotfix-title", "2026-11-21T22:00:00Z", "7200"), ("6", "'=fix 6", "hotfix-title", "", ""),
    ]  # fmt: skip
    refused = await client.get("/api/v1/rollforwards", params={"servise": "x"}, headers={"Authorization": f"Bearer {KEY}"})
    assert refused.status == 400


async def test_a_key_limited_to_services_sees_their_repositories_alone(aiohttp_client: object, store: Store) -> None:
    client = await browse(aiohttp_client, store, seeded())
    made = store.write(lambda writer: create_key(writer, name="libs", scopes=("read",), services=("Libs",), now=NOW))
    limited = {"Authorization": f"Bearer {made.key}"}
    assert (await client.get("/api/v1/rollforwards", headers=limited)).status == 403
    response = await client.get("/api/v1/rollforwards", params={"service": "libs"}, headers=limited)
    assert [one["number"] for one in (await response.json())["data"]] == [6]


def test_the_command_prints_it(store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded().write(store)
    for name, value in {"DATABASE_URL": store_url, "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["waiting", "--env", "staging", "--limit", "2"])
    assert done.exit_code == 0, done.output
    assert [line.split()[:3] for line in done.stdout.splitlines()[2:]] == [[NAME, "2", "merged"], [NAME, "3", "merged"]]
    assert done.stderr == "There are more than these 2: --limit takes up to 1,000.\n"
    answer = json.loads(CliRunner().invoke(main, ["waiting", "--json"]).output)
    assert [one["number"] for one in answer["data"]] == [2, 4, 1, 6]
    assert CliRunner().invoke(main, ["waiting", "--limit", "0"]).exit_code == 2
