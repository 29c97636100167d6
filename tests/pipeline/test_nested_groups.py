"""Services in projects of nested groups, from definition to lead time: definition, push, merge request, deployment."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.answers.changes import ChangeShown, load_kept
from bot.answers.paths import find_paths
from bot.dora.instants import MINUTE
from bot.facts.deployments import record_deployment
from bot.sources.datadog import parse_deployment
from bot.store import Store
from tests.pipeline.naming_room import Room, Told, at, iso
from tests.support.gitrepo import GitRepo

PATTERNS = """\
schema-version: v2.2
dd-service: shopist
extensions:
  datadoghq.com/dora-metrics:
    source_patterns:
      # All paths relative to the repository URL provided with the deployment
      - **
      # or specific paths related to this service (for monorepos)
      - src/apps/shopist/**
      - src/libs/utils/**
"""
"""As the original's documentation has it for groups and subgroups (unquoted asterisks and all)."""


def linked(url: str) -> str:
    return f"schema-version: v2.2\ndd-service: shopist\nlinks:\n  - name: shopist\n    type: repo\n    url: {url}\n"


class Shop:
    """A project somewhere in nested groups, one merge request merged into it by fast-forward, deployed before and after."""

    def __init__(self, store: Store, folder: Path, *, page: str, definition: str, branch: str = "main", **settings: str) -> None:
        self.page, self.branch = page, branch
        definitions = folder / "definitions"
        definitions.mkdir()
        (definitions / "shopist.yaml").write_text(definition)
        self.room = Room(store, folder, SERVICE_DEFINITIONS=str(definitions), **settings)
        self.room.worker.start("catalog", {"folder": str(definitions)}, lambda _: None, lambda result, error: None)
        with GitRepo(folder / "repo.git") as repo:
            start = at(0) // 10**9
            self.first = repo.commit("first", files=["src/apps/shopist/a", "README"], branch=branch, authored_at=start)
            self.mine = repo.commit("mine", files=["src/apps/shopist/b"], branch=branch, authored_at=start + 60)
            self.other = repo.commit("other", files=["src/apps/other/c"], branch=branch, authored_at=start + 120)
            self.utils = repo.commit("utils", files=["src/libs/utils/d"], branch=branch, authored_at=start + 180)
        self.path = repo.path

    def play(self, name: str) -> None:
        """The whole story; `name` is the project's RepositoryId."""
        room, project = self.room, {
            "id": 7, "web_url": self.page, "git_http_url": f"{self.page}.git", "default_branch": self.branch,
        }  # fmt: skip
        row = room.know(name, self.path, forge="gitlab")
        room.hear(self.push(5, project), self.merged(5, project))
        for minute, sha in ((1, self.first), (10, self.utils)):
            self.deploy(minute, sha)
        room.ingest(row.id, self.path)
        room.work()
        assert set(room.states()) == {"done"}

    def push(self, minute: float, project: dict[str, Any]) -> Told:
        body = {
            "object_kind": "push", "ref": f"refs/heads/{self.branch}", "before": self.first, "after": self.utils,
            "project_id": 7, "project": project, "commits": [],
        }  # fmt: skip
        return Told(source="gitlab", event="Push Hook", minute=minute, body=body)

    def merged(self, minute: float, project: dict[str, Any]) -> Told:
        attributes = {
            "iid": 3, "state": "merged", "action": "merge", "source_branch": "basket", "target_branch": self.branch,
            "created_at": iso(2), "updated_at": iso(minute), "target_project_id": 7, "title": "Basket",
            "last_commit": {"id": self.utils}, "merge_commit_sha": None, "squash_commit_sha": None,
        }  # fmt: skip
        body = {"object_kind": "merge_request", "project": project, "object_attributes": attributes}
        return Told(source="gitlab", event="Merge Request Hook", minute=minute, body=body)

    def deploy(self, minute: float, sha: str) -> None:
        """By the API, as the original's client reports it: the URL as CI has it, credentials and all."""
        url = self.page.replace("://", "://gitlab-ci-token:s3cret@") + ".git"
        git = {"commit_sha": sha, "repository_url": url}
        instants = {"started_at": at(minute) - MINUTE, "finished_at": at(minute)}
        attributes = {"service": "shopist", "env": "prod", "id": f"deployment-shopist-{minute:06.1f}", "git": git, **instants}
        document = json.dumps({"data": {"attributes": attributes}}).encode()
        roots = self.room.worker.settings.web_roots
        new = parse_deployment(document, web_roots=roots)
        self.room.store.write(lambda writer: record_deployment(writer, new, received_at=at(minute) + MINUTE))

    def carried(self) -> list[ChangeShown]:
        """What the second deployment carried, newest first."""
        return self.room.store.read(lambda reader: load_kept(reader, "deployment-shopist-0010.0"))

    def patterns(self) -> list[tuple[str, ...]]:
        found = self.room.store.read(lambda reader: find_paths(reader, "shopist"))
        assert found is not None
        return [one.patterns for one in found.repositories]


def names(depth: int) -> str:
    return "/".join(["my-org", *(f"g{number}" for number in range(1, depth)), "repo"])


@pytest.mark.parametrize("depth", [1, 2, 3, 20])
def test_source_patterns_at_any_depth(store: Store, tmp_path: Path, depth: int) -> None:
    definition = PATTERNS.replace("      - **\n", "")
    shop = Shop(store, tmp_path, page=f"https://gitlab.com/{names(depth)}", definition=definition)
    shop.play(f"gitlab.com/{names(depth)}")
    assert shop.patterns() == [("src/apps/shopist/**", "src/libs/utils/**")]
    utils, mine = shop.carried()
    assert (utils.sha.hex(), mine.sha.hex()) == (shop.utils, shop.mine)
    # The fast-forward introduced all of its commits, not the last alone.
    assert (utils.pull_request, mine.pull_request) == (3, 3)
    assert (utils.change_lead_time, mine.change_lead_time) == (7 * MINUTE, 9 * MINUTE)


def test_the_original_documentations_own_example(store: Store, tmp_path: Path) -> None:
    page = "https://gitlab.com/my-org/group/subgroup/repo"
    shop = Shop(store, tmp_path, page=page, definition=PATTERNS)
    shop.play("gitlab.com/my-org/group/subgroup/repo")
    assert [change.sha.hex() for change in shop.carried()] == [shop.utils, shop.other, shop.mine], "** is everything"


@pytest.mark.parametrize(
    ("depth", "rest"),
    [
        (1, "/-/tree/main/src/apps/shopist"),
        (2, "/-/tree/main/src/apps/shopist?ref_type=heads"),
        (3, "/tree/main/src/apps/shopist/"),
        (4, "/-/tree/main/src/apps/%73hopist#readme"),
        (20, "/-/tree/main/src/apps/shopist?ref_type=heads"),
    ],
)
def test_links_to_the_folder_at_any_depth(store: Store, tmp_path: Path, depth: int, rest: str) -> None:
    page = f"https://gitlab.com/{names(depth)}"
    shop = Shop(store, tmp_path, page=page, definition=linked(page.upper().replace("HTTPS", "https") + rest if depth == 2 else page + rest))
    shop.play(f"gitlab.com/{names(depth)}")
    assert shop.patterns() == [("src/apps/shopist/**",)]
    assert [change.sha.hex() for change in shop.carried()] == [shop.mine]


def test_a_branch_with_slashes(store: Store, tmp_path: Path) -> None:
    page = "https://gitlab.com/my-org/group/repo"
    definition = linked(f"{page}/-/tree/release/2026/q4/src/apps/shopist")
    shop = Shop(store, tmp_path, page=page, definition=definition, branch="release/2026/q4")
    shop.play("gitlab.com/my-org/group/repo")
    assert [change.sha.hex() for change in shop.carried()] == [shop.mine]


@pytest.mark.parametrize("root", ["", "/gitlab", "/tools/gitlab"])
def test_a_gitlab_of_ones_own(store: Store, tmp_path: Path, root: str) -> None:
    """With a port, below a relative URL root: names, links and deployments agree."""
    server = f"https://git.acme.com:8443{root}"
    page = f"{server}/my-org/group/subgroup/repo"
    shop = Shop(store, tmp_path, page=page, definition=linked(f"{page}/-/tree/main/src/apps/shopist"), GITLAB_URL=server)
    shop.play("git.acme.com:8443/my-org/group/subgroup/repo")
    assert shop.patterns() == [("src/apps/shopist/**",)]
    (mine,) = shop.carried()
    assert (mine.sha.hex(), mine.pull_request, mine.change_lead_time) == (shop.mine, 3, 9 * MINUTE)


def test_a_link_to_a_project_that_moved_to_another_group(store: Store, tmp_path: Path) -> None:
    old, new = "https://gitlab.com/my-org/group/repo", "https://gitlab.com/my-org/platform/shop/repo"
    shop = Shop(store, tmp_path, page=old, definition=linked(f"{old}/-/tree/main/src/apps/shopist"))
    shop.play("gitlab.com/my-org/group/repo")
    body = {
        "event_name": "project_transfer", "project_id": 7, "path_with_namespace": "my-org/platform/shop/repo",
        "old_path_with_namespace": "my-org/group/repo", "updated_at": iso(20),
    }  # fmt: skip
    shop.room.hear(Told(source="gitlab", event="System Hook", minute=20, body=body))
    shop.page = new
    shop.deploy(30, shop.utils)
    shop.room.work()
    assert shop.patterns() == [("src/apps/shopist/**",)]
    assert [change.sha.hex() for change in shop.carried()] == [shop.mine]
    moved = shop.room.shown(30, "shopist")
    assert (moved.repository, moved.not_computed) == ("gitlab.com/my-org/platform/shop/repo", "same_commit")
