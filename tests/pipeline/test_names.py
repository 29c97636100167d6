"""Names are intervals: renames and transfers keep the history, and an old name may be taken by another repository."""

import time
from pathlib import Path

import pytest

from bot.answers.deployments import list_deployments
from bot.answers.questions import Filters, Page
from bot.answers.repositories import load_repositories
from bot.answers.services import load_services
from bot.dora.definitions import ServiceDefinition
from bot.dora.events import InstallationChanged, NamespaceRenamed, RepositoryRef
from bot.facts.catalog import REPOSITORY, Origin, load_definitions, plan_claims, write_claims
from bot.facts.errands import due_errands
from bot.facts.repositories import ensure_repository
from bot.pipeline.mirror import due_fetches
from bot.pipeline.recording import record_events
from bot.store import Store
from bot.store.opening import open_store
from tests.pipeline.naming_room import LATER, Room, Told, at, deployed, github, gitlab, pull_request
from tests.support.gitrepo import GitRepo

SHOP = "github.com/acme/shop"
STORE = "github.com/acme/store"


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    return Room(store, tmp_path)


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    return GitRepo(tmp_path / "shop.git")


def renamed(minute: float, number: int, old: str, new: str) -> Told:
    changes = {"repository": {"name": {"from": old.partition("/")[2]}}}
    return github("repository", minute, (number, new), action="renamed", changes=changes)


def created(minute: float, number: int, name: str) -> Told:
    return github("repository", minute, (number, name), action="created")


def listed(room: Room, repository: str) -> list[str]:
    """The deployments of a repository, by their minutes."""
    found = room.store.read(lambda reader: list_deployments(reader, Filters(repository=repository), Page()))
    return [one.id.rpartition("-")[2] for one in found.data]


def test_a_renamed_repository_keeps_its_history(room: Room, repo: GitRepo) -> None:
    with repo:
        first, second = repo.commit("a"), repo.commit("b")
    room.read_in_place(SHOP, repo.path)
    room.hear(created(0, 7, "acme/shop"), renamed(10, 7, "acme/shop", "acme/store"))
    room.deploy(deployed(5, SHOP, first), deployed(15, STORE, second))
    room.work()
    assert room.states() == ["done", "done"]
    before, after = room.shown(5), room.shown(15)
    assert (before.repository, after.repository) == (STORE, STORE)
    assert (after.predecessor, after.not_computed) == (before.id, None)
    assert after.change_lead_time is not None
    assert after.change_lead_time.commits == 1
    for name in (SHOP, STORE):
        assert listed(room, name) == ["0015.0", "0005.0"]
        (shown,) = room.store.read(lambda reader, name=name: load_repositories(reader, Filters(repository=name)))
        assert (shown.repository, shown.deployments, shown.commits) == (STORE, 2, 2)
        (service,) = room.store.read(lambda reader, name=name: load_services(reader, Filters(repository=name)))
        assert service.repositories == (STORE,)


def test_an_old_name_that_another_repository_took(room: Room, repo: GitRepo) -> None:
    with repo:
        first, second = repo.commit("a"), repo.commit("b")
    room.read_in_place(SHOP, repo.path)
    room.hear(created(0, 7, "acme/shop"), renamed(10, 7, "acme/shop", "acme/store"), created(20, 8, "acme/shop"))
    room.deploy(deployed(5, SHOP, first), deployed(15, SHOP, second), deployed(25, SHOP, second))
    room.work()
    assert (room.called(SHOP, 5), room.called(SHOP, 15), room.called(SHOP, 25), room.called(SHOP)) == (STORE, STORE, SHOP, SHOP)
    # Between the rename and the new repository the old name leads where the forge leads it.
    assert [room.shown(minute).repository for minute in (5, 15, 25)] == [STORE, STORE, SHOP]
    assert room.shown(15).predecessor == room.shown(5).id
    assert room.shown(25).not_computed == "commit_unknown"
    assert listed(room, STORE) == ["0015.0", "0005.0"]
    assert listed(room, SHOP) == ["0025.0"]


def test_who_lost_its_name_unheard_is_called_by_its_number(room: Room) -> None:
    room.hear(created(0, 7, "acme/shop"), created(20, 8, "acme/shop"))
    room.work()
    assert room.called(SHOP, 5) == f"{SHOP}~7"
    assert room.called(f"{SHOP}~7") == f"{SHOP}~7"
    room.hear(renamed(10, 7, "acme/shop", "acme/store"))
    room.work()
    assert (room.called(SHOP, 5), room.called(STORE), room.called(SHOP)) == (STORE, STORE, SHOP)


def test_two_repositories_swap_their_names(room: Room) -> None:
    room.hear(created(0, 7, "acme/shop"), created(0, 8, "acme/store"))
    room.hear(
        renamed(10, 7, "acme/shop", "acme/tmp"), renamed(11, 8, "acme/store", "acme/shop"), renamed(12, 7, "acme/tmp", "acme/store")
    )
    room.work()
    assert (room.called(SHOP, 5), room.called(STORE, 5)) == (STORE, SHOP)
    assert (room.called(SHOP), room.called(STORE)) == (SHOP, STORE)
    assert room.called("github.com/acme/tmp") == STORE


def test_a_transfer_moves_the_owner(room: Room) -> None:
    from_user = {"owner": {"from": {"user": {"login": "ann"}}}}
    room.hear(created(0, 7, "ann/shop"), github("repository", 10, (7, "acme/shop"), action="transferred", changes=from_user))
    room.work()
    assert (room.called("github.com/ann/shop"), room.called(SHOP)) == (SHOP, SHOP)


def test_equal_numbers_of_two_hosts_are_two_repositories(room: Room) -> None:
    elsewhere = created(1, 7, "acme/shop")
    elsewhere.body["repository"] |= {"html_url": "https://ghe.acme.com/acme/shop", "clone_url": "https://ghe.acme.com/acme/shop.git"}
    room.hear(created(0, 7, "acme/shop"), elsewhere)
    room.work()
    assert (room.called(SHOP), room.called("ghe.acme.com/acme/shop")) == (SHOP, "ghe.acme.com/acme/shop")


def test_a_path_that_was_synced_is_adopted(room: Room, repo: GitRepo, store: Store) -> None:
    with repo:
        repo.commit("a")
    row = room.read_in_place(SHOP, repo.path)
    room.hear(created(0, 7, "acme/shop"))
    room.work()
    (found,) = store.read(lambda reader: load_repositories(reader, Filters()))
    assert (found.repository, found.commits) == (SHOP, 1)
    assert room.called(SHOP) == SHOP
    assert store.read(lambda reader: reader.fetch("repository_by_number", lambda *columns: columns[3:6], id=row.id)) == [
        ("7", str(repo.path), 1)
    ]


def test_a_path_synced_under_the_new_name_is_taken_over(room: Room, repo: GitRepo) -> None:
    with repo:
        repo.commit("a")
    room.hear(created(0, 7, "acme/shop"))
    room.work()
    room.read_in_place(STORE, repo.path)
    room.hear(renamed(10, 7, "acme/shop", "acme/store"))
    room.work()
    assert (room.called(SHOP), room.called(STORE)) == (STORE, STORE)
    repository = room.store.read(lambda reader: reader.fetch("repository_by_name", lambda *columns: columns[3:6], name=STORE))
    assert repository == [("7", str(repo.path), 1)]


def test_a_renamed_group_moves_all_below_it(room: Room) -> None:
    room.hear(
        gitlab(0, event_name="project_create", project_id=7, path_with_namespace="acme/eu/shop", created_at="2026-09-21T00:00:00Z"),
        gitlab(0, event_name="project_create", project_id=8, path_with_namespace="acme/europe/shop", created_at="2026-09-21T00:00:00Z"),
        gitlab(10, event_name="group_rename", full_path="acme/emea", old_full_path="acme/eu"),
        gitlab(20, event_name="user_rename", username="acme-inc", old_username="acme"),
    )
    room.work()
    assert room.states() == ["done"] * 4
    assert room.called("gitlab.com/acme/eu/shop") == "gitlab.com/acme-inc/emea/shop"
    assert room.called("gitlab.com/acme/emea/shop", 15) == "gitlab.com/acme-inc/emea/shop"
    assert room.called("gitlab.com/acme/europe/shop", 5) == "gitlab.com/acme-inc/europe/shop"
    # A project that moved away before the group was renamed stays where it is, however late that is heard.
    room.hear(
        gitlab(
            5, event_name="project_transfer", project_id=7, path_with_namespace="other/shop", old_path_with_namespace="acme/eu/shop"
        )
    )
    room.work()
    assert room.called("gitlab.com/acme/eu/shop", 0) == "gitlab.com/other/shop"
    assert room.called("gitlab.com/acme-inc/emea/shop") is None


def test_a_renamed_account_moves_its_repositories(room: Room) -> None:
    account = {"login": "zeta", "html_url": "https://github.com/zeta"}
    room.hear(
        created(0, 7, "acme/shop"),
        github("installation_target", 10, action="renamed", account=account, changes={"login": {"from": "acme"}}),
    )
    room.work()
    assert (room.called(SHOP), room.called("github.com/zeta/shop")) == ("github.com/zeta/shop", "github.com/zeta/shop")


def test_a_link_by_an_old_name_means_the_renamed_repository(store: Store, tmp_path: Path, repo: GitRepo) -> None:
    folder = tmp_path / "definitions"
    folder.mkdir()
    link = "{name: Source, type: repo, url: 'https://github.com/acme/shop/tree/main/api'}"
    (folder / "shop.yaml").write_text(f"schema-version: v2.2\ndd-service: shop\nlinks: [{link}]\n")
    with repo:
        first, second = repo.commit("a", files=["api/a"]), repo.commit("b", files=["web/b"])
    room = Room(store, tmp_path, SERVICE_DEFINITIONS=str(folder))
    room.worker.start("catalog", {"folder": str(folder)}, lambda _: None, lambda result, error: None)
    room.read_in_place(SHOP, repo.path)
    room.hear(created(0, 7, "acme/shop"), renamed(10, 7, "acme/shop", "acme/store"))
    room.deploy(deployed(5, SHOP, first), deployed(15, STORE, second))
    room.work()
    assert room.shown(15).not_computed == "no_matching_commits"
    room.hear(created(20, 8, "acme/shop"))
    room.work()
    # Now the link means the other one, and this repository is linked by nobody.
    assert room.shown(15).not_computed is None


def test_of_two_repositories_that_define_a_service_the_lesser_name_counts(room: Room, store: Store) -> None:
    room.hear(created(0, 7, "acme/b"), created(0, 8, "acme/c"))
    room.work()
    said = {Origin(rank=REPOSITORY, repository_id=id, path="service.datadog.yaml"): (defined(f"of {id}"),) for id in (1, 2)}
    store.write(lambda writer: write_claims(writer, plan_claims(writer, said)))
    assert [one.team for one in store.read(load_definitions)] == ["of 1"]
    room.hear(renamed(10, 8, "acme/c", "acme/a"))
    room.work()
    assert [one.team for one in store.read(load_definitions)] == ["of 2"]


def defined(team: str) -> ServiceDefinition:
    return ServiceDefinition(service="shop", shown="shop", schema_version="v2.2", team=team)


def test_what_is_gone_is_shown_and_not_fetched(room: Room, store: Store) -> None:
    room.hear(created(0, 7, "acme/shop"), created(0, 8, "acme/store"))
    room.work()
    assert len(store.read(lambda reader: due_fetches(reader, now=LATER))) == 2
    room.hear(github("repository", 10, (7, "acme/shop"), action="deleted"))
    installation = {"id": 3, "account": {"login": "acme", "html_url": "https://github.com/acme"}}
    small = [{"id": 8, "full_name": "acme/store"}]
    room.hear(github("installation_repositories", 11, action="removed", installation=installation, repositories_removed=small))
    room.work()
    assert store.read(lambda reader: due_fetches(reader, now=LATER)) == []
    shown = store.read(lambda reader: load_repositories(reader, Filters()))
    assert {one.repository: one.state for one in shown} == {SHOP: "deleted", STORE: "removed"}
    room.hear(github("installation_repositories", 12, action="added", installation=installation, repositories_added=small))
    room.work()
    assert [one.ref for one in store.read(lambda reader: due_fetches(reader, now=LATER))] == ["*"]
    store.write(lambda writer: ensure_repository(writer, RepositoryRef(name=SHOP, forge="github")))
    assert len(store.read(lambda reader: due_fetches(reader, now=LATER))) == 2, "who names a repository wants it read"


def test_a_suspended_installation_is_not_fetched_through(room: Room, store: Store) -> None:
    installation = {"id": 3, "account": {"login": "acme", "html_url": "https://github.com/acme"}, "permissions": {}, "events": []}
    small = [{"id": 8, "full_name": "acme/store"}]
    room.hear(github("installation", 1, action="created", installation=installation, repositories=small))
    room.work()
    assert len(store.read(lambda reader: due_fetches(reader, now=LATER))) == 1
    room.hear(github("installation", 5, action="suspend", installation=installation))
    room.work()
    assert store.read(lambda reader: due_fetches(reader, now=LATER)) == []
    room.hear(github("installation", 6, action="unsuspend", installation=installation))
    room.work()
    assert len(store.read(lambda reader: due_fetches(reader, now=LATER))) == 1


@pytest.mark.parametrize("event_first", [True, False])
def test_a_deployed_test_merge_stands_for_the_head(room: Room, repo: GitRepo, event_first: bool) -> None:
    """CI on a pull request deploys what GitHub merged to try it out: no ref that is fetched ever holds that commit."""
    with repo:
        first = repo.commit("a")
        head = repo.commit("b", branch="basket", parents=[first])
    room.read_in_place(SHOP, repo.path)
    tried = "e" * 40
    seen = pull_request(
        "labeled", 3, (7, "acme/shop"), merge_commit_sha=tried, head={"ref": "basket", "sha": head}, labels=[{"name": "x"}]
    )
    later = pull_request("synchronize", 4, (7, "acme/shop"), merge_commit_sha=tried, head={"ref": "basket", "sha": "f" * 40})
    if event_first:
        room.hear(seen, later)
    room.deploy(deployed(2, SHOP, first), deployed(5, SHOP, tried))
    room.work()
    if not event_first:
        assert room.shown(5).not_computed == "commit_unknown"
        room.hear(later, seen)
        room.work()
    found = room.shown(5)
    assert (found.not_computed, found.predecessor) == (None, room.shown(2).id)
    assert found.change_lead_time is not None
    assert found.commit_sha == bytes.fromhex(tried), "shown as it was sent"
    lines = [line for line in room.fingerprint() if line.startswith("fingerprint_change_sets") and found.id in line]
    assert "test_merge" in lines[0]


def test_a_head_that_comes_late_is_waited_for(room: Room, tmp_path: Path, repo: GitRepo) -> None:
    with repo:
        first = repo.commit("a")
    room.read_in_place(SHOP, repo.path)
    with GitRepo(tmp_path / "fork.git") as fork:
        assert fork.commit("a") == first
        head = fork.commit("b")
    seen = pull_request("labeled", 3, (7, "acme/shop"), merge_commit_sha="e" * 40, head={"ref": "basket", "sha": head})
    room.hear(seen)
    room.deploy(deployed(2, SHOP, first), deployed(5, SHOP, "e" * 40))
    room.work()
    assert room.shown(5).not_computed == "commit_unknown"
    refs = {one.ref for one in room.store.read(lambda reader: due_fetches(reader, now=LATER))}
    assert "refs/pull/5/head" in refs
    room.ingest(1, fork.path)
    room.work()
    assert room.shown(5).not_computed is None


def test_labels_of_one_second_are_asked_for(room: Room, store: Store) -> None:
    one = pull_request("labeled", 3, (7, "acme/shop"), labels=[{"name": "a"}])
    two = pull_request("labeled", 3, (7, "acme/shop"), labels=[{"name": "b"}])
    room.hear(one, one)
    room.work()
    assert due(store) == []
    room.hear(two)
    room.work()
    assert due(store) == ["pull_request/github/1/5"]


def due(store: Store) -> list[str]:
    found = store.read(lambda reader: due_errands(reader, now=LATER, per_owner=10))
    return [one.key for one in found if one.kind == "pull_request"]


def test_a_project_below_a_relative_url_root(store: Store, tmp_path: Path) -> None:
    room = Room(store, tmp_path, GITLAB_URL="https://git.acme.com/gitlab")
    project = {
        "id": 9, "web_url": "https://git.acme.com/gitlab/acme/eu/shop", "git_http_url": "https://git.acme.com/gitlab/acme/eu/shop.git",
        "default_branch": "main",
    }  # fmt: skip
    push = Told(
        source="gitlab", event="Push Hook", minute=1,
        body={"object_kind": "push", "ref": "refs/heads/main", "after": "1" * 40, "project_id": 9, "project": project},
    )  # fmt: skip
    room.hear(push)
    room.work()
    assert room.called("git.acme.com/acme/eu/shop") == "git.acme.com/acme/eu/shop"


def test_an_account_of_thousands_of_repositories_is_recorded_and_renamed_in_seconds(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    store.migrate()
    refs = tuple(
        RepositoryRef(name=f"github.com/huge/part-{n}", forge="github", forge_id=f"{n}", remote="", default_branch="", installation_id="9")
        for n in range(1, 5_001)
    )
    installed = InstallationChanged(id="9", account="huge", at=at(0), added=refs)
    renamed_account = NamespaceRenamed(old="github.com/huge", new="github.com/vast", at=at(1))
    begun = time.process_time()
    store.write(lambda writer: record_events(writer, [installed], now=at(0)))
    store.write(lambda writer: record_events(writer, [renamed_account], now=at(1)))
    assert time.process_time() - begun < 4, "each repository is held against each"
    names = store.read(lambda reader: {one.repository for one in load_repositories(reader, Filters())})
    assert names == {f"github.com/vast/part-{n}" for n in range(1, 5_001)}
    store.close()
