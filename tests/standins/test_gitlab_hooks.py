"""The GitLab stand-in's webhooks: who hears what, in which words, and what the logs keep of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gitlab
import pytest
from multidict import CIMultiDict

from bot.forges.gitlab.payloads import parse_gitlab
from bot.forges.gitlab.webhook import verify
from bot.standins.forge import Change
from bot.standins.gitlab import GitLab, Project
from bot.standins.repository import ZEROS
from tests.standins.gitlab_faces import ANA, BOB, NOON, SHOP, Receiver, ask, refusal
from tests.standins.gitlab_schemas import check

SIGNING = "whsec_" + "QUJD" * 10 + "QUI="
"""32 bytes."""


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[GitLab]:
    forge = GitLab(tmp_path, now=NOON, check=check)
    await forge.start()
    yield forge
    await forge.stop()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
def shop(forge: GitLab, receiver: Receiver) -> Project:
    shop = forge.create_repository(SHOP)
    forge.add_hook(shop, receiver.url, token="s3cret", signing_token=SIGNING)
    return shop


def attributes(receiver: Receiver, action: str) -> dict[str, Any]:
    [found] = [b["object_attributes"] for b in receiver.bodies if b.get("object_attributes", {}).get("action") == action]
    return found


def topic(shop: Project, *, commits: int = 2) -> int:
    """A merge request whose branch begins behind main's tip."""
    begin = shop.commit("main", {"a": "1\n"}, message="Begin", author=ANA)
    shop.create_branch("topic", begin, by=ANA)
    shop.commit("main", {"b": "1\n"}, message="Meanwhile", author=BOB)
    shop.push("topic", *(Change(files={f"t{n}": "1\n"}, message=f"Step {n}", author=ANA) for n in range(commits)))
    return shop.open("topic", "main", title="A topic", author=ANA)


async def test_a_whole_story_is_told_signed_and_in_order(forge: GitLab, shop: Project, receiver: Receiver) -> None:
    number = topic(shop)
    shop.set_draft(number, True, by=ANA)
    shop.label(number, "hotfix", by=BOB)
    shop.commit("topic", {"t": "1\n"}, message="One more", author=ANA)
    shop.set_draft(number, False, by=ANA)
    approval = shop.approve(number, by=BOB)
    shop.dismiss(number, approval, by=BOB)
    shop.close(number, by=ANA)
    shop.reopen(number, by=ANA)
    tip = shop.merge(number, "merge", by=BOB)
    shop.tag("v1", tip, by=BOB, annotated=True)
    shop.deploy(tip, "production", state="failure")
    shop.issue("It burns", by=BOB, incident=True)
    shop.release("v1")
    await forge.deliver()

    assert receiver.events == [
        ("push", "refs/heads/main"), ("push", "refs/heads/topic"), ("push", "refs/heads/main"), ("push", "refs/heads/topic"),
        ("merge_request", "open"), ("merge_request", "update"), ("merge_request", "update"),
        ("push", "refs/heads/topic"), ("merge_request", "update"), ("merge_request", "update"),
        ("merge_request", "approved"), ("merge_request", "unapproved"), ("merge_request", "close"), ("merge_request", "reopen"),
        ("push", "refs/heads/main"), ("merge_request", "merge"), ("push", "refs/heads/topic"),
        ("tag_push", "refs/tags/v1"), ("deployment", "main"), ("work_item", "open"), ("release", ""),
    ]  # fmt: skip
    changes = [body["changes"] for body in receiver.bodies if body.get("object_attributes", {}).get("action") == "update"]
    assert [sorted(change) for change in changes] == [
        ["draft", "title", "updated_at"], ["labels", "updated_at"], ["updated_at"], ["draft", "title", "updated_at"]
    ]  # fmt: skip
    assert [label["title"] for label in changes[1]["labels"]["current"]] == ["hotfix"]
    for headers, body in receiver.got:
        parse_gitlab(headers["x-gitlab-event"], body)
        now = int(headers["webhook-timestamp"]) * 10**9
        verify(headers, body, tokens=[], signing_tokens=[SIGNING.encode()], now=now)
        verify(CIMultiDict({"x-gitlab-token": headers["x-gitlab-token"]}), body, tokens=[b"s3cret"], signing_tokens=[], now=now)
        assert headers["webhook-id"] == headers["idempotency-key"] and headers["x-gitlab-instance"] == forge.url
    assert len({headers["idempotency-key"] for headers, _ in receiver.got}) == len(receiver.got)
    assert [headers["x-gitlab-event"] for headers, _ in receiver.got[-4:]] == [
        "Tag Push Hook", "Deployment Hook", "Issue Hook", "Release Hook"
    ]  # fmt: skip


async def test_a_push_lists_its_newest_twenty_commits(forge: GitLab, shop: Project, receiver: Receiver) -> None:
    begin = shop.commit("main", {"old": "1\n"}, message="Begin", author=ANA)
    shas = shop.push("main", *(Change(files={f"f{n}": f"{n}\n"}, message=f"Step {n}", author=ANA) for n in range(25)))
    moved = shop.commit("main", {"old": None, "new": "1\n", "f3": None, "f4": "x\n"}, message="Move", author=BOB)
    shop.create_branch("later", begin, by=ANA)
    shop.force_push("main", begin, by=ANA)
    shop.delete_branch("later", by=ANA)
    await forge.deliver()

    _, many, one, created, forced, deleted = receiver.bodies
    assert (many["before"], many["after"], many["total_commits_count"]) == (begin, shas[-1], 25)
    assert [commit["id"] for commit in many["commits"]] == shas[5:]
    assert one["commits"][0] | {"author": None} == {
        "id": moved,
        "message": "Move\n",
        "title": "Move",
        "timestamp": "2026-05-28T20:26:40+00:00",
        "url": f"{forge.url}/{SHOP}/-/commit/{moved}",
        "author": None,
        "added": ["new"],
        "modified": ["f4"],
        "removed": ["f3"],
    }
    assert (created["before"], created["commits"], created["total_commits_count"]) == (ZEROS, [], 0)
    assert (forced["after"], forced["commits"]) == (begin, [])
    assert (deleted["after"], deleted["checkout_sha"]) == (ZEROS, None)


async def test_a_push_of_more_than_three_refs_is_told_to_nobody(forge: GitLab, shop: Project, receiver: Receiver) -> None:
    sha = shop.commit("main", {"a": "1\n"}, message="Begin", author=ANA)
    shop.create_branches({f"b{n}": sha for n in range(4)}, by=ANA)
    shop.create_tags({f"v{n}": sha for n in range(4)}, by=ANA)
    shop.create_tags({f"w{n}": sha for n in range(3)}, by=ANA, annotated=True)
    await forge.deliver()

    assert receiver.events == [("push", "refs/heads/main"), *(("tag_push", f"refs/tags/w{n}") for n in range(3))]
    tag = receiver.bodies[1]
    assert (tag["checkout_sha"], tag["message"], tag["total_commits_count"]) == (sha, "Release w0", 1)
    assert tag["after"] == shop.git.find("refs/tags/w0") != sha


@pytest.mark.parametrize(
    ("how", "squash_lands_by", "tells_merge_commit", "new_commits"),
    [
        ("merge", "merge", True, 3),
        ("squash", "merge", True, 2),
        ("squash", "fast_forward", False, 1),
        ("rebase", "merge", False, 2),
    ],
)
async def test_what_each_button_does_and_tells(
    forge: GitLab, shop: Project, receiver: Receiver, how: Any, squash_lands_by: Any, tells_merge_commit: bool, new_commits: int
) -> None:
    shop.squash_lands_by = squash_lands_by
    number = topic(shop)
    before = shop.git.head("main")
    forge.now += 3600
    tip = shop.merge(number, how, by=BOB)
    await forge.deliver()

    assert shop.git.head("main") == tip
    assert len(shop.git.commits_between(before, tip)) == new_commits
    told = attributes(receiver, "merge")
    assert told["merge_commit_sha"] == (tip if tells_merge_commit else None)
    assert "squash_commit_sha" not in told and "merged_at" not in told
    assert (told["state"], told["updated_at"]) == ("merged", "2026-05-28 21:26:40 UTC")
    head = shop.git.find("refs/merge-requests/1/head")
    assert told["last_commit"]["id"] == head
    assert (head == tip) == (how == "rebase")
    mr = (await ask(forge, forge.create_token("read_api").value, lambda c: c.projects.get(SHOP).mergerequests.get(1))).attributes
    assert (mr["sha"], mr["merge_commit_sha"], mr["squash"]) == (head, told["merge_commit_sha"], how == "squash")
    squashed = {"fast_forward": tip, "merge": shop.git.read_commit(tip).parents[-1]}[squash_lands_by]
    assert mr["squash_commit_sha"] == (squashed if how == "squash" else None)
    assert shop.git.find("refs/heads/topic") is None and receiver.bodies[-1]["after"] == ZEROS
    if how == "rebase":
        assert attributes(receiver, "update")["oldrev"] != head


async def test_pushing_the_head_merges_too(forge: GitLab, shop: Project, receiver: Receiver) -> None:
    shop.commit("main", {"a": "1\n"}, message="Begin", author=ANA)
    head = shop.commit("topic", {"b": "1\n"}, message="Step", author=ANA)
    number = shop.open("topic", "main", title="A topic", author=ANA)
    shop.force_push("main", head, by=BOB)
    await forge.deliver()
    told = attributes(receiver, "merge")
    assert (told["merge_commit_sha"], told["merge_user_id"]) == (head, BOB.number)
    assert shop.merge_requests[number].state == "merged"


async def test_requests_into_a_merged_branch_go_where_it_went(forge: GitLab, shop: Project, receiver: Receiver) -> None:
    shop.commit("main", {"a": "1\n"}, message="Begin", author=ANA)
    below = shop.commit("below", {"b": "1\n"}, message="Below", author=ANA)
    first = shop.open("below", "main", title="Below", author=ANA)
    shop.create_branch("above", below, by=ANA)
    shop.commit("above", {"c": "1\n"}, message="Above", author=ANA)
    second = shop.open("above", "below", title="Above", author=ANA)
    shop.merge(first, "merge", by=BOB)
    await forge.deliver()
    told = attributes(receiver, "update")
    assert (told["iid"], told["target_branch"]) == (second, "main")
    assert receiver.bodies[-1]["changes"]["target_branch"] == {"previous": "below", "current": "main"}


async def test_approvals_have_another_word_each_where_some_are_required(forge: GitLab, shop: Project, receiver: Receiver) -> None:
    number = topic(shop)
    shop.approve(number, by=ANA)
    forge.premium, shop.approvals_required = True, 3
    shop.approve(number, by=BOB)
    third = shop.approve(number, by=ANA.__class__(login="cy", name="Cy", email="c@example.com", number=13))
    shop.dismiss(number, third, by=BOB)
    shop.dismiss(number, 1, by=BOB)
    await forge.deliver()
    told = [(b["object_attributes"]["action"], b["user"]["username"]) for b in receiver.bodies if "object_attributes" in b]
    assert told[1:] == [("approved", "ana"), ("approval", "bob"), ("approved", "cy"), ("unapproved", "cy"), ("unapproval", "ana")]
    approvals = await ask(
        forge, forge.create_token("read_api").value, lambda c: c.projects.get(SHOP).mergerequests.get(1).approvals.get()
    )
    assert (approvals.approvals_left, approvals.approved) == (2, False)


async def test_a_hook_that_fails_is_paused_then_ended(forge: GitLab, shop: Project, receiver: Receiver) -> None:
    [hook] = shop.hooks
    receiver.status = 401
    for n in range(5):
        shop.commit("main", {"a": f"{n}\n"}, message=f"Step {n}", author=ANA)
    await forge.deliver()
    token = forge.create_token("api").value

    def seen(client: gitlab.Gitlab) -> tuple[str, str | None]:
        got = client.projects.get(SHOP).hooks.get(hook.id)
        return got.alert_status, got.disabled_until

    assert len(receiver.got) == 4, "the fifth was sent to nobody"
    assert await ask(forge, token, seen) == ("temporarily_disabled", "2026-05-28T20:27:40.000Z")
    forge.now += 61
    shop.commit("main", {"a": "6\n"}, message="Step 6", author=ANA)
    await forge.deliver()
    assert await ask(forge, token, seen) == ("temporarily_disabled", "2026-05-28T20:29:41.000Z")
    hook.failures = 39
    forge.now += 86_400
    shop.commit("main", {"a": "7\n"}, message="Step 7", author=ANA)
    await forge.deliver()
    assert (await ask(forge, token, seen))[0] == "disabled"
    receiver.status = 200
    [*_, last] = hook.log
    await forge.courier.resend(hook, last)
    assert await ask(forge, token, seen) == ("executable", None)


async def test_the_log_keeps_what_failed_and_sends_it_again(forge: GitLab, shop: Project, receiver: Receiver) -> None:
    forge.drop = lambda told: told.action == "open"
    forge.courier.lose = lambda told: told.payload.get("ref") == "refs/heads/topic"
    forge.now += 60
    topic(shop)
    await forge.deliver()
    forge.drop = lambda told: False
    token = forge.create_token("api").value
    [hook] = shop.hooks

    def log(client: gitlab.Gitlab, **asked: Any) -> Any:
        return client.http_list(f"/projects/{shop.id}/hooks/{hook.id}/events", get_all=True, **asked)

    assert receiver.events == [("push", "refs/heads/main")] * 2, "what was lost is in no log"
    logged = await ask(forge, token, log)
    assert [(entry["trigger"], entry["response_status"]) for entry in logged] == [
        ("merge_request_hooks", "internal error"), ("push_hooks", "200"), ("push_hooks", "200")
    ]  # fmt: skip
    assert logged[1]["request_headers"]["X-Gitlab-Token"] == "[REDACTED]" and "s3cret" not in str(logged)
    assert logged[1]["created_at"] == "2026-05-28T20:27:40.000Z"
    [failed] = await ask(forge, token, lambda client: log(client, status="server_failure"))
    assert failed == logged[0] and failed["request_data"]["object_attributes"]["action"] == "open"

    def resend(client: gitlab.Gitlab) -> Any:
        path = f"/projects/{shop.id}/hooks/{hook.id}/events/{failed['id']}/resend"
        # This 429 comes without Retry-After: python-gitlab would try again for a hundred seconds.
        return client.http_post(path, obey_rate_limit=False)

    assert await ask(forge, token, resend) == {"response_status": 200}
    headers, _ = receiver.got[-1]
    assert headers["idempotency-key"] == failed["request_headers"]["Idempotency-Key"]
    assert receiver.events[-1] == ("merge_request", "open")
    forge.resends_per_minute = 1
    assert (await refusal(forge, token, resend))[0] == 429
    for n in range(30):
        shop.commit("main", {"n": f"{n}\n"}, message="Again", author=ANA)
    await forge.deliver()
    assert len(await ask(forge, token, lambda client: client.http_list(f"/projects/{shop.id}/hooks/{hook.id}/events", get_all=False))) == 20


async def test_hooks_hear_what_they_asked_for(forge: GitLab, receiver: Receiver) -> None:
    shop = forge.create_repository(SHOP)
    hook = forge.add_hook(shop, receiver.url, push_events=True)
    hook.settings["push_events_branch_filter"] = "release/*"
    sha = shop.commit("main", {"a": "1\n"}, message="Begin", author=ANA)
    shop.create_branch("release/1", sha, by=ANA)
    shop.tag("v1", sha, by=ANA)
    shop.open("release/1", "main", title="Back", author=ANA)
    await forge.deliver()
    assert receiver.events == [("push", "refs/heads/release/1")]


async def test_the_instances_hook_tells_names_and_pushes_without_commits(forge: GitLab, receiver: Receiver) -> None:
    forge.add_hook(None, receiver.url, token="s3cret")
    shop = forge.create_repository("acme/shop")
    number = topic(shop)
    shop.merge(number, "merge", by=BOB)
    shop.rename("store")
    shop.transfer("umbrella")
    forge.rename_group("umbrella", "parasol")
    shop.delete()
    await forge.deliver()

    assert {headers["x-gitlab-event"] for headers, _ in receiver.got} == {"System Hook"}
    names = [body["event_name"] for body in receiver.bodies if "event_name" in body]
    assert names == [
        "group_create", "project_create",
        *["push", "repository_update"] * 6,
        "project_rename", "group_create", "project_transfer", "group_rename", "project_destroy",
    ]  # fmt: skip
    assert [b["object_attributes"]["action"] for b in receiver.bodies if b.get("object_kind") == "merge_request"] == ["open", "merge"]
    pushes = [body for body in receiver.bodies if body.get("event_name") == "push"]
    assert all(push["commits"] == [] and push["total_commits_count"] == 0 for push in pushes)
    told = {body["event_name"]: body for body in receiver.bodies if "event_name" in body}
    assert told["project_rename"]["old_path_with_namespace"] == "acme/shop"
    assert told["project_transfer"] | {"created_at": None} == {
        "event_name": "project_transfer", "created_at": None, "updated_at": "2026-05-28T20:26:40Z", "name": "Store",
        "path": "store", "path_with_namespace": "umbrella/store", "project_id": shop.id, "owner_name": "Umbrella",
        "owner_email": None, "owners": [], "project_namespace_id": 62, "project_visibility": "public",
        "old_path_with_namespace": "acme/store",
    }  # fmt: skip
    assert (told["group_rename"]["old_full_path"], told["group_rename"]["full_path"]) == ("umbrella", "parasol")


async def test_a_groups_hook_hears_of_all_below_with_premium_only(forge: GitLab, receiver: Receiver) -> None:
    acme = forge.create_group("acme")
    forge.add_hook(acme, receiver.url)
    forge.create_repository("acme/free/one").commit("main", {"a": "1\n"}, message="Begin", author=ANA)
    forge.premium = True
    two = forge.create_repository("acme/paid/two")
    forge.add_hook(two, receiver.url, push_events=True)
    two.commit("main", {"a": "1\n"}, message="Begin", author=ANA)
    await forge.deliver()
    assert [(headers["x-gitlab-event"], event) for (headers, _), (event, _) in zip(receiver.got, receiver.events, strict=True)] == [
        ("Subgroup Hook", "subgroup_create"), ("Project Hook", "project_create"), ("Push Hook", "push"), ("Push Hook", "push"),
    ]  # fmt: skip
    first, second = receiver.got[-2:]
    assert first[0]["x-gitlab-event-uuid"] == second[0]["x-gitlab-event-uuid"]
    assert first[0]["idempotency-key"] != second[0]["idempotency-key"]


async def test_a_deployment_tells_its_sha_in_an_address(forge: GitLab, shop: Project, receiver: Receiver) -> None:
    sha = shop.commit("main", {"a": "1\n"}, message="Begin", author=ANA)
    number = shop.deploy(sha, "prod/eu", state="running", by=BOB)
    shop.set_deployment(number, "success")
    incident = shop.issue("It burns", by=BOB, incident=True)
    shop.close_issue(incident, by=BOB)
    shop.reopen_issue(incident, by=BOB)
    await forge.deliver()
    _, running, success, opened, closed, reopened = receiver.bodies
    assert (running["status"], success["status"], success["deployment_id"]) == ("running", "success", number)
    assert (success["short_sha"], success["commit_url"]) == (sha[:8], f"{forge.url}/{SHOP}/-/commit/{sha}")
    assert (success["environment_tier"], success["status_changed_at"]) == ("production", "2026-05-28 20:26:40 +0000")
    assert [body["object_attributes"]["action"] for body in (opened, closed, reopened)] == ["open", "close", "reopen"]
    assert {body["object_attributes"]["type"] for body in (opened, closed, reopened)} == {"Incident"}
    assert closed["object_attributes"]["closed_at"] == "2026-05-28 20:26:40 UTC"
