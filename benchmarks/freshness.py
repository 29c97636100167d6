"""P12: from the 202 of a push until the API shows the lead time of the deployment that waited for it.

Rules: 50 pushes a second over three repositories behind a real git server; each moves the bare repository's `main` by one merge and
then tells of it, signed. Before every tenth a deployment of the very commit it will bring is posted, and the API is asked every 20 ms.
"""

import multiprocessing
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from statistics import median

from benchmarks.bars import ROUNDS, Measured
from benchmarks.history import git, make_history
from benchmarks.server import Connection, Served, fire, memory, quantile, served, waited, webhook
from tests.support.gitserver import git_server_thread

REPOSITORIES = ("one", "two", "three")
HISTORY = 6_000
RATE, WINDOW, MEASURED = 50, 6, 10
"""Every so manieth push is measured."""
LOOK, PATIENCE = 0.02, 30.0


@dataclass(slots=True, kw_only=True)
class Remote:
    """A repository on the git server: the merges to come, and how far its `main` is."""

    name: str
    path: Path
    chain: list[str]
    told: int = 0
    at: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def move(self, to: int) -> None:
        """Move `main` there, unless it is further already."""
        with self.lock:
            if to > self.at:
                fresh = self.path / f"main-{threading.get_ident()}"
                fresh.write_text(self.chain[to] + "\n")
                fresh.replace(self.path / "refs" / "heads" / "main")
                self.at = to


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Seconds each measured push took, by window, and what parent and child weighed at most (MB)."""

    windows: list[list[float]] = field(default_factory=list)
    starved: list[float] = field(default_factory=list)
    """By window: the share in which the event loop was ready to run and had no core."""
    memory: dict[str, float] = field(default_factory=dict)


def measure() -> Iterator[Measured]:
    """Yield P12."""
    seen = run()
    every = [seconds for window in seen.windows for seconds in window]
    yield Measured(
        bar="P12", what=f"p99 seconds from 202 to the lead time, {RATE} pushes/s over {len(REPOSITORIES)} repositories",
        figure=quantile(every, 0.99), target=1,
        detail=f"p50 {quantile(every, 0.5):.2f} p90 {quantile(every, 0.9):.2f} worst {max(every):.2f} s of {len(every)}; "
        f"p99 by window {' '.join(f'{quantile(window, 0.99):.2f}' for window in seen.windows)}, "
        f"starved {median(seen.starved):.0%}",
    )


@cache
def run() -> Run:
    """The windows, measured once however many bars ask."""
    seen = Run()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        remotes = [_remote(folder / "git" / "acme", name, seed) for seed, name in enumerate(REPOSITORIES, start=11)]
        (folder / "definitions").mkdir()
        with (
            _git_server(folder / "git") as url,
            served(folder / "bench.db", folder / "definitions", CLONE_URLS=f"github.com={url}") as server,
        ):
            server.operate("sync", remotes=[f"https://github.com/acme/{remote.name}" for remote in remotes])
            for remote in remotes:
                _deploy(server, remote, remote.chain[0])
            for _ in range(ROUNDS):
                server.operate("replay", ids=[])  # ends when nothing is due
                before, begun = waited(server.process.pid), time.perf_counter()
                seen.windows.append(_window(server, remotes))
                seen.starved.append((waited(server.process.pid) - before) / (time.perf_counter() - begun))
            seen.memory.update(parent=memory(server.process.pid)["VmHWM"], child=memory(server.child())["VmHWM"])
    return seen


def _remote(folder: Path, name: str, seed: int) -> Remote:
    """A bare repository whose `main` stands far enough back."""
    path = folder / f"{name}.git"
    shutil.copytree(make_history(commits=HISTORY, seed=seed), path)
    chain = git(path, "log", "--first-parent", "--reverse", "--format=%H", "main").decode().split()
    pushes = ROUNDS * RATE * WINDOW // len(REPOSITORIES) + 10
    assert len(chain) > pushes
    git(path, "update-ref", "-d", "refs/heads/topic")
    git(path, "update-ref", "refs/heads/main", chain[-pushes - 1])
    git(path, "config", "uploadpack.allowFilter", "true")
    return Remote(name=name, path=path, chain=chain[-pushes - 1 :])


def _window(server: Served, remotes: list[Remote]) -> list[float]:
    """One window of pushes; how long the measured ones took."""
    took: list[float] = []
    watchers: list[threading.Thread] = []

    def push(door: Connection, remote: Remote, to: int, measured: bool) -> None:
        deployment = _deploy(server, remote, remote.chain[to]) if measured else ""
        remote.move(to)
        door.send(_push(remote, to))
        if measured:
            watcher = threading.Thread(target=_watch, args=(server, deployment, time.perf_counter(), took))
            watcher.start()
            watchers.append(watcher)

    acts = []
    for number in range(RATE * WINDOW):
        remote = remotes[number % len(remotes)]
        remote.told += 1
        measured = number % MEASURED == MEASURED - 1
        acts.append(lambda door, remote=remote, to=remote.told, measured=measured: push(door, remote, to, measured))
    fire(server.port, acts, rate=RATE)
    for watcher in watchers:
        watcher.join()
    assert len(took) == len(watchers), f"{len(watchers) - len(took)} of {len(watchers)} deployments never got a lead time"
    return took


def _watch(server: Served, deployment: str, since: float, took: list[float]) -> None:
    """Ask until the lead time is there."""
    while time.perf_counter() - since < PATIENCE:
        if server.api("GET", f"/api/v1/deployments/{deployment}")["change_lead_time"]:
            took.append(time.perf_counter() - since)
            return
        time.sleep(LOOK)


def _deploy(server: Served, remote: Remote, sha: str) -> str:
    """Post a deployment of this commit; its id."""
    now, id = time.time_ns(), f"deployment-{sha[:20]}"
    git_of = {"commit_sha": sha, "repository_url": f"https://github.com/acme/{remote.name}"}
    attributes = {
        "id": id, "service": remote.name, "env": "prod", "version": sha[:12], "started_at": now - 10**9, "finished_at": now, "git": git_of,
    }  # fmt: skip
    server.api("POST", "/api/v2/dora/deployment", {"data": {"attributes": attributes}})
    return id


def _push(remote: Remote, to: int) -> bytes:
    """What GitHub tells of the push; its commits are only in the repository."""
    url = f"https://github.com/acme/{remote.name}"
    repository = {
        "id": 1 + REPOSITORIES.index(remote.name), "full_name": f"acme/{remote.name}", "html_url": url, "clone_url": f"{url}.git",
        "default_branch": "main",
    }  # fmt: skip
    return webhook("push", {
        "ref": "refs/heads/main", "before": remote.chain[to - 1], "after": remote.chain[to], "created": False, "deleted": False,
        "forced": False, "commits": [], "head_commit": None, "repository": repository, "sender": {"login": "kim"},
    })  # fmt: skip


@contextmanager
def _git_server(root: Path) -> Iterator[str]:
    """The git server in a process of its own: its work must not make the load late."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve_git, args=(root, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _serve_git(root: Path, pipe: Pipe) -> None:
    with git_server_thread(root) as server:
        pipe.send(server.url)
        pipe.poll(None)
    sys.exit(0)
