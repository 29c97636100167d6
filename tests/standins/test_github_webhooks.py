"""The fake GitHub's webhooks: a whole story by GitHub's own schemas; signed, logged, dropped and sent again."""

import hashlib
import hmac
import json
from collections import Counter
from typing import Any

import pytest

from bot.standins.forge import Change
from bot.standins.github import EVENTS, GitHub, GitHubRepo, hooks
from tests.standins.conftest import ANN, BEN, NOON, Receiver
from tests.standins.github_contract import github_payload

ALL = (*EVENTS, "deployment")


def told(github: GitHub, event: str, action: str = "") -> list[Any]:
    """The payloads queued so far, of one kind."""
    return [one.payload for one in github.queue if one.event == event and action in ("", one.action)]


def shop_of(github: GitHub, hook: str = "http://127.0.0.1:9/hook") -> GitHubRepo:
    """A private repository with an App installed, and main with two commits."""
    github.create_app(hook_url=hook, events=ALL)
    shop = github.create_repository("acme/shop", private=True)
    github.install("acme", [shop])
    shop.push(
        "main",
        Change(files={"a": "1\n", "src/b": "1\n"}, message="Start", author=ANN),
        Change(files={"src/b": None, "c": "1\n"}, message="Move on", author=ANN),
    )
    return shop


def play(github: GitHub, shop: GitHubRepo) -> None:
    """Everything that can happen, once."""
    for step, how in enumerate(("merge", "squash", "rebase", "fast_forward")):
        github.now += 100
        branch = f"work-{how}"
        shop.create_branch(branch, shop.git.head("main"), by=BEN)
        shop.commit(branch, {f"{how}/one": "1\n"}, message=f"{how} one", author=BEN)
        number = shop.open(
            branch, "main", title=f"Do {how}", author=BEN, body="Why", draft=step == 0, labels=["x", "y"]
        )
        shop.commit(branch, {f"{how}/two": "2\n"}, message=f"{how} two", author=BEN)
        shop.set_draft(number, False, by=BEN)
        shop.label(number, "z", remove=["x"], by=ANN)
        shop.retitle(number, f"Really do {how}", by=BEN)
        shop.dismiss(number, shop.approve(number, by=ANN), by=BEN)
        shop.review(number, "changes_requested", by=ANN, body="No")
        shop.close(number, by=BEN)
        shop.reopen(number, by=BEN)
        shop.merge(number, how, by=ANN)
        shop.delete_branch(branch, by=ANN)
    head = shop.git.head("main")
    shop.tag("v1", head, by=ANN)
    shop.tag("v2", head, by=ANN, annotated=True)
    shop.deploy(head, "production")
    shop.release("v2")
    shop.force_push("main", shop.git.read_commit(head).parents[0], by=ANN)
    shop.create_branch("trunk", head, by=ANN)
    shop.set_default_branch("trunk")
    shop.rename("acme/store")
    shop.archive()
    (installation,) = github.world.installations.values()
    other = github.create_repository("acme/other")
    github.apps.select(installation, added=[other.state])
    github.apps.select(installation, removed=[other.state])
    github.apps.suspend(installation)
    github.apps.unsuspend(installation)
    github.apps.accept(installation, {"contents": "read", "checks": "write"}, ALL)
    shop.transfer("globex")
    github.install("globex")
    shop.transfer("acme")
    shop.transfer("globex")
    shop.delete()
    github.apps.uninstall(installation)


async def test_each_payload_of_a_whole_story_is_one_of_github(github: GitHub) -> None:
    play(github, shop_of(github))
    for delivery in github.queue:
        github_payload(delivery.event, delivery.payload)
    kinds = Counter(f"{one.event} {one.action}".strip() for one in github.queue)
    assert set(kinds) == {
        "ping",
        "push",
        "deployment created",
        "deployment_status created",
        "release created",
        "release published",
        "release released",
        "installation created",
        "installation deleted",
        "installation suspend",
        "installation unsuspend",
        "installation new_permissions_accepted",
        "installation_repositories added",
        "installation_repositories removed",
        "repository renamed",
        "repository transferred",
        "repository edited",
        "repository archived",
        "repository deleted",
        "pull_request opened",
        "pull_request synchronize",
        "pull_request edited",
        "pull_request labeled",
        "pull_request unlabeled",
        "pull_request ready_for_review",
        "pull_request closed",
        "pull_request reopened",
        "pull_request_review submitted",
        "pull_request_review dismissed",
    }
    assert kinds["pull_request closed"] == 8
    assert len({one.id for one in github.queue}) == len(github.queue)


async def test_a_push_lists_what_it_brought(github: GitHub) -> None:
    shop = shop_of(github)
    first, second = shop.git.commits_between(None, shop.git.head("main"))
    (push,) = told(github, "push")
    assert (push["created"], push["deleted"], push["forced"]) == (True, False, False)
    assert [commit["id"] for commit in push["commits"]] == [first, second]
    assert push["commits"][1]["removed"] == ["src/b"]
    assert push["commits"][1]["added"] == ["c"]
    assert push["repository"]["pushed_at"] == NOON
    assert push["installation"]["id"] == 880_001

    work = shop.commit("work", {"d": "1\n"}, message="Work", author=BEN)
    assert told(github, "push")[-1]["head_commit"]["id"] == work
    number = shop.open("work", "main", title="Work", author=BEN)
    tip = shop.merge(number, "merge", by=ANN)
    merged = told(github, "push")[-1]
    assert [(commit["id"], commit["distinct"]) for commit in merged["commits"]] == [(work, False), (tip, True)]

    shop.tag("v1", tip, by=ANN, annotated=True)
    tagged = told(github, "push")[-1]
    assert tagged["commits"] == []
    assert tagged["after"] == shop.git.tags()["v1"] != tip == tagged["head_commit"]["id"]

    shop.force_push("main", first, by=ANN)
    forced = told(github, "push")[-1]
    assert (forced["forced"], forced["commits"]) == (True, [])
    shop.delete_branch("work", by=ANN)
    gone = told(github, "push")[-1]
    assert (gone["deleted"], gone["head_commit"], gone["after"]) == (True, None, "0" * 40)


async def test_a_push_lists_only_the_newest_of_too_many(github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hooks.MOST_COMMITS == 2_048
    monkeypatch.setattr(hooks, "MOST_COMMITS", 3)
    shop = shop_of(github)
    shas = shop.push("main", *(Change(files={"n": f"{n}\n"}, message=f"Commit {n}", author=ANN) for n in range(5)))
    push = told(github, "push")[-1]
    assert [commit["id"] for commit in push["commits"]] == shas[-3:]
    assert push["head_commit"]["id"] == shas[-1]


async def test_the_merge_commit_sha_lies_until_it_is_merged(github: GitHub) -> None:
    shop = shop_of(github)
    head = shop.commit("work", {"d": "1\n"}, message="Work", author=BEN)
    number = shop.open("work", "main", title="Work", author=BEN)
    shop.close(number, by=BEN)
    shop.reopen(number, by=BEN)
    tip = shop.merge(number, "squash", by=ANN)
    unmerged, merged = (payload["pull_request"] for payload in told(github, "pull_request", "closed"))
    assert told(github, "pull_request", "opened")[0]["pull_request"]["merge_commit_sha"] is None
    assert shop.git.read_commit(unmerged["merge_commit_sha"]).parents == (shop.git.read_commit(tip).parents[0], head)
    assert (unmerged["merged"], unmerged["merged_at"]) == (False, None)
    assert (merged["merged"], merged["merge_commit_sha"], merged["commits"]) == (True, tip, 1)
    assert shop.git.refs("refs/pull/")[f"{number}/head"] == head


async def test_a_head_that_reaches_the_base_by_a_push_is_merged(github: GitHub) -> None:
    shop = shop_of(github)
    for branch in ("fast", "by-hand"):
        shop.create_branch(branch, shop.git.head("main"), by=BEN)
        shop.commit(branch, {branch: "1\n"}, message=branch, author=BEN)
        shop.open(branch, "main", title=branch, author=BEN)
    fast = shop.merge(1, "fast_forward", by=ANN)
    by_hand = shop.git.merge("main", shop.git.head("by-hand"), "merge", message="Merge", by=ANN, at=github.now)
    shop.git.force("main", fast)
    shop.git.create_branch("later", by_hand)
    on_top = shop.git.commit("later", {"later": "2\n"}, message="On top", author=ANN, at=github.now)
    shop.push_sha("main", on_top, by=ANN)
    closed = [payload["pull_request"] for payload in told(github, "pull_request", "closed")]
    assert [pull["merge_commit_sha"] for pull in closed] == [fast, by_hand]
    assert shop.git.head("fast") == fast


async def test_a_branch_that_goes_takes_its_pull_requests_along(github: GitHub) -> None:
    shop = shop_of(github)
    for branch, base in (("under", "main"), ("upper", "under"), ("stray", "main")):
        shop.create_branch(branch, shop.git.head(base), by=BEN)
        shop.commit(branch, {branch: "1\n"}, message=branch, author=BEN)
        shop.open(branch, base, title=branch, author=BEN)
    shop.merge(1, "merge", by=ANN)
    shop.delete_branch("under", by=ANN)
    shop.delete_branch("stray", by=BEN)
    (retargeted,) = told(github, "pull_request", "edited")
    assert (retargeted["number"], retargeted["changes"]["base"]["ref"]["from"]) == (2, "under")
    assert retargeted["pull_request"]["base"]["ref"] == "main"
    assert [payload["number"] for payload in told(github, "pull_request", "closed")] == [1, 3]


async def test_deliveries_are_signed_logged_and_forgotten(github: GitHub, receiver: Receiver) -> None:
    shop = shop_of(github, receiver.url)
    (app,) = github.world.apps.values()
    github.drop = lambda delivery: delivery.event == "push"
    receiver.status = 500
    await github.deliver()
    assert [headers["x-github-event"] for headers, _ in receiver.got] == ["ping", "installation"]
    for headers, body in receiver.got:
        proof = hmac.new(app.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
        assert headers["x-hub-signature-256"] == f"sha256={proof}"
        assert headers["x-github-hook-installation-target-id"] == str(app.id)
        github_payload(headers["x-github-event"], json.loads(body))
    assert [(one.delivery.event, one.status_code, one.ok) for one in github.attempts] == [
        ("ping", 500, False),
        ("installation", 500, False),
        ("push", 502, False),
    ]

    app.webhook_secret, receiver.status = "another", 202
    github.mail.redeliver(github.attempts[2])
    await github.deliver()
    headers, body = receiver.got[-1]
    assert headers["x-github-delivery"] == github.attempts[2].delivery.id
    assert headers["x-hub-signature-256"] == "sha256=" + hmac.new(b"another", body, hashlib.sha256).hexdigest()
    assert (github.attempts[3].status, github.attempts[3].redelivery) == ("OK", True)

    assert len(github.mail.log(app)) == 4
    github.now += 3 * 86_400
    github.drop = lambda _: False
    shop.commit("main", {"d": "1\n"}, message="Later", author=ANN)
    await github.deliver()
    assert [one.delivery.event for one in github.mail.log(app)] == ["push"]


async def test_a_receiver_that_is_slow_or_down_fails(github: GitHub, receiver: Receiver) -> None:
    receiver.pause, github.mail.timeout = 0.3, 0.05
    github.create_app("Slow", hook_url=receiver.url)
    github.create_app("Down", hook_url="http://127.0.0.1:9/hook")
    await github.deliver()
    assert [(one.status, one.status_code) for one in github.attempts] == [
        ("timed out", 504),
        ("failed to connect to host", 502),
    ]


async def test_a_suspended_installation_hears_of_nothing_but_itself(github: GitHub) -> None:
    shop = shop_of(github)
    (installation,) = github.world.installations.values()
    github.apps.suspend(installation)
    shop.commit("main", {"d": "1\n"}, message="Unheard", author=ANN)
    github.apps.unsuspend(installation)
    shop.commit("main", {"d": "2\n"}, message="Heard", author=ANN)
    heard = [(one.event, one.action) for one in github.queue]
    assert heard[-3:] == [("installation", "suspend"), ("installation", "unsuspend"), ("push", "")]


async def test_who_is_not_asked_for_is_not_told(github: GitHub) -> None:
    first = github.create_app("First", hook_url="http://127.0.0.1:9/one", events=["push"])
    second = github.create_app("Second", hook_url="http://127.0.0.1:9/two", events=["push", "release"])
    shop, other = github.create_repository("acme/shop"), github.create_repository("acme/other")
    github.install("acme", [shop], app=first)
    github.install("acme", app=second)
    github.mail.queue.clear()
    shop.commit("main", {"a": "1\n"}, message="Start", author=ANN)
    other.commit("main", {"a": "1\n"}, message="Start", author=ANN)
    assert [(one.repository, one.hook) for one in github.queue] == [
        ("acme/shop", first.id),
        ("acme/shop", second.id),
        ("acme/other", second.id),
    ]
    assert github.queue[0].id == github.queue[1].id != github.queue[2].id
