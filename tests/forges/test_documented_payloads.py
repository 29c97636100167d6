"""Every example that GitHub's and GitLab's makers publish is accepted: it becomes an event, or is ignored and says why."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bot.dora.events import (
    DeploymentSeen,
    ForgeEvent,
    Ignored,
    IssueSeen,
    NamespaceRenamed,
    ReleaseSeen,
    RepositoryChanged,
)
from bot.dora.instants import SECOND
from bot.forges.github.payloads import TABLE as GITHUB
from bot.forges.github.payloads import parse_github
from bot.forges.gitlab.payloads import TABLE as GITLAB
from bot.forges.gitlab.payloads import parse_gitlab
from bot.forges.table import Origin
from bot.pipeline import intake
from bot.store import Store
from tests.forges.fixtures import FIXTURES, SHA
from tests.web.doors import GITLAB_SECRET, NOW, github_headers, open_door

EXAMPLES = Path(__file__).parents[1] / "npm/node_modules/@octokit/webhooks-examples"
DOCUMENTED = FIXTURES / "gitlab" / "documented"
ORIGIN = Origin(received_at=NOW, instance="https://gitlab.example.com")


def octokit(server: str) -> list[tuple[str, bytes]]:
    """(event, body) of every example."""
    events = json.loads((EXAMPLES / server / "index.json").read_bytes())
    return [(event["name"], json.dumps(example).encode()) for event in events for example in event["examples"]]


def documented(name: str) -> tuple[str, dict[str, Any]]:
    """(header, body) of an example in GitLab's documentation."""
    found = json.loads((DOCUMENTED / f"{name}.json").read_bytes())
    return found["header"], found["body"]


def gitlab(name: str, **changes: Any) -> ForgeEvent:
    header, body = documented(name)
    return parse_gitlab(header, json.dumps(body | changes).encode(), origin=ORIGIN)


@pytest.mark.parametrize("server", ["api.github.com", "ghes-31", "ghes-32", "ghes-33", "ghes-34", "ghes-35"])
def test_every_octokit_example_is_accepted(server: str) -> None:
    examples = octokit(server)
    assert len(examples) > 40
    for event, body in examples:
        found = parse_github(event, body, origin=ORIGIN)
        assert found != Ignored(reason="unknown_event"), event
        assert found != Ignored(reason="unknown_action"), event


@pytest.mark.parametrize("name", sorted(path.stem for path in DOCUMENTED.glob("*.json")))
def test_every_documented_payload_of_gitlab_is_accepted(name: str) -> None:
    assert gitlab(name) != Ignored(reason="unknown_event")


async def test_octokits_examples_through_the_door(store: Store) -> None:
    examples = octokit("api.github.com")
    async with open_door(store) as door:
        for number, (event, body) in enumerate(examples):
            headers = github_headers(body, event=event, delivery=f"d-{number}")
            answer = await door.client.post("/webhooks/github", data=body, headers=headers)
            assert answer.status == 202, event
    states = _process(store)
    assert set(states) == {"done", "ignored"}
    assert states.total() == len(examples) == 329
    assert states["done"] > 60


async def test_gitlabs_examples_through_the_door(store: Store) -> None:
    names = sorted(path.stem for path in DOCUMENTED.glob("*.json"))
    async with open_door(store) as door:
        for name in names:
            header, body = documented(name)
            headers = {"X-Gitlab-Token": GITLAB_SECRET, "X-Gitlab-Event": header, "Content-Type": "application/json"}
            answer = await door.client.post("/webhooks/gitlab", data=json.dumps(body).encode(), headers=headers)
            assert answer.status == 202, name
    states = _process(store)
    assert set(states) == {"done", "ignored"}
    assert states.total() == len(names) == 59
    assert states["done"] > 15


def _process(store: Store) -> Counter[str]:
    while claims := store.read(lambda reader: intake.due_deliveries(reader, now=2**62)):
        intake.process_deliveries(store, claims, now=lambda: NOW)
    return Counter(dict(store.read(lambda reader: reader.fetch("answer_delivery_counts", lambda state, count: (state, count)))))


def test_what_a_deployment_hook_tells() -> None:
    seen = gitlab("deployment")
    assert isinstance(seen, DeploymentSeen)
    assert (seen.forge_id, seen.environment, seen.state) == ("15", "staging", "success")
    assert seen.sha == SHA("279484c09fbe69ededfced8c1bb6e6d24616b468"), "all of it, out of the commit's page"
    assert seen.at == 1_619_639_400 * SECOND, "2021-04-28 21:50:00 +0200"


def test_what_a_release_hook_tells() -> None:
    made, gone = gitlab("release"), gitlab("release", action="delete")
    assert isinstance(made, ReleaseSeen)
    assert isinstance(gone, ReleaseSeen)
    assert (made.tag, made.state, gone.state, gone.at) == ("v1.1", "published", "deleted", NOW)


def test_issues_and_incidents_and_other_work_items() -> None:
    seen = gitlab("work_item")
    assert isinstance(seen, IssueSeen)
    assert (seen.number, seen.kind, seen.state, seen.labels, seen.severity) == (23, "issue", "open", ("API",), "high")
    attributes = documented("work_item")[1]["object_attributes"] | {
        "type": "Incident", "state": "closed", "action": "close", "updated_at": "2013-12-04 17:15:43 UTC",
    }  # fmt: skip
    closed = gitlab("work_item", object_kind="work_item", object_attributes=attributes)
    assert isinstance(closed, IssueSeen)
    assert (closed.kind, closed.state, closed.closed_at) == ("incident", "closed", closed.at)
    hidden = gitlab("work_item", event_type="confidential_issue")
    assert isinstance(hidden, IssueSeen)
    for kind in ("Epic", "Task"):
        other = gitlab("work_item", object_kind="work_item", project=None, object_attributes=attributes | {"type": kind})
        assert other == Ignored(reason="other_work_item")


def test_what_projects_groups_and_users_are_called() -> None:
    moved, group, user = gitlab("system_project_transfer"), gitlab("system_group_rename"), gitlab("system_user_rename")
    assert isinstance(moved, RepositoryChanged)
    assert (moved.repository.name, moved.old_name) == ("gitlab.example.com/scores/underscore", "gitlab.example.com/jsmith/overscore")
    assert isinstance(group, NamespaceRenamed)
    assert (group.old, group.new) == ("gitlab.example.com/parent-group/old-name", "gitlab.example.com/parent-group/better-name")
    assert isinstance(user, NamespaceRenamed)
    assert (user.old, user.new) == ("gitlab.example.com/old-boring-name", "gitlab.example.com/new-exciting-name")


def test_every_entry_says_in_a_sentence_what_it_changes() -> None:
    for table in (GITHUB, GITLAB):
        for key, entry in table.items():
            assert (entry.read is None) == (entry.changes == "nothing"), key
            assert entry.read is None or entry.changes.endswith("."), key
