"""A branch that was deployed, and what it was merged as when its merge is heard of later: derived step by step as from nothing."""

from pathlib import Path

import pytest

from bot.answers.explain import explain
from bot.dora.changes import Limits
from bot.dora.instants import SECOND
from bot.pipeline.derive import rebuild
from bot.pipeline.explain import StoredExplainSource
from bot.store import Store
from tests.pipeline.naming_room import BEGIN, Room, deployed, iso, pull_request
from tests.support.gitrepo import GitRepo

SHOP = (77, "acme/shop")
NAME = "github.com/acme/shop"


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    return Room(store, tmp_path / "data")


def test_a_revert_on_a_branch_points_to_what_a_rebase_makes_of_the_branch(room: Room, tmp_path: Path) -> None:
    """Staging deployed the branch alone; nothing of what the merge brought to main is in it."""
    start = BEGIN // SECOND
    with GitRepo(tmp_path / "shop.git") as repo:
        root = repo.commit("root", authored_at=start)
        repo.branch("basket", root)
        before = repo.commit("basket", branch="basket", files={"a": "1"}, authored_at=start + 60)
        repo.commit("main moves", files={"b": "1"}, authored_at=start + 120)
        landed = repo.commit("basket", files={"a": "1"}, authored_at=start + 60, committed_at=start + 600)
        back = repo.commit(f"Undo\n\nThis reverts commit {before}.", branch="basket", files={"a": "0"}, authored_at=start + 660)
    room.read_in_place(NAME, tmp_path / "shop.git")
    room.deploy(*(deployed(minute, NAME, sha, env="staging") for minute, sha in ((5, root), (10, before), (20, back))))
    room.work()
    assert original(room) == before
    merged = {"merged": True, "merged_at": iso(11), "merge_commit_sha": landed, "state": "closed", "closed_at": iso(11)}
    room.hear(pull_request("closed", 11, SHOP, head={"ref": "basket", "sha": before}, base={"ref": "main", "sha": root}, **merged))
    room.work()
    assert original(room) == landed
    grown = room.fingerprint()
    for _ in rebuild(room.store, progress=lambda _: None):
        pass
    room.work()
    assert room.fingerprint() == grown


def original(room: Room) -> str | None:
    """What the evidence of the revert points to."""
    found = room.store.read(lambda reader: explain(reader, StoredExplainSource(limits=Limits()), "deployment-shop-0020.0"))
    assert found is not None
    (evidence,) = found.evidence
    assert (evidence.rule, evidence.target) == ("revert-sha", "deployment-shop-0010.0")
    return evidence.original
