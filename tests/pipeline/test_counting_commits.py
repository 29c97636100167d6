"""A release whose commit only a merged deployment told: what it carried is found by itself, whenever the history comes."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from bot.store import Store
from tests.pipeline import counting_room
from tests.pipeline.counting_room import LATER, at, deployed, switched
from tests.pipeline.history_room import Room
from tests.support.gitrepo import GitRepo

BEGIN = counting_room.BEGIN // 10**9


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[GitRepo]:
    with GitRepo(tmp_path / "shop.git") as built:
        yield built


@pytest.fixture
def history(store: Store, store_url: str, repo: GitRepo) -> Room:
    return Room(store, store_url, repo.path)


def commits(repo: GitRepo) -> list[str]:
    """Two commits, an hour and half an hour before the story."""
    made = [
        repo.commit("first", files=["a.txt"], authored_at=BEGIN - 3_600, committed_at=BEGIN - 3_600),
        repo.commit("second", files=["a.txt"], authored_at=BEGIN - 1_800, committed_at=BEGIN - 1_800),
    ]
    repo.close()
    return made


@pytest.mark.parametrize("history_first", [True, False])
def test_a_commit_that_a_merged_deployment_told_completes_by_itself(
    store: Store, history: Room, repo: GitRepo, *, history_first: bool
) -> None:
    first, second = commits(repo)
    room = counting_room.Room(store)
    if history_first:
        history.ingest()
    room.tell(switched(0, "github", retroactive=True), deployed("one", 0, version="1", sha=first))
    room.tell(deployed("forge", 95, source="github", version="2", sha=second), deployed("two", 100, begun=98, version="2"))
    if not history_first:
        assert room.one("two").not_computed == "commit_unknown"
        history.ingest()
        room.derive()
    two = room.one("two")
    assert (two.predecessor, two.not_computed, two.merged_into) == ("one", None, None)
    assert two.change_lead_time is not None
    assert two.change_lead_time.median == at(100) - (BEGIN - 1_800) * 10**9, "until the end of the one that counts"
    found = room.explain("two")
    assert found.range is not None
    assert found.range.text == f"{first}..{second}"
    assert [(change.sha.hex(), change.kept) for change in found.changes] == [(second, True)]
    assert room.explain("forge").changes == ()
    grown = room.fingerprint()
    room.rebuild()
    assert room.fingerprint() == grown


def test_a_commit_that_no_sync_brings_is_passed_over_when_a_merged_deployment_told_it(
    store: Store, history: Room, repo: GitRepo
) -> None:
    first, second = commits(repo)
    history.ingest()
    room = counting_room.Room(store)
    room.tell(switched(0, "github", retroactive=True), deployed("one", 0, version="1", sha=first))
    room.tell(deployed("lost", 50, version="x"), deployed("forge", 55, source="github", version="x", sha="ab" * 20))
    room.tell(deployed("two", 100, version="2"), deployed("forge 2", 105, source="github", version="2", sha=second))
    assert (room.one("two").predecessor, room.one("two").not_computed) == ("lost", "predecessor_commit_unknown")
    history.clock = count(LATER)
    history.ingest()
    room.derive()
    assert (room.one("two").predecessor, room.one("two").not_computed) == ("one", None)
