"""Equal facts give equal numbers, whatever repositories are called: renames, transfers, takeovers in random orders, with duplicates."""

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from bot.dora.events import NewDeployment
from bot.facts import registry
from bot.store.opening import open_store
from tests.engines import migrated_file
from tests.pipeline.naming_room import Room, Told, at, deployed, github, gitlab, pull_request
from tests.support.gitrepo import GitRepo

ORDERS = {"sqlite": 400, "postgres": 200} if os.environ.get("ENDURE") else {"sqlite": 20, "postgres": 8}
MEMORY = Path("/dev/shm")
SHOP, STORE, KIOSK = (f"github.com/{name}" for name in ("acme/shop", "acme/store", "acme/kiosk"))
INSTALLATION = {"id": 3, "account": {"login": "acme", "html_url": "https://github.com/acme"}, "permissions": {"contents": "read"}}


def story(commits: list[str]) -> list[Told]:
    """A repository is renamed and transferred, two others take its name one after the other; groups are renamed above a project."""
    renamed = partial(github, "repository", action="renamed")
    status = {"state": "success", "environment": "prod", "created_at": "2026-09-21T00:30:00Z"}
    deployment = {"id": 4, "sha": commits[0], "ref": "main", "environment": "prod", "created_at": "2026-09-21T00:29:00Z"}
    release = {"id": 6, "tag_name": "v1", "published_at": "2026-09-21T01:00:00Z", "updated_at": "2026-09-21T01:10:00Z"}
    tried = {"merge_commit_sha": "e" * 40, "head": {"ref": "basket", "sha": commits[2]}}
    merged = {"state": "closed", "merged": True, "merged_at": "2026-09-21T00:50:00Z", "merge_commit_sha": commits[2]}
    issue = {"iid": 1, "title": "Down", "type": "Incident", "created_at": "2026-09-21T00:00:00Z"}
    project = {"id": 7, "web_url": "https://gitlab.com/acme/eu/web", "git_http_url": "https://gitlab.com/acme/eu/web.git"}
    return [
        github("installation", 0, action="created", installation=INSTALLATION, repositories=[{"id": 7, "full_name": "acme/shop"}]),
        github("push", 1, (7, "acme/shop"), ref="refs/heads/main", before="0" * 40, after=commits[0], commits=[]),
        pull_request("opened", 2, (7, "acme/shop")),
        pull_request("labeled", 3, (7, "acme/shop"), labels=[{"name": "a"}], **tried),
        pull_request("labeled", 3, (7, "acme/shop"), labels=[{"name": "b"}]),
        pull_request("synchronize", 4, (7, "acme/shop"), merge_commit_sha="e" * 40),
        renamed(10, (7, "acme/store"), changes={"repository": {"name": {"from": "shop"}}}),
        github("repository", 20, (8, "acme/shop"), action="created"),
        github("push", 21, (8, "acme/shop"), ref="refs/heads/main", before="0" * 40, after="8" * 40, commits=[]),
        github("deployment_status", 30, (7, "acme/store"), deployment=deployment, deployment_status=status),
        renamed(40, (8, "acme/kiosk"), changes={"repository": {"name": {"from": "shop"}}}),
        github("repository", 41, (9, "acme/shop"), action="created"),
        github("repository", 45, (9, "acme/shop"), action="edited", changes={"default_branch": {"from": "master"}}),
        pull_request("closed", 50, (7, "acme/store"), **tried | merged),
        github(
            "repository", 55, (7, "bmce/store"), action="transferred",
            changes={"owner": {"from": {"organization": {"login": "acme"}}}},
        ),
        github("release", 60, (7, "bmce/store"), action="published", release=release),
        github("release", 61, (7, "bmce/store"), action="deleted", release=release),
        github("repository", 62, (9, "acme/shop"), action="deleted"),
        github("repository", 63, (8, "acme/kiosk"), action="archived"),
        github(
            "installation_target", 64, action="renamed", account={"login": "zeta", "html_url": "https://github.com/zeta"},
            changes={"login": {"from": "acme"}},
        ),
        github("installation", 65, action="suspend", installation=INSTALLATION),
        gitlab(5, event_name="project_create", project_id=7, path_with_namespace="acme/eu/web", created_at="2026-09-21T00:05:00Z"),
        gitlab(15, event_name="group_rename", full_path="acme/emea", old_full_path="acme/eu"),
        gitlab(25, event_name="project_transfer", project_id=7, path_with_namespace="inc/web", old_path_with_namespace="acme/emea/web"),
        gitlab(35, event_name="group_rename", full_path="acme/africa", old_full_path="acme/emea"),
        gitlab(37, object_kind="work_item", object_attributes=issue | {"state": "opened", "updated_at": "2026-09-21 00:37:00 UTC"}, project=project),
        gitlab(
            38, object_kind="work_item", project=project,
            object_attributes=issue | {"state": "closed", "action": "close", "updated_at": "2026-09-21 00:38:00 UTC"},
        ),
    ]  # fmt: skip


Step = Callable[[Room], None]


def steps_of(path: Path, commits: list[str]) -> list[Step]:
    """The story, what was deployed meanwhile, and the reading of the first repository's history."""
    first, second, third = commits
    deployments = [
        deployed(2, SHOP, first), deployed(12, SHOP, second), deployed(22, SHOP, "8" * 40), deployed(33, STORE, second),
        deployed(42, SHOP, first), deployed(43, KIOSK, "8" * 40), deployed(56, "github.com/bmce/store", third),
        deployed(57, STORE, "e" * 40), deployed(66, "github.com/zeta/kiosk", "8" * 40, service="kiosk"),
    ]  # fmt: skip
    told = [partial(_hear, one) for one in story(commits)]
    return [*told, *(partial(_deploy, one) for one in deployments), lambda room: room.ingest(1, path)]


def _hear(told: Told, room: Room) -> None:
    room.hear(told)


def _deploy(new: NewDeployment, room: Room) -> None:
    room.deploy(new)


@pytest.fixture
def play(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., list[str]]]:
    numbers, made = count(), []
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else tmp_path))
    with GitRepo(tmp_path / "shop.git") as repo:
        commits = [repo.commit("a"), repo.commit("b"), repo.commit("c")]

    def new_store() -> str:
        if engine == "sqlite":
            return migrated_file(folder / f"{next(numbers)}.db")
        cluster = request.getfixturevalue("cluster")
        while made:
            cluster.give_back(made.pop())
        made.append(name := cluster.take())
        return str(cluster.url(name))

    def do(chance: random.Random | None = None) -> list[str]:
        """What is in a new store in the end; with `chance`, in a random order with duplicates, worked on in between."""
        steps = steps_of(repo.path, commits)
        if chance is not None:
            steps += chance.choices(steps, k=len(steps) // 4)
            chance.shuffle(steps)
        store = open_store(new_store())
        room = Room(store, folder)
        room.know(SHOP, repo.path, forge_id="7", seen_at=at(0))
        for step in steps:
            step(room)
            if chance is not None and chance.random() < 0.2:
                room.work()
        room.work()
        assert {state.split()[0] for state in room.states()} == {"done"}
        lines = room.fingerprint()
        store.close()
        return lines

    yield do
    for name in made:
        request.getfixturevalue("cluster").give_back(name)
    shutil.rmtree(folder)


@pytest.mark.endure
def test_any_order_one_outcome(play: Callable[..., list[str]], engine: str) -> None:
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(2**32)))
    chance = random.Random(seed)
    expected = play()
    assert len(expected) > 50, "a story of nothing comes out equal in any order"
    for number in range(ORDERS[engine]):
        found = play(chance)
        assert found == expected, f"seed {seed}, order {number}: " + "\n".join(sorted(set(found) ^ set(expected)))


def test_sees_the_last_heard_name_winning(play: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: names by order of arrival."""
    clock = count(1)
    original = registry.Registry.see
    monkeypatch.setattr(registry.Registry, "see", lambda self, id, name, at: original(self, id, name, next(clock)))
    chance, expected = random.Random(1), play()
    assert any(play(chance) != expected for _ in range(4))
