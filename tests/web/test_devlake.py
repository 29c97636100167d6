"""POST /webhooks/devlake/deployments: DevLake's payloads as they stand, whose they are, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.sources.devlake import parse_devlake, render_devlake
from bot.store import Store
from tests.pipeline.inference_room import define, enable, ids, ingest, play
from tests.pipeline.naming_room import Room
from tests.support.gitrepo import GitRepo
from tests.web.doors import API_KEY, Door, make_key, open_door

PATH = "/webhooks/devlake/deployments"
BEARER = {"Authorization": f"Bearer {API_KEY}"}
NOON = 1_788_350_400 * 10**9
SHA = "015e3d3b480e417aede5a1293bd61de9b0fd051d"
REPOSITORY = "https://github.com/acme/shop"
TODAYS: dict[str, Any] = {
    "id": "Test 2",
    "createdDate": "2026-09-02T11:00:00+00:00",
    "startedDate": "2026-09-02T12:00:00+00:00",
    "finishedDate": "2026-09-02T13:00:00+02:00",
    "environment": "PRODUCTION",
    "result": "SUCCESS",
    "displayTitle": "a title",
    "name": "a name",
    "deploymentCommits": [
        {
            "repoUrl": "https://user:hunter22@github.com/acme/shop.git",
            "refName": "main",
            "startedDate": "2026-09-02T12:00:00+00:00",
            "finishedDate": "2026-09-02T12:00:30.5Z",
            "commitSha": SHA,
            "commitMsg": "a message",
        }
    ],
}
OLDER: dict[str, Any] = {
    "pipeline_id": "deploy-7", "repo_url": REPOSITORY, "commit_sha": SHA, "ref_name": "refs/tags/v1",
    "start_time": "2026-09-02T12:00:00+00:00", "end_time": "2026-09-02T12:59:59+00:00",
}  # fmt: skip
OLDEST: dict[str, Any] = {
    "repoUrl": REPOSITORY, "commitSha": SHA, "startTime": "2026-09-02T12:00:00Z", "endTime": "2026-09-02T12:59:59Z",
}  # fmt: skip


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    """Where what webhooks tell counts."""
    enable("webhook")(made := Room(store, tmp_path))
    return made


async def send(door: Door, body: object, *, path: str = PATH, headers: dict[str, str] = BEARER, status: int = 200) -> Any:
    """Send it as their curl line does: without a content type of JSON."""
    answer = await door.client.post(path, data=json.dumps(body), headers=headers)
    said = await answer.json()
    assert answer.status == status, said
    return said


@pytest.mark.parametrize(
    ("body", "id", "env", "seconds"),
    [(TODAYS, "Test 2", "PRODUCTION", 30.5), (OLDER, "deploy-7", "production", 3599), (OLDEST, None, "production", 3599)],
    ids=["todays", "older", "oldest"],
)
async def test_each_form_of_the_payload_is_a_deployment(
    room: Room, body: dict[str, Any], id: str | None, env: str, seconds: float
) -> None:
    async with open_door(room.store) as door:
        assert await send(door, body, path=f"{PATH}?service=Shop") == {"id": id, "commits": 1, "ignored": 0}
        assert "marks" in door.woken
    (row,) = _rows(room)
    assert (row[3], row[4], row[5], row[6], row[13]) == ("Shop", env, "", "github.com/acme/shop", "webhook")
    assert "hunter22" not in str(row)
    assert row[9:11] == (NOON, NOON + int(seconds * 10**9))


async def test_it_belongs_to_the_services_whose_definition_names_the_repository(room: Room) -> None:
    async with open_door(room.store) as door:
        await send(door, TODAYS)
    assert play(room) == [], "nobody says whose it is"
    assert [one.service for one in play(room, define("Basket", "Shop"))] == ["Basket", "Shop"]
    known = ids(room.store)
    assert [one.service for one in play(room, define("Shop"))] == ["Shop"]
    play(room, define("Shop", "Basket"))
    assert ids(room.store) == known


async def test_a_ref_that_is_a_known_tag_is_the_version(room: Room, tmp_path: Path) -> None:
    with GitRepo(tmp_path / "git") as repo:
        repo.tag("v1", repo.commit())
    async with open_door(room.store) as door:
        await send(door, OLDER, path=f"{PATH}?service=shop")
    assert [one.version for one in play(room)] == [""]
    room.know("github.com/acme/shop", repo.path)
    assert [one.version for one in play(room, ingest(repo))] == ["v1"]


async def test_the_same_deployment_again_is_the_same(room: Room) -> None:
    async with open_door(room.store) as door:
        open_end = {name: value for name, value in OLDEST.items() if name != "endTime"}
        for body in (TODAYS, TODAYS | {"finishedDate": "2026-09-02T14:00:00Z"}, open_end, open_end):
            door.now[0] += 10**9
            await send(door, body, path=f"{PATH}?service=shop")
        assert len(play(room)) == 2
        await send(door, TODAYS | {"id": 3}, path=f"{PATH}?service=shop")
        await send(door, TODAYS, path=f"{PATH}?service=till")
    assert len(play(room)) == 4


async def test_each_commit_is_a_deployment_and_only_successes_are(room: Room) -> None:
    one = TODAYS["deploymentCommits"][0]
    several = [one, one | {"repoUrl": "https://github.com/acme/till"}, one | {"commitSha": "2" * 40, "result": "FAILURE"}]
    async with open_door(room.store) as door:
        said = await send(door, TODAYS | {"deploymentCommits": several}, path=f"{PATH}?service=shop")
        assert said == {"id": "Test 2", "commits": 2, "ignored": 1, "reason": "not_a_success"}
        said = await send(door, TODAYS | {"id": "x", "result": "failure"}, path=f"{PATH}?service=shop")
        assert said == {"id": "x", "commits": 0, "ignored": 1, "reason": "not_a_success"}
    assert len(play(room)) == 2
    assert sorted(room.states()) == ["done", "ignored not_a_success"]


async def test_it_is_kept_and_not_counted_while_the_source_is_off(store: Store, tmp_path: Path) -> None:
    room = Room(store, tmp_path)
    reasons = []
    async with open_door(store) as door:
        await send(door, TODAYS, path=f"{PATH}?service=shop")
        for act in (lambda _: None, enable("webhook")):
            play(room, act)
            (shown,) = (await (await door.client.get("/api/v1/deployments", headers=BEARER)).json())["data"]
            reasons.append((shown["source"], shown["not_computed"]))
    assert reasons == [("webhook", "source_off"), ("webhook", "commit_unknown")]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"deploymentCommits": []}, "/deploymentCommits"),
    ({"deploymentCommits": [{}]}, "/deploymentCommits/0/repoUrl"),
    ({"deploymentCommits": [{"repoUrl": REPOSITORY}]}, "/deploymentCommits/0/commitSha"),
    ({"deploymentCommits": [{"repoUrl": REPOSITORY, "commitSha": "main"}]}, "/deploymentCommits/0/commitSha"),
    ({"deploymentCommits": [{"repoUrl": "nowhere", "commitSha": SHA}]}, "/deploymentCommits/0/repoUrl"),
    ({"deploymentCommits": None}, "/repoUrl"),
    ({"deploymentCommits": {}}, "/deploymentCommits"),
    ({"startedDate": "yesterday", "deploymentCommits": [{"repoUrl": REPOSITORY, "commitSha": SHA}]}, "/startedDate"),
    ({"startedDate": None, "deploymentCommits": [{"repoUrl": REPOSITORY, "commitSha": SHA}]}, "/startedDate"),
    ({"finishedDate": "1969-12-31T00:00:00Z", "deploymentCommits": [{"repoUrl": REPOSITORY, "commitSha": SHA}]}, "/finishedDate"),
    ({"finishedDate": "2026-09-02T11:00:00Z", "deploymentCommits": [{"repoUrl": REPOSITORY, "commitSha": SHA}]}, "/finishedDate"),
    ({"environment": "e" * 201}, "/environment"),
    ({"id": "i" * 201}, "/id"),
    ({"id": []}, "/id"),
    ({"result": 1}, "/result"),
]


async def test_what_is_wrong_is_named_and_nothing_is_kept(room: Room) -> None:
    async with open_door(room.store) as door:
        for change, pointer in BAD:
            said = await send(door, TODAYS | change, path=f"{PATH}?service=shop", status=400)
            assert said["errors"][0]["source"] == {"pointer": pointer}, (change, said)
        for query in ("?service=a&service=b", "?team=x", f"?service={'s' * 201}"):
            assert (await send(door, TODAYS, path=PATH + query, status=400))["errors"][0]["title"] == "bad_query"
    assert (play(room), room.states()) == ([], [])


async def test_a_key_is_needed_that_may_speak_of_the_service(room: Room) -> None:
    reader, limited = make_key(room.store, "read"), make_key(room.store, "deployments:write", services=("shop",))
    async with open_door(room.store) as door:
        await send(door, TODAYS, headers={}, status=401)
        await send(door, TODAYS, headers={"Authorization": "Bearer nobody"}, status=401)
        await send(door, TODAYS, headers={"DD-API-KEY": reader.key}, status=403)
        for query, status in (("", 403), ("?service=till", 403), ("?service=Shop", 200)):
            await send(door, TODAYS, path=PATH + query, headers={"Authorization": f"Bearer {limited.key}"}, status=status)
        await send(door, OLDER, headers={"DD-API-KEY": API_KEY})
    assert len(play(room)) == 1


def test_what_the_receipt_keeps_holds_no_credentials() -> None:
    told = parse_devlake(json.dumps(TODAYS).encode(), service="Shop", received_at=NOON)
    assert b"acme/shop" in render_devlake(told)
    assert b"hunter22" not in render_devlake(told)


def _rows(room: Room) -> list[tuple[Any, ...]]:
    room.work()
    return room.store.read(lambda reader: reader.fetch("fingerprint_deployments", lambda *columns: columns))
