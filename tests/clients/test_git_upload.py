"""`datadog-ci git-metadata upload`, the real one: history by packs, in several rounds, from a shallow clone, before and after deployments."""

import json
import random
import time
from base64 import urlsafe_b64encode
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.clients.programs import DatadogCi, Done
from tests.support.gitrepo import GitRepo, git, git_bytes
from tests.support.server import API_KEY, Served, until

pytestmark = pytest.mark.xdist_group("clients: git upload")

HOUR = 3600
PACKFILE = "/api/v2/git/repository/packfile"
SEARCH = "/api/v2/git/repository/search_commits"


def url_of(name: str) -> str:
    """A repository of a host that no forge client knows."""
    return f"https://git.example.org/acme/{name}.git"


def clone(origin: Path, *how: str) -> Path:
    """A checkout of a bare repository, as a CI job has it."""
    git(origin.parent, "clone", "-q", *how, f"file://{origin}", f"{origin.name}-checkout")
    return origin.parent / f"{origin.name}-checkout"


def upload(datadog_ci: DatadogCi, checkout: Path, name: str, **told: str) -> Done:
    """Run the command in a checkout."""
    return datadog_ci("git-metadata", "upload", "--repository-url", url_of(name), cwd=checkout, **told)


def deploy(datadog_ci: DatadogCi, service: str, name: str, sha: str, finished: int) -> None:
    """Report a deployment of a commit."""
    datadog_ci(
        "dora", "deployment", "--service", service, "--started-at", str(finished - 60), "--finished-at", str(finished),
        "--git-repository-url", url_of(name), "--git-commit-sha", sha,
    ).good()  # fmt: skip


def upload_and_wait(datadog_ci: DatadogCi, checkout: Path, name: str) -> None:
    """Run it, and wait until what it sent is usable: the server answers before it has unpacked."""
    upload(datadog_ci, checkout, name).good()
    head = git(checkout, "rev-parse", "HEAD").strip()
    body = json.dumps({"meta": {"repository_url": url_of(name)}, "data": [{"id": head, "type": "commit"}]}).encode()

    def look() -> bool:
        answer = datadog_ci.server.ask("POST", SEARCH, body, DD_API_KEY=API_KEY, Content_Type="application/json")
        return [one["id"] for one in answer.json()["data"]] == [head]

    until(look, seconds=60, pause=0.1)


def packs(server: Served, name: str) -> list[int]:
    """How many bytes each pack of a repository had."""
    lines = (json.loads(line) for line in (server.folder / "log").read_text().splitlines() if '"event": "pack"' in line)
    return [line["bytes"] for line in lines if line["repository"].endswith(f"/{name}")]


def asked(server: Served) -> Counter[str]:
    """How often each route was asked for so far, with its answer."""
    lines = (json.loads(line) for line in (server.folder / "log").read_text().splitlines() if '"event": "request"' in line)
    return Counter(f"{line['method']} {line['route']} {line['status']}" for line in lines)


def deployments(server: Served, service: str) -> list[dict[str, Any]]:
    """The deployments of a service, oldest first, once all of them are derived."""

    def look() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = server.get(f"/api/v1/deployments?service={service}")["data"]
        return None if any(one["not_computed"] == "pending" for one in found) else found[::-1]

    return until(look, seconds=60, pause=0.1)


def complete(server: Served, service: str) -> list[dict[str, Any]]:
    """The deployments of a service as soon as their commits are known."""

    def look() -> list[dict[str, Any]] | None:
        found = deployments(server, service)
        unknown = ("commit_unknown", "predecessor_commit_unknown")
        return None if any(one["not_computed"] in unknown for one in found) else found

    return until(look, seconds=60, pause=0.1)


def changes(server: Served, deployment: str) -> dict[str, str | None]:
    """The changes of a deployment: the subject of each commit, and why it does not count."""
    found = server.get(f"/api/v1/deployments/{deployment}/changes?limit=1000")["data"]
    return {one["subject"]: one["reason"] for one in found}


def history(path: Path, begin: int, count: int) -> list[str]:
    """A bare repository with commits an hour apart, oldest first; a merge is the last but one, and one more is on `later`."""
    with GitRepo(path) as repo:
        shas = [
            repo.commit(f"Change {n}", files=[f"src/{n % 3}/a.txt", f"docs/{n}.md"], authored_at=begin + n * HOUR)
            for n in range(count - 2)
        ]
        side = repo.commit("On the side", files=["side.txt"], branch="side", parents=[shas[-2]], authored_at=begin + count * HOUR)
        merged = repo.commit("Merge the side", parents=[shas[-1], side], authored_at=begin + (count + 1) * HOUR)
        last = repo.commit("The last", files=["last.txt"], authored_at=begin + (count + 2) * HOUR)
        repo.commit("Later", files=["src/0/later.txt"], branch="later", parents=[last], authored_at=begin + (count + 3) * HOUR)
    return [*shas, merged, last]


def test_its_commits_become_changes(datadog_ci: DatadogCi, tmp_path: Path) -> None:
    server, now = datadog_ci.server, int(time.time())
    shas = history(tmp_path / "shop", now - 48 * HOUR, 8)
    output = upload(datadog_ci, clone(tmp_path / "shop"), "shop").good()
    assert f"Reporting commit {shas[-1]} from repository" in output and "tracked file paths will be reported" in output
    assert "WARN" not in output.upper().replace("WARNING: NODE", ""), output
    deploy(datadog_ci, "uploaded", "shop", shas[1], now - 20 * HOUR)
    deploy(datadog_ci, "uploaded", "shop", shas[-1], now - HOUR)
    first, second = complete(server, "uploaded")
    assert first["not_computed"] == "first_deployment"
    assert changes(server, second["id"]) == {
        **{f"Change {n}": None for n in range(2, 6)}, "On the side": None, "The last": None,
        "Merge the side": "merge",
    }  # fmt: skip
    assert second["change_lead_time"]["commits"] == 6


def test_a_second_run_sends_what_is_new_and_a_third_nothing(datadog_ci: DatadogCi, tmp_path: Path) -> None:
    server, now = datadog_ci.server, int(time.time())
    shas = history(tmp_path / "grown", now - 48 * HOUR, 6)
    checkout = clone(tmp_path / "grown")
    upload_and_wait(datadog_ci, checkout, "grown")
    git(checkout, "checkout", "-q", "later")
    upload_and_wait(datadog_ci, checkout, "grown")
    whole, new = packs(server, "grown")
    assert new < whole / 2, "only what is new"
    before = asked(server)
    upload(datadog_ci, checkout, "grown").good()
    thrice = asked(server) - before
    assert sum(times for route, times in thrice.items() if SEARCH in route) == 1
    assert sum(times for route, times in thrice.items() if PACKFILE in route) == 0, "all of it is known"
    deploy(datadog_ci, "grown", "grown", shas[-1], now - 2 * HOUR)
    deploy(datadog_ci, "grown", "grown", git(checkout, "rev-parse", "HEAD").strip(), now - 60)
    _, second = complete(server, "grown")
    assert list(changes(server, second["id"])) == ["Later"]


def test_three_packs(datadog_ci: DatadogCi, tmp_path: Path) -> None:
    """16 trees of random names are more than two packs of 3 MB can hold."""
    server, now = datadog_ci.server, int(time.time())
    path, chance = tmp_path / "large", random.Random(3)
    git(tmp_path, "init", "-q", "-b", "main", "large")
    shas: list[str] = []
    for n in range(16):
        listing = b"".join(
            b"100644 blob %040x\t%s\0" % (chance.getrandbits(160), urlsafe_b64encode(chance.randbytes(45))) for _ in range(7_000)
        )
        tree = git_bytes(path, "mktree", "-z", "--missing", stdin=listing).decode().strip()
        when = f"{now - (30 - n) * HOUR} +0000"
        parent = f"parent {shas[-1]}\n" if shas else ""
        commit = f"tree {tree}\n{parent}author Ann <a@example.org> {when}\ncommitter Ann <a@example.org> {when}\n\nTree {n}\n"
        shas.append(git_bytes(path, "hash-object", "-t", "commit", "-w", "--stdin", stdin=commit.encode()).decode().strip())
    git(path, "update-ref", "refs/heads/main", shas[-1])
    before = asked(server)
    upload(datadog_ci, path, "large").good()
    seen = asked(server) - before
    assert sum(times for route, times in seen.items() if PACKFILE in route) == 3, seen
    deploy(datadog_ci, "large", "large", shas[3], now - 3 * HOUR)
    deploy(datadog_ci, "large", "large", shas[-1], now - HOUR)
    _, second = complete(server, "large")
    assert changes(server, second["id"]) == {f"Tree {n}": None for n in range(4, 16)}


def test_a_shallow_clone(datadog_ci: DatadogCi, tmp_path: Path) -> None:
    """The client deepens it to a month and asks a second time."""
    server, now = datadog_ci.server, int(time.time())
    with GitRepo(tmp_path / "deep") as repo:
        for n in range(3):
            repo.commit(f"Long ago {n}", files=[f"old/{n}.txt"], authored_at=now - (2000 - n) * HOUR)
        shas = [repo.commit(f"Lately {n}", files=[f"new/{n}.txt"], authored_at=now - (20 - n) * HOUR) for n in range(5)]
    git(tmp_path / "deep", "config", "uploadpack.allowAnySHA1InWant", "true")
    checkout = clone(tmp_path / "deep", "--depth", "1")
    before = asked(server)
    upload(datadog_ci, checkout, "deep").good()
    seen = asked(server) - before
    assert sum(times for route, times in seen.items() if SEARCH in route) == 2, seen
    deploy(datadog_ci, "deep", "deep", shas[1], now - 3 * HOUR)
    deploy(datadog_ci, "deep", "deep", shas[-1], now - HOUR)
    _, second = complete(server, "deep")
    assert changes(server, second["id"]) == {f"Lately {n}": None for n in range(2, 5)}
    # The oldest commit that came has no parent here; a service that is deployed with it must not be given every file.
    deploy(datadog_ci, "boundary", "deep", shas[0], now - 3 * HOUR)
    deploy(datadog_ci, "boundary", "deep", shas[-1], now - HOUR)
    _, second = complete(server, "boundary")
    assert set(changes(server, second["id"])) == {f"Lately {n}" for n in range(1, 5)}


def test_280000_tracked_paths(datadog_ci: DatadogCi, tmp_path: Path) -> None:
    """They are in the index alone: the client lists what git tracks."""
    server, now = datadog_ci.server, int(time.time())
    (sha, *_) = history(tmp_path / "wide", now - 48 * HOUR, 4)[::-1]
    checkout = clone(tmp_path / "wide")
    blob = git(checkout, "rev-parse", "HEAD:last.txt").strip()
    listing = "".join(f"100644 {blob}\tsrc/{n % 280:03}/module-{n:06}.py\n" for n in range(280_000))
    git(checkout, "update-index", "--index-info", stdin=listing.encode())
    before = asked(server)
    output = upload(datadog_ci, checkout, "wide").good()
    paths = int(output.split(" tracked file paths")[0].rsplit(maxsplit=1)[1])
    assert paths >= 280_000
    seen = asked(server) - before
    assert [route for route in seen if "srcmap" in route and route.rsplit(maxsplit=1)[1].startswith("2")], seen
    deploy(datadog_ci, "wide", "wide", sha, now - HOUR)
    (one,) = complete(server, "wide")
    assert one["not_computed"] == "first_deployment"


def test_both_orders_give_the_same(datadog_ci: DatadogCi, tmp_path: Path) -> None:
    """A deployment that is sent before its commits completes by itself when they arrive."""
    server, now = datadog_ci.server, int(time.time())
    shas = history(tmp_path / "order", now - 48 * HOUR, 8)
    checkout = clone(tmp_path / "order")

    def deploy_all(name: str) -> None:
        for sha, ago in ((shas[1], 20), (shas[4], 10), (shas[-1], 1)):
            deploy(datadog_ci, name, name, sha, now - ago * HOUR)

    deploy_all("before")
    assert {one["not_computed"] for one in deployments(server, "before")} <= {"commit_unknown", "first_deployment"}
    assert deployments(server, "before")[-1]["not_computed"] == "commit_unknown"
    upload(datadog_ci, checkout, "before").good()
    upload(datadog_ci, checkout, "after").good()
    deploy_all("after")
    told = []
    for name in ("before", "after"):
        found = complete(server, name)
        metrics = server.get(f"/api/v1/metrics?service={name}")["data"][0]
        rows = [
            {key: value for key, value in one.items() if key not in ("id", "service", "repository", "predecessor")} for one in found
        ]
        told.append(([changes(server, one["id"]) for one in found], rows, {k: v for k, v in metrics.items() if k not in ("group", "to")}))
    assert told[0] == told[1]
    assert told[0][1][-1]["change_lead_time"]["commits"] > 0


def test_without_commits_it_says_so(datadog_ci: DatadogCi, tmp_path: Path) -> None:
    """The pages warn of `--no-gitsync`; the job is green all the same, so the deployment has to tell."""
    server, now = datadog_ci.server, int(time.time())
    (sha, *_) = history(tmp_path / "listed", now - 48 * HOUR, 4)[::-1]
    checkout = clone(tmp_path / "listed")
    before = asked(server)
    datadog_ci("git-metadata", "upload", "--no-gitsync", "--repository-url", url_of("listed"), cwd=checkout).good()
    assert not [route for route in asked(server) - before if SEARCH in route or PACKFILE in route]
    deploy(datadog_ci, "listed", "listed", sha, now - HOUR)
    (one,) = deployments(server, "listed")
    assert one["not_computed"] in ("commit_unknown", "first_deployment"), one
    assert server.get(f"/api/v1/deployments/{one['id']}/changes")["data"] == []


def test_a_wrong_key_fails_the_job(datadog_ci: DatadogCi, tmp_path: Path) -> None:
    history(tmp_path / "denied", int(time.time()) - 48 * HOUR, 4)
    done = upload(datadog_ci, clone(tmp_path / "denied"), "denied", DD_API_KEY="a-key-that-nobody-knows")
    assert done.status == 1, done.output
    names = [one["repository"] for one in datadog_ci.server.get("/api/v1/repositories")["data"]]
    assert not [name for name in names if "denied" in name]
