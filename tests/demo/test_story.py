"""What the demo sends: signatures, stable ids and payloads shaped as the forges shape them."""

import json
import re
from collections import Counter
from typing import Any

import pytest

from bot.demo.deliveries import Delivery, Secrets, github_signature
from bot.demo.organisation import Organisation, git
from bot.demo.story import CANARY, story
from bot.standins.repository import ZEROS

SECRETS = Secrets(github="s" * 20, gitlab="t" * 20, api_key="u" * 20)
PULL_REQUEST_FIELDS = {
    "number", "state", "title", "user", "body", "created_at", "updated_at", "closed_at", "merged_at", "merge_commit_sha",
    "labels", "draft", "head", "base", "id", "node_id", "html_url",
}  # fmt: skip
PUSH_FIELDS = {
    "ref", "before", "after", "base_ref", "compare", "created", "deleted", "forced", "commits", "head_commit", "repository",
    "pusher", "sender",
}  # fmt: skip
GITLAB_PUSH_FIELDS = {
    "object_kind", "event_name", "before", "after", "ref", "checkout_sha", "project_id", "project", "commits",
    "total_commits_count", "repository", "user_username",
}  # fmt: skip


@pytest.fixture(scope="module")
def deliveries(organisation: Organisation) -> list[Delivery]:
    return story(organisation)


def payloads(deliveries: list[Delivery], event: str) -> list[dict[str, Any]]:
    return [json.loads(delivery.body) for delivery in deliveries if delivery.event == event]


def test_signature_of_the_official_example() -> None:
    expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert github_signature("It's a Secret to Everybody", b"Hello, World!") == expected


def test_a_second_telling_is_the_same_to_the_byte(organisation: Organisation, deliveries: list[Delivery]) -> None:
    again = story(organisation)
    assert [(one.id, one.path, one.body) for one in again] == [(one.id, one.path, one.body) for one in deliveries]
    assert max(Counter(one.id for one in deliveries).values()) == 1


def test_headers_are_those_of_each_sender(deliveries: list[Delivery]) -> None:
    for delivery in deliveries:
        headers = delivery.headers(SECRETS)
        match delivery.kind:
            case "github":
                assert headers["X-Hub-Signature-256"] == github_signature(SECRETS.github, delivery.body)
                assert headers["X-GitHub-Event"] == delivery.event
                assert headers["X-GitHub-Delivery"] == delivery.id
            case "gitlab":
                assert headers["X-Gitlab-Token"] == SECRETS.gitlab
                assert headers["Idempotency-Key"] == delivery.id
                assert headers["X-Gitlab-Event"].endswith(" Hook")
            case _:
                assert headers["DD-API-KEY"] == SECRETS.api_key
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", delivery.id)


def test_no_payload_knows_where_anything_is_served(deliveries: list[Delivery]) -> None:
    everything = b"\n".join(delivery.body for delivery in deliveries)
    assert b"127.0.0.1" not in everything
    assert b"localhost" not in everything
    assert not re.search(rb"(?:github\.com|gitlab\.example\.com):\d", everything)
    assert everything.count(CANARY.encode()) == 1


def test_things_are_told_as_they_happened_but_for_what_comes_late(deliveries: list[Delivery]) -> None:
    late = [delivery.name for delivery in deliveries[-3:]]
    assert late == ["deployment P3", "deployment P2 again", "deployment P2 in capitals"]
    assert [one.at for one in deliveries[:-3]] == sorted(one.at for one in deliveries[:-3])
    names = [delivery.name for delivery in deliveries]
    later = names[names.index("deployment U2") + 1 :]
    # The deployment of an unknown commit is settled by a sync that begins after it.
    assert any(name.startswith("github push refs/heads/main") for name in later)


def test_github_pushes(organisation: Organisation, deliveries: list[Delivery]) -> None:
    tips: dict[str, str] = {}
    known = set(organisation.shop.shas.values()) | set(organisation.shop.tags.values())
    for push in payloads(deliveries, "push"):
        assert push.keys() >= PUSH_FIELDS
        assert push["before"] == tips.get(push["ref"], ZEROS), push["ref"]
        assert push["created"] == (push["before"] == ZEROS)
        assert push["deleted"] == (push["after"] == ZEROS)
        assert (push["head_commit"] is None) == push["deleted"]
        assert isinstance(push["repository"]["pushed_at"], int)
        tips[push["ref"]] = push["after"]
        if push["ref"].startswith("refs/tags/"):
            assert push["commits"] == []
            assert push["head_commit"]["id"] != push["after"]
        elif not push["deleted"]:
            assert push["commits"][-1]["id"] == push["after"]
        assert {commit["id"] for commit in push["commits"]} <= known
    left = {ref for ref, sha in tips.items() if sha != ZEROS}
    heads = {f"refs/heads/{branch}" for branch in ("main", "new-logo", "search-speed", "tidy-basket")}
    assert left == heads | {"refs/tags/v1.6.0"}
    assert set(git("-C", str(organisation.shop.directory), "for-each-ref", "--format=%(refname)", "refs/heads").split()) == heads
    assert tips["refs/heads/main"] == organisation.shop.shas["s15"]


def test_every_commit_of_main_is_pushed_with_its_paths(organisation: Organisation, deliveries: list[Delivery]) -> None:
    seen = {commit["id"]: commit for push in payloads(deliveries, "push") for commit in push["commits"]}
    moved = seen[organisation.shop.shas["c4"]]
    assert (moved["added"], moved["removed"], moved["modified"]) == (["libs/pricing/currency.js"], ["web/currency.js"], [])
    assert {organisation.shop.shas[key] for key in organisation.shop.spec.line} <= set(seen)


def test_github_pull_requests(organisation: Organisation, deliveries: list[Delivery]) -> None:
    merged = set()
    for event in payloads(deliveries, "pull_request"):
        pull = event["pull_request"]
        assert pull.keys() >= PULL_REQUEST_FIELDS | {"merged", "merged_by", "commits"}
        assert event["number"] == pull["number"]
        assert pull["merge_commit_sha"] is not None
        if event["action"] == "closed":
            assert pull["merged"] is True
            assert pull["merged_at"] == pull["closed_at"] == pull["updated_at"]
            assert pull["merge_commit_sha"] in organisation.shop.shas.values()
            merged.add(pull["number"])
        else:
            # Before the merge the field holds a sha that means nothing.
            assert pull["merged"] is False
            assert pull["merge_commit_sha"] not in organisation.shop.shas.values()
    assert merged == set(range(1, 16))


def test_the_lives_of_pull_requests(deliveries: list[Delivery]) -> None:
    events = payloads(deliveries, "pull_request")
    lives = {number: [event["action"] for event in events if event["number"] == number] for number in (1, 3, 5, 9, 16)}
    assert lives[1] == ["opened", "converted_to_draft", "synchronize", "synchronize", "ready_for_review", "closed"]
    assert lives[3] == ["opened", "synchronize", "edited", "closed"]
    assert lives[5] == ["opened", "ready_for_review", "synchronize", "closed"]
    assert lives[9] == ["opened", "labeled", "closed"]
    assert lives[16] == ["opened"]
    bases = [event["pull_request"]["base"]["ref"] for event in events if event["number"] == 3]
    assert bases == ["euro-prices", "euro-prices", "main", "main"]
    labels = [[label["name"] for label in event["pull_request"]["labels"]] for event in events if event["number"] == 9]
    assert labels == [[], ["hotfix"], ["hotfix"]]


def test_github_reviews(deliveries: list[Delivery]) -> None:
    reviews = payloads(deliveries, "pull_request_review")
    states = [(review["action"], review["review"]["state"]) for review in reviews if review["pull_request"]["number"] == 1]
    assert states == [("submitted", "approved"), ("dismissed", "dismissed"), ("submitted", "approved")]
    for review in reviews:
        assert review["pull_request"].keys() >= PULL_REQUEST_FIELDS
        # The object inside a review says nothing of the merge.
        assert not review["pull_request"].keys() & {"merged", "merged_by", "commits", "mergeable"}
    dismissed = next(review for review in reviews if review["action"] == "dismissed")
    assert dismissed["review"]["submitted_at"] < dismissed["pull_request"]["updated_at"]


def test_gitlab_pushes(organisation: Organisation, deliveries: list[Delivery]) -> None:
    pushes = payloads(deliveries, "Push Hook")
    assert all(push.keys() >= GITLAB_PUSH_FIELDS for push in pushes)
    assert all((push["checkout_sha"] is None) == (push["after"] == ZEROS) for push in pushes)
    (_, annotated) = payloads(deliveries, "Tag Push Hook")
    assert annotated["after"] == organisation.ledger.tags["1.1.0"]
    assert annotated["checkout_sha"] == organisation.ledger.shas["b2"]
    assert annotated["object_kind"] == "tag_push"


def test_gitlab_merge_requests(organisation: Organisation, deliveries: list[Delivery]) -> None:
    events = [event["object_attributes"] for event in payloads(deliveries, "Merge Request Hook")]
    assert [event["action"] for event in events if event["iid"] == 1] == ["open", "update", "approved", "merge"]
    merges = {event["iid"]: event for event in events if event["action"] == "merge"}
    assert merges[1]["merge_commit_sha"] == organisation.ledger.shas["mm1"]
    assert merges[1]["last_commit"]["id"] == organisation.ledger.shas["a3"]
    assert merges[2]["merge_commit_sha"] is None
    assert merges[2]["last_commit"]["id"] == organisation.ledger.shas["b2"]
    assert all("merged_at" not in event for event in events)
    assert merges[1]["updated_at"].endswith(" UTC")
    assert merges[4]["updated_at"].endswith("Z")


def test_deployment_calls(organisation: Organisation, deliveries: list[Delivery]) -> None:
    calls = [json.loads(one.body)["data"]["attributes"] for one in deliveries if one.event == "deployment"]
    assert len(calls) == 47
    assert sum("git" not in call for call in calls) == 2
    assert sum("env" not in call for call in calls) == 2
    assert sum("id" in call for call in calls) == 2
    assert {len(str(call["started_at"])) for call in calls} == {10, 13, 19}


def test_a_failure_is_told_when_it_begins_and_again_when_it_is_over(deliveries: list[Delivery]) -> None:
    calls = [json.loads(one.body)["data"]["attributes"] for one in deliveries if one.event == "failure"]
    matched = Counter((call["env"], *call["services"], call["started_at"]) for call in calls)
    assert sorted(matched.values()) == [1, 2, 2, 2, 2]
    assert sum("finished_at" in call for call in calls) == 4
