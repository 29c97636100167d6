"""A merge request as webhooks tell it and as the API tells it: one record, whatever comes first."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.dora.events import PullRequestSeen
from bot.dora.pull_request_records import PullRequestRecord, merged_record, record_of
from bot.forges.gitlab.payloads import parse_gitlab
from bot.forges.table import Origin
from bot.standins.gitlab import GitLab, Project
from tests.forges.gitlab_room import ANA, BOB, SHOP, asking, key, landed, standing

FIELDS = (
    "title", "body", "labels", "state", "created_at", "merged_at", "merge_sha", "head_sha", "head_ref", "base_ref", "readiness", "reviews",
)  # fmt: skip


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[GitLab]:
    async with standing(tmp_path) as forge:
        yield forge


def webhooks(forge: GitLab) -> list[PullRequestSeen]:
    """What the webhooks that are on their way tell."""
    bodies = [json.dumps(item.told.payload).encode() for item in forge.courier.queue if item.trigger == "merge_request_hooks"]
    events = [parse_gitlab("Merge Request Hook", body, origin=Origin(instance=forge.url)) for body in bodies]
    return [event for event in events if isinstance(event, PullRequestSeen)]


async def asked(forge: GitLab, shop: Project) -> PullRequestSeen:
    async with asking(forge) as client:
        return await client.pull_request(key(shop), 1)


def told(seen: list[PullRequestSeen]) -> PullRequestRecord:
    record = None
    for one in seen:
        record = merged_record(record, one)
    assert record is not None
    return record


@pytest.mark.parametrize("how", ["merge", "squash", "rebase", "fast_forward"])
async def test_both_say_the_same(forge: GitLab, how: str) -> None:
    hook_of(forge)
    shop = landed(forge, how)
    seen = await asked(forge, shop)
    by_webhooks, by_api = told(webhooks(forge)).pull_request, record_of(seen).pull_request
    for field in FIELDS:
        assert getattr(by_webhooks, field) == getattr(by_api, field), field
    # Which commit a merge commit carries as squashed, only the API tells for sure.
    assert by_webhooks.squash_sha in {None, by_api.squash_sha}
    assert told([*webhooks(forge), seen]).pull_request.squash_sha == by_api.squash_sha


async def test_any_order_gives_one_record(forge: GitLab) -> None:
    hook_of(forge)
    shop = forge.create_repository(SHOP)
    shop.commit("main", {"a": "1"}, message="Begin", author=ANA)
    shop.commit("topic", {"a": "2"}, message="Go on", author=ANA)
    number = shop.open("topic", "main", title="Go on", author=ANA, draft=True)
    early = await asked(forge, shop)
    forge.now += 60
    shop.set_draft(number, False, by=ANA)
    shop.label(number, "hotfix", by=BOB)
    forge.now += 60
    shop.approve(number, by=BOB)
    middle = await asked(forge, shop)
    forge.now += 60
    shop.merge(number, "merge", by=BOB)
    merged = await asked(forge, shop)
    forge.now += 60
    shop.label(number, "late", by=BOB)
    events = [*webhooks(forge), early, middle, merged, await asked(forge, shop)]
    wanted = told(events)
    assert wanted.pull_request.merged_at == merged.pull_request.merged_at
    assert wanted.pull_request.labels == ("hotfix", "late")

    @given(st.lists(st.sampled_from(events), max_size=4), st.permutations(events))
    @settings(max_examples=200, deadline=None)
    def in_any_order(again: list[PullRequestSeen], order: list[PullRequestSeen]) -> None:
        assert told([*again, *order]) == wanted

    in_any_order()


def hook_of(forge: GitLab) -> None:
    """The instance tells somebody all that happens."""
    forge.add_hook(None, "http://127.0.0.1:9/webhooks/gitlab", merge_requests_events=True)
