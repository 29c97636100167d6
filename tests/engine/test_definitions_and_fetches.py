"""While it serves: definitions that change, repositories that cannot be fetched, and commits that a deployment waits for."""

import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.standins.faults import Fault, Status
from bot.standins.git_server import GitServer
from tests.support.gitrepo import GitRepo
from tests.support.gitserver import git_server_thread
from tests.support.server import API_KEY, Served, push_body, served, until

URL = "https://github.com/acme/shop"
PUSHES = 7
DEFINITION = """
schema-version: v2.2
dd-service: shop
team: {team}
extensions:
  datadoghq.com/dora-metrics:
    source_patterns: ["{pattern}"]
"""


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[GitRepo]:
    with GitRepo(tmp_path / "git" / "acme" / "shop.git") as built:
        yield built


@pytest.fixture
def git(tmp_path: Path) -> Iterator[GitServer]:
    with git_server_thread(tmp_path / "git") as running:
        yield running


@pytest.fixture
def server(store_url: str, tmp_path: Path, git: GitServer) -> Iterator[Served]:
    with served(store_url, tmp_path, CLONE_URLS=f"github.com={git.url}") as running:
        yield running


def _deploy(server: Served, sha: str, *, finished: int) -> str:
    answer = server.deploy(
        service="shop", env="prod", started_at=finished - 5, finished_at=finished,
        git={"commit_sha": sha, "repository_url": URL},
    )  # fmt: skip
    assert answer.status == 200, answer
    return str(answer.json()["data"]["id"])


def _kept(server: Served, id: str) -> list[str] | None:
    """The commits a deployment brought; None while they are not known."""
    shown = server.get(f"/api/v1/deployments/{id}/changes?kept=true")["data"]
    return [row["sha"] for row in shown] or None


def _page(server: Served) -> bytes:
    return server.ask("GET", "/definitions").body


def _problem(server: Served) -> bool:
    """Whether the page shows one in the last lines of the file."""
    return re.search(rb"shop\.yaml:[89]", _page(server)) is not None


def _repository(server: Served) -> dict[str, object]:
    found = server.get("/api/v1/repositories")["data"]
    return dict(found[0]) if found else {}


def test_an_edited_definition_changes_the_numbers(server: Served, repo: GitRepo, capsys: pytest.CaptureFixture[str]) -> None:
    base = repo.commit("Begin", files=["app/a", "docs/a"])
    app = repo.commit("Change the application", files=["app/b"])
    docs = repo.commit("Change the documentation", files=["docs/b"])
    repo.close()
    now = int(time.time())
    assert server.deliver("push", push_body(docs)).status == 202
    _deploy(server, base, finished=now - 600)
    second = _deploy(server, docs, finished=now - 60)
    until(lambda: sorted(_kept(server, second) or []) == sorted([app, docs]), seconds=60)

    file = server.folder / "definitions" / "shop.yaml"
    waits = []
    for pattern, expected in (("app/**", [app]), ("docs/**", [docs])):
        file.write_text(DEFINITION.format(team="payments", pattern=pattern))
        written = time.monotonic()
        until(lambda expected=expected: _kept(server, second) == expected, seconds=60)
        waits.append(time.monotonic() - written)

    assert not _problem(server)
    file.write_text(DEFINITION.format(team="platform", pattern="**") + "links: {\n")
    until(lambda: _problem(server), seconds=60)
    assert b"payments" in _page(server), "the last good one is in force"
    assert _kept(server, second) == [docs]

    file.write_text(DEFINITION.format(team="platform", pattern="**"))
    until(lambda: sorted(_kept(server, second) or []) == sorted([app, docs]), seconds=60)
    assert not _problem(server)
    with capsys.disabled():
        print(f"\nedited definition: numbers follow after {', '.join(f'{wait:.1f} s' for wait in waits)}")


def test_a_definition_by_api_changes_which_commits_count_and_the_team(server: Served, repo: GitRepo) -> None:
    base = repo.commit("Begin", files=["app/a", "docs/a"])
    app = repo.commit("Change the application", files=["app/b"])
    docs = repo.commit("Change the documentation", files=["docs/b"])
    repo.close()
    now = int(time.time())
    assert server.deliver("push", push_body(docs)).status == 202
    _deploy(server, base, finished=now - 600)
    second = _deploy(server, docs, finished=now - 60)
    until(lambda: sorted(_kept(server, second) or []) == sorted([app, docs]), seconds=60)

    path, keys = "/api/v2/services/definitions", {"DD_API_KEY": API_KEY, "Content_Type": "application/json"}
    sent = server.ask("POST", path, DEFINITION.format(team="payments", pattern="app/**").encode(), **keys)
    assert sent.status == 200, sent
    until(lambda: _kept(server, second) == [app], seconds=60)
    assert server.get(f"/api/v1/deployments/{second}")["team"] == "payments"
    assert b"sent by API" in _page(server)

    (server.folder / "definitions" / "shop.yaml").write_text(DEFINITION.format(team="platform", pattern="docs/**"))
    until(lambda: _kept(server, second) == [docs], seconds=60)
    assert server.get("/api/v1/services/shop")["definition"]["overrules"] == ["sent by API"]
    warned = server.ask("POST", path, DEFINITION.format(team="payments", pattern="nowhere/**").encode(), **keys).json()
    assert "not in force as long as shop.yaml:3" in warned["data"][0]["attributes"]["meta"]["warnings"][0]["message"]

    (server.folder / "definitions" / "shop.yaml").unlink()
    until(lambda: server.get(f"/api/v1/deployments/{second}")["not_computed"] == "no_matching_commits", seconds=60)
    told = server.get(path + "/shop")["data"]["attributes"]["meta"]["warnings"]
    assert [one["message"] for one in told] == ["github.com/acme/shop: nowhere/**: matches no file of this repository"]
    assert server.ask("DELETE", path + "/shop", **keys).status == 204
    until(lambda: sorted(_kept(server, second) or []) == sorted([app, docs]), seconds=60)
    assert server.get(f"/api/v1/deployments/{second}")["team"] is None


def test_a_repository_that_cannot_be_fetched_is_seen_and_recovers(server: Served, repo: GitRepo, git: GitServer) -> None:
    tip = repo.commit("Begin")
    repo.close()
    git.faults.append(Fault(match="", kind=Status(status=503)))
    asked = time.time()
    assert server.deliver("push", push_body(tip)).status == 202
    failing = until(lambda: (found := _repository(server)).get("state") == "failing" and found, seconds=60)
    assert failing["repository"] == "github.com/acme/shop"
    assert "503" in str(failing["error"])
    assert failing["attempts"] == 1
    assert str(failing["retry_at"]) > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(asked + 25))
    assert server.ready() == 200

    git.faults.clear()
    # The next event asks again at once; without one the next try comes by itself.
    assert server.deliver("push", push_body(tip, ref="refs/heads/main")).status == 202
    synced = until(lambda: (found := _repository(server)).get("state") == "synced" and found, seconds=60)
    assert (synced["error"], synced["attempts"], synced["commits"]) == (None, 0, 1)


def test_a_push_brings_the_commit_that_a_deployment_waits_for(
    server: Served, repo: GitRepo, capsys: pytest.CaptureFixture[str]
) -> None:
    now = int(time.time())
    tip = repo.commit("Begin")
    repo.close()
    assert server.deliver("push", push_body(tip)).status == 202
    _deploy(server, tip, finished=now - 1_000)
    until(lambda: _repository(server).get("state") == "synced", seconds=60)
    waits = []
    for number in range(PUSHES):
        before, tip = tip, repo.commit(f"Change {number}")
        repo.close()
        id = _deploy(server, tip, finished=now - 900 + number)
        assert server.deliver("push", push_body(tip, before=before)).status == 202
        acknowledged = time.monotonic()
        assert until(lambda id=id: _kept(server, id), seconds=60) == [tip]
        waits.append(time.monotonic() - acknowledged)
    with capsys.disabled():
        print(f"\nfreshness: {statistics.median(waits):.2f} s (median of {PUSHES}), {max(waits):.2f} s at most")
    assert statistics.median(waits) < 5.0
