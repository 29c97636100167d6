"""Deployments out of what forges and repositories show: which follow, whose they are, and that order does not matter."""

import random
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import pytest

from bot.dora.events import NewDeployment, ReleaseSeen, RepositoryRef
from bot.dora.inference import FORGE_DEPLOYMENTS, RELEASES, TAGS
from bot.facts.deployments import record_deployment
from bot.facts.tombstones import record_deletion
from bot.pipeline.derive import deriver, rebuild
from bot.pipeline.recording import record_events
from bot.store import Store, Writer
from tests.pipeline.inference_room import (
    NAME,
    SHOP,
    Act,
    Shown,
    commits,
    define,
    deployments,
    enable,
    hear,
    ids,
    ingest,
    play,
    release,
    rule,
    status,
)
from tests.pipeline.naming_room import LATER, Room, at, github, iso
from tests.support.gitrepo import GitRepo


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    """Where forge deployments and tags count."""
    enable("github", "tags")(made := Room(store, tmp_path))
    return made


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitRepo]:
    """Three commits (minutes 10, 20, 30), tagged v1 (annotated at minute 100), v2, and nightly."""
    with GitRepo(tmp_path_factory.mktemp("git") / "shop") as repo:
        for minute, tag in ((10, "v1"), (20, "v2"), (30, "nightly")):
            sha = repo.commit(f"change {minute}", files=["a.txt"], authored_at=at(minute) // 10**9)
            repo.tag(tag, sha, tagged_at=at(100) // 10**9 if tag == "v1" else None)
        repo.close()
        yield repo


# Forge deployments ------------------------------------------------------------------------------------------------------


def test_a_forge_deployment_counts_at_its_first_success(room: Room) -> None:
    states = [status(2, "in_progress"), status(3, "failure"), status(4, "success"), status(5, "inactive"), status(6, "success")]
    assert play(room, define("Shop"), hear(*states)) == [Shown("Shop", "production", "", 4, "github", "1" * 40)]
    started = room.store.read(lambda reader: reader.fetch("fingerprint_deployments", lambda *columns: columns[9]))
    assert started == [at(1)], "it began when it was made"


@pytest.mark.parametrize("state", ["inactive", "failure", "error", "pending", "queued", "in_progress", "waiting"])
def test_other_states_never_count(room: Room, state: str) -> None:
    assert play(room, define("Shop"), hear(status(4, state))) == []


def test_it_belongs_to_every_service_whose_definition_in_force_names_the_repository(room: Room) -> None:
    assert play(room, hear(status(4, "success"))) == [], "nobody says whose it is"
    assert [one.service for one in play(room, define("Basket", "Shop"))] == ["Basket", "Shop"]
    assert [one.service for one in play(room, define("Shop"))] == ["Shop"]
    assert play(room, define()) == []
    assert [one.service for one in play(room, define("Shop"))] == ["Shop"], "and back again"


def test_a_service_that_somebody_names_needs_no_definition(room: Room) -> None:
    shown = play(
        room, hear(status(4, "success"), status(5, "success", number=2, env="staging")),
        rule(FORGE_DEPLOYMENTS, service="Till", env="Production"),
    )
    assert [(one.service, one.env) for one in shown] == [("Till", "production")]


def test_a_ref_that_is_a_known_tag_is_the_version(room: Room, history: GitRepo) -> None:
    told = [status(40 + i, "success", number=i, ref=ref) for i, ref in enumerate(["v2", "refs/tags/v1", "main", "", "v3"])]
    before = play(room, define("Shop"), hear(*told))
    assert {one.version for one in before} == {""}
    assert [one.version for one in play(room, ingest(history))] == ["v2", "v1", "", "", ""]


def test_it_stays_the_same_deployment_when_the_repository_is_renamed(room: Room) -> None:
    play(room, define("Shop"), hear(status(4, "success")))
    known = ids(room.store)
    renamed = github("repository", 50, (7, "acme/store"), action="renamed", changes={"repository": {"name": {"from": "shop"}}})
    assert len(play(room, hear(renamed), define("Shop", repository="github.com/acme/store"))) == 1
    assert ids(room.store) == known


def test_a_link_that_means_another_repository_now_names_that_one(room: Room) -> None:
    """acme/shop was renamed away, and another repository took its name."""
    play(room, define("Shop"), hear(status(4, "success")))
    renamed = github("repository", 50, (7, "acme/store"), action="renamed", changes={"repository": {"name": {"from": "shop"}}})
    assert len(play(room, hear(renamed))) == 1, "the old name still leads there"
    shown = play(room, hear(status(60, "success", repository=(8, "acme/shop"), sha="2" * 40)))
    assert [one.commit for one in shown] == ["2" * 40]


def test_a_test_merge_that_a_forge_deployed_stands_for_the_head(room: Room, history: GitRepo) -> None:
    """GitHub deploys refs/pull/5/merge; what counts are the commits of the pull request's head."""
    first, second, head = commits(history)
    opened = github(
        "pull_request", 31, SHOP, action="opened",
        pull_request={
            "number": 5, "state": "open", "title": "Basket", "head": {"ref": "basket", "sha": head},
            "base": {"ref": "main", "sha": second}, "merge_commit_sha": "e" * 40, "created_at": iso(31), "updated_at": iso(31),
            "labels": [],
        },
    )  # fmt: skip
    told = [
        status(21, "success", number=1, sha=first),
        status(40, "success", number=2, sha="e" * 40, ref="refs/pull/5/merge"),
    ]
    for acts in ([hear(*told), hear(opened)], [hear(opened), hear(*told)]):
        play(room, hear(told[0]), ingest(history), define("Shop"), *acts)
        kept = room.store.read(lambda reader: reader.fetch("fingerprint_changes", lambda *columns: columns[1]))
        assert sorted(bytes(sha).hex() for sha in kept) == sorted([second, head])


# Tags and releases ------------------------------------------------------------------------------------------------------


def test_tags_become_deployments_by_a_rule_that_stands(room: Room, history: GitRepo) -> None:
    room.know(NAME, history.path)
    shown = play(room, define("Shop"), rule(TAGS, pattern="v*", env="Prod"))
    assert shown == [], "nothing is read yet"
    shown = play(room, ingest(history))
    assert [(one.version, one.finished, one.env, one.source) for one in shown] == [("v2", 20, "Prod", "tags"), ("v1", 100, "Prod", "tags")]
    assert [one.version for one in play(room, rule(TAGS, pattern="v*", env="prod", forget=True))] == []


def test_nothing_before_its_since_counts_and_the_earliest_word_holds(room: Room, history: GitRepo) -> None:
    room.know(NAME, history.path)
    play(room, ingest(history))
    assert [one.version for one in play(room, rule(TAGS, service="Shop", since=at(20) + 1))] == ["nightly", "v1"]
    assert [one.version for one in play(room, rule(TAGS, service="shop", since=at(20)))] == ["v2", "nightly", "v1"]
    assert {one.service for one in play(room, rule(TAGS, service="shop", since=at(50)))} == {"Shop"}


def test_a_release_and_its_tag_are_one_deployment_at_the_release(room: Room, history: GitRepo) -> None:
    play(room, hear(release(201, "published")), ingest(history), define("Shop"))
    shown = play(room, rule(TAGS, pattern="v*"), rule(RELEASES))
    assert [(one.version, one.finished, one.commit) for one in shown] == [
        ("v1", 100, commits(history)[0]), ("v2", 200, commits(history)[1]),
    ]
    shown = play(room, hear(release(300, "deleted")))
    assert [(one.version, one.finished) for one in shown] == [("v2", 20), ("v1", 100)], "the tag is still there"


def test_drafts_are_none_and_prereleases_by_wish(room: Room) -> None:
    told = [
        release(201, "created", number=1, tag="v1", draft=True, published_at=None),
        release(202, "prereleased", number=2, tag="v2", prerelease=True),
        release(203, "published", number=3, tag="v3"),
    ]
    assert [one.version for one in play(room, hear(*told), rule(RELEASES, service="Shop"))] == ["v2", "v3"]
    assert [one.version for one in play(room, rule(RELEASES, service="Shop", prereleases=False))] == ["v3"]
    assert {one.commit for one in deployments(room.store)} == {None}, "no repository is read"


def test_the_release_that_was_published_first_is_the_tags(room: Room) -> None:
    told = [release(500, "published", number=2, published=400), release(501, "published", number=1, published=450)]
    assert [one.finished for one in play(room, hear(*told), rule(RELEASES, service="Shop"))] == [400]


def test_rows_of_before_there_were_rules_are_taken_over(room: Room, history: GitRepo) -> None:
    """Older versions recorded tags as if somebody had reported them, under the same ids."""
    room.know(NAME, history.path)
    play(room, ingest(history), rule(TAGS, pattern="v2", service="shop"))
    (id,) = ids(room.store)
    identity = f"{NAME}\0refs/tags/v2\0shop\0"
    assert id == f"tag-{blake2b(identity.encode(), digest_size=8).hexdigest()}"
    play(room, rule(TAGS, pattern="v2", service="shop", forget=True))
    old = NewDeployment(
        id=id, service="shop", env="", version="v2", repository_url=f"https://{NAME}", repository=NAME,
        commit_sha=bytes.fromhex(commits(history)[1]), started_at=at(20), finished_at=at(20), team="", tags=(), source="tags",
    )  # fmt: skip
    room.store.write(lambda writer: record_deployment(writer, old, received_at=LATER))
    assert len(play(room)) == 1
    assert len(play(room, rule(TAGS, pattern="v2", service="shop"))) == 1
    assert play(room, rule(TAGS, pattern="v2", service="shop", forget=True)) == [], "it is inferred now"


def test_what_was_reported_under_the_same_id_stays(room: Room) -> None:
    play(room, define("Shop"), hear(status(4, "success")))
    (id,) = ids(room.store)
    new = NewDeployment(
        id=id, service="other", env="", version="1", repository_url="", repository="", commit_sha=None, started_at=at(1),
        finished_at=at(2), team="", tags=(), source="api",
    )  # fmt: skip
    room.store.write(lambda writer: record_deployment(writer, new, received_at=LATER))
    assert [one.service for one in play(room, hear(status(3, "success")))] == ["other"]


def test_what_was_deleted_does_not_come_back(room: Room) -> None:
    play(room, define("Shop"), hear(status(4, "success")))
    (id,) = ids(room.store)
    room.store.write(lambda writer: record_deletion(writer, "deployment", id, received_at=LATER))
    assert play(room, hear(status(3, "success"))) == []
    assert room.store.read(lambda reader: reader.fetch("fingerprint_change_sets", lambda *columns: columns)) == []


def test_a_deletion_during_a_derivation_is_not_undone(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The derivation has read, the deletion is written, the derivation writes."""
    play(room, define("Shop"), hear(status(4, "success")))
    (id,) = ids(room.store)
    whole = deriver._holds

    def delete(writer: Writer, mark: deriver.Mark) -> bool:
        monkeypatch.setattr(deriver, "_holds", whole)
        held = whole(writer, mark)
        record_deletion(writer, "deployment", id, received_at=LATER)
        return held

    hear(status(3, "success"))(room)
    monkeypatch.setattr(deriver, "_holds", delete)
    assert play(room) == []


def test_rebuild_brings_back_what_was_lost(room: Room, history: GitRepo) -> None:
    room.know(NAME, history.path)
    play(room, define("Shop"), hear(status(4, "success")), ingest(history), rule(TAGS, pattern="v*"))
    before = room.fingerprint()
    known = ids(room.store)
    room.store.write(lambda writer: writer.execute_many("bury_deployment", [{"id": id} for id in known]))
    assert deployments(room.store) == []
    for _ in rebuild(room.store, progress=lambda _: None):
        pass
    room.work()
    assert (room.fingerprint(), len(known)) == (before, 3)


def test_a_release_listed_by_its_tag_is_the_one_that_was_told(room: Room) -> None:
    """GitLab's API does not tell the number that its events go by."""
    def seen(number: str, told: float, state: str = "published") -> Act:
        ref = RepositoryRef(name=NAME, forge="gitlab", forge_id="7", seen_at=at(1))
        one = ReleaseSeen(
            repository=ref, forge_id=number, tag="v1", name="", state=state, published_at=at(200), at=at(told)
        )  # fmt: skip
        return lambda room: room.store.write(lambda writer: record_events(writer, [one], now=LATER))

    play(room, seen("5", 200))
    assert [one.finished for one in play(room, seen("tag:v1", 300), rule(RELEASES, service="Shop"))] == [200]
    assert play(room, seen("5", 400, "deleted")) == []
    assert [one.version for one in play(room, seen("tag:v1", 500))] == ["v1"], "made again, while nobody listened"


# Order ------------------------------------------------------------------------------------------------------------------


def _story(history: GitRepo) -> list[Act]:
    renamed = github("repository", 50, (7, "acme/store"), action="renamed", changes={"repository": {"name": {"from": "shop"}}})
    return [
        hear(status(4, "success")), hear(status(3, "in_progress")), hear(status(41, "success", number=2, ref="v2")),
        hear(status(55, "success", number=3, env="staging", repository=(7, "acme/store"))), hear(renamed),
        hear(status(60, "success", repository=(8, "acme/shop"), sha="2" * 40)), define("Shop", "Store", repository="github.com/acme/store"),
        hear(release(201, "published")), hear(release(150, "created", draft=True, published_at=None)),
        hear(release(210, "published", number=5, tag="v1", published=205)),
        lambda room: _read(room, history), enable("github", "tags"),
        rule(TAGS, name="github.com/acme/store", pattern="v*", env="production"),
        rule(RELEASES, name="github.com/acme/store", env="Production"),
    ]  # fmt: skip


def _read(room: Room, history: GitRepo) -> None:
    """The repository is read, whatever it is called by then."""
    row = room.know("github.com/acme/store", history.path, forge_id="7", seen_at=at(70))
    room.ingest(row.id, history.path)


@pytest.mark.parametrize("seed", range(6))
def test_equal_facts_give_equal_deployments_in_any_order(store: Store, tmp_path: Path, history: GitRepo, seed: int) -> None:
    room, chance = Room(store, tmp_path), random.Random(seed)
    # Rules name a repository that is known.
    room.know("github.com/acme/store", history.path, forge_id="7", seen_at=at(70))
    acts = _story(history)
    chance.shuffle(acts)
    for act in acts:
        act(room)
        if chance.random() < 0.5:
            room.work()
    room.work()
    shown = deployments(store)
    assert [(one.service, one.env, one.version, one.finished, one.source) for one in shown] == [
        (service, env, version, finished, source)
        for env, version, finished, source in (
            ("production", "", 4, "github"), ("production", "v2", 41, "github"), ("staging", "", 55, "github"),
            ("Production", "v2", 200, "tags"), ("Production", "v1", 205, "tags"),
        )
        for service in ("Shop", "Store")
    ]  # fmt: skip
    before = room.fingerprint()
    for _ in rebuild(store, progress=lambda _: None):
        pass
    room.work()
    assert room.fingerprint() == before


def test_a_process_that_dies_between_two_slices_leaves_no_series_behind(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are written, then the process dies: what comes after it finds no difference, and must not need one."""
    define("Shop", "Store")(room)
    room.hear(status(4, "success"))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(room.store, "slice_rows", 1)
        patch.setattr(deriver.Deriver, "_finish", die)
        with pytest.raises(KeyboardInterrupt):
            room.work()
    assert len(deployments(room.store)) == 1
    room.work()
    assert len(deployments(room.store)) == 2
    assert room.store.read(lambda reader: reader.fetch("fingerprint_change_sets", lambda *columns: columns[2])) == ["commit_unknown"] * 2
