"""From a signed webhook to an answered deployment: off until its source is on, then counted."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.dora.inference import RELEASES
from bot.store import Store
from tests.forges.test_documented_payloads import documented
from tests.pipeline.inference_room import NAME, define, enable, play, release, rule, status
from tests.pipeline.naming_room import LATER, Room, Told
from tests.web.doors import API_KEY, GITLAB_SECRET, Door, github_headers, open_door

READER = {"Authorization": f"Bearer {API_KEY}"}
GITLAB_NAME = "10.126.0.2:3000/root/test-deployment-webhooks"


async def _signed(door: Door, *told: Told) -> None:
    for one in told:
        body = json.dumps(one.body).encode()
        headers = github_headers(body, event=one.event, delivery=f"{one.event} {one.minute}")
        assert (await door.client.post("/webhooks/github", data=body, headers=headers)).status == 202


async def _shown(door: Door) -> list[dict[str, Any]]:
    answer = await door.client.get("/api/v1/deployments", headers=READER)
    assert answer.status == 200
    data: list[dict[str, Any]] = (await answer.json())["data"]
    return data


async def _count(door: Door) -> int:
    door.now[0] = LATER
    answer = await door.client.get("/api/v1/metrics?from=2020-01-01&to=2026-12-31", headers=READER)
    assert answer.status == 200
    return sum(one["deployments"] for one in (await answer.json())["data"])


async def test_a_deployment_status_of_github(store: Store, tmp_path: Path) -> None:
    room = Room(store, tmp_path)
    async with open_door(store) as door:
        await _signed(door, status(2, "in_progress"), status(4, "success"), status(9, "inactive"))
        assert (play(room), await _shown(door)) == ([], [])
        play(room, define("Shop"))
        (shown,) = await _shown(door)
        assert (shown["not_computed"], await _count(door)) == ("source_off", 0)
        play(room, enable("github"))
        (shown,) = await _shown(door)
        assert shown | {"id": "", "tags": []} == {
            "id": "", "service": "Shop", "env": "production", "version": None, "repository": NAME, "commit_sha": "1" * 40,
            "started_at": "2026-09-21T14:14:20Z", "finished_at": "2026-09-21T14:17:20Z", "source": "github", "team": None,
            "tags": [], "type": "standard", "change_failure": False, "remediation": None, "recovery_time": None,
            "predecessor": None, "change_lead_time": None, "not_computed": "commit_unknown", "flags": [],
            "merged_into": None,
        }  # fmt: skip
        assert await _count(door) == 1
        play(room, define())
        assert (await _shown(door), await _count(door)) == ([], 0)
        assert (await door.client.get(f"/api/v1/deployments/{shown['id']}", headers=READER)).status == 404


async def test_a_release_of_github(store: Store, tmp_path: Path) -> None:
    room = Room(store, tmp_path)
    async with open_door(store) as door:
        await _signed(door, release(201, "published"))
        assert play(room) == [], "nobody asked for releases"
        play(room, rule(RELEASES, service="Shop", env="Prod"))
        (shown,) = await _shown(door)
        assert (shown["version"], shown["env"], shown["source"], shown["not_computed"]) == ("v2", "Prod", "tags", "source_off")
        play(room, enable("tags"))
        (shown,) = await _shown(door)
        assert (shown["not_computed"], await _count(door)) == ("no_git", 1)
        await _signed(door, release(300, "deleted"))
        assert (play(room), await _shown(door)) == ([], [])


@pytest.mark.parametrize("state", ["success", "failed", "canceled", "running"])
async def test_a_deployment_of_gitlab(store: Store, tmp_path: Path, state: str) -> None:
    room = Room(store, tmp_path)
    event, body = documented("deployment")
    async with open_door(store) as door:
        headers = {"X-Gitlab-Event": event, "X-Gitlab-Token": GITLAB_SECRET}
        sent = await door.client.post("/webhooks/gitlab", data=json.dumps(body | {"status": state}).encode(), headers=headers)
        assert sent.status == 202
        play(room, define("Shop", repository=GITLAB_NAME), enable("gitlab"))
        said = [(one["service"], one["env"], one["source"], one["finished_at"], one["commit_sha"]) for one in await _shown(door)]
        sha = "279484c09fbe69ededfced8c1bb6e6d24616b468"
        assert said == ([("Shop", "staging", "gitlab", "2021-04-28T19:50:00Z", sha)] if state == "success" else [])
        assert await _count(door) == len(said)
