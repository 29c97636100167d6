"""P13: how long a delivery waits for its 202 while everything is rebuilt, or a whole history ingested, against the same at rest.

Rules: one server, 200 signed deliveries of 7.7 KB a second at fixed instants; rest, rebuild and ingest take turns, each a window of
at most six seconds, and only deliveries whose instant lies within the job count. A figure is the median of the windows' p99.
"""

import json
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.bars import ROUNDS, Measured
from benchmarks.history import git, make_history
from benchmarks.ingest import NAME, fill
from benchmarks.server import Connection, Served, fire, memory, quantile, served, waited, webhook
from bot.dora.instants import SECOND
from bot.git import list_refs, log
from bot.store import Row, Store

SERVICES, DEPLOYMENTS = 200, 100
RATE, WINDOW = 200, 6
BODY = 7_678
"""The push of the recorded deliveries."""
PULL_REQUESTS = 400
COMMANDS = {"rebuild": "rebuild", "ingest": "sync"}
WORK = {
    "rebuild": "SELECT 1 FROM mark WHERE stage IN ('changes', 'classification') LIMIT 1",
    "ingest": "SELECT 1 FROM fetch LIMIT 1",
}
"""Whether some of it is left to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window's deliveries: how many, and how long they waited (seconds)."""

    deliveries: int
    p50: float
    p99: float
    worst: float
    starved: float
    """Share of the window in which the event loop was ready to run and had no core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was seen: the windows of each act, and what parent and child weighed at most (MB)."""

    windows: dict[str, list[Window]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)


def measure() -> Iterator[Measured]:
    """Yield P13 for both kinds of work."""
    seen = run()
    rest = seen.windows["rest"]
    for act, what in (("rebuild", "all series are rebuilt"), ("ingest", "a history of 52,000 commits is ingested")):
        busy = seen.windows[act]
        yield Measured(
            bar="P13", what=f"p99 of intake at {RATE}/s while {what} / at rest", figure=median_of(busy, "p99") / median_of(rest, "p99"),
            target=3, detail=f"{spoken(busy)} / {spoken(rest)}",
        )


def median_of(windows: list[Window], name: str) -> float:
    """The median of one of the figures of these windows."""
    return float(median(getattr(window, name) for window in windows))


def spoken(windows: list[Window]) -> str:
    """The windows in words."""
    p50, p99, worst = (median_of(windows, name) * 1_000 for name in ("p50", "p99", "worst"))
    n = sum(window.deliveries for window in windows)
    starved = median_of(windows, "starved")
    return f"p50 {p50:.1f} p99 {p99:.1f} worst {worst:.0f} ms, starved {starved:.0%} ({n:,} in {len(windows)})"


@cache
def run() -> Run:
    """The windows, measured once however many bars ask."""
    seen = Run(windows={"rest": [], "rebuild": [], "ingest": []})
    history = make_history()
    numbers = count(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        definitions = folder / "definitions"
        definitions.mkdir()
        store, _, _ = fill(history, folder)
        _deploy(store, history, definitions)
        store.close()
        with served(folder / "bench.db", definitions) as server:
            server.operate("rebuild")
            _window(server, numbers, "rest")
            for at in range(ROUNDS):
                copy = {"remotes": [str(history)], "name": f"https://{NAME}-{at}"}
                seen.windows["rest"].append(_window(server, numbers, "rest"))
                seen.windows["rebuild"].append(_window(server, numbers, "rebuild"))
                seen.windows["ingest"].append(_window(server, numbers, "ingest", **copy))
            seen.memory.update(parent=memory(server.process.pid)["VmHWM"], child=memory(server.child())["VmHWM"])
    return seen


def _window(server: Served, numbers: Iterator[int], act: str, **arguments: object) -> Window:
    """Deliveries at rest, or while the server does a command; returns when it has done that, and all that was delivered."""
    job = threading.Thread(target=lambda: server.operate(COMMANDS[act], **arguments), daemon=True)
    acts = [act_of(next(numbers)) for _ in range(RATE * WINDOW)]
    with closing(sqlite3.connect(f"file:{server.database}?mode=ro", uri=True, isolation_level=None)) as store:
        if act != "rest":
            job.start()
            while not _is_busy(store, act):
                time.sleep(0.002)
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(server.database, act, ended), daemon=True)
        watcher.start()
        waited_before, begun = waited(server.process.pid), time.perf_counter()
        took = fire(server.port, acts, rate=RATE, running=lambda: not ended.is_set())
        starved = (waited(server.process.pid) - waited_before) / (time.perf_counter() - begun)
    ended.set()
    if act != "rest":
        job.join()
    watcher.join()
    server.operate("replay", ids=[])  # ends when nothing is due
    assert len(took) >= RATE, f"{act} ended after {len(took)} deliveries: too small a job to measure beside"
    return Window(
        deliveries=len(took), p50=quantile(took, 0.5), p99=quantile(took, 0.99), worst=max(took), starved=starved
    )


def _watch(database: Path, act: str, ended: threading.Event) -> None:
    """Say when the work itself has ended: the command waits longer, for the deliveries that go on coming are work too."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)) as store:
        while act != "rest" and not ended.is_set():
            if not _is_busy(store, act):
                ended.set()
            time.sleep(0.05)


def _is_busy(store: sqlite3.Connection, act: str) -> bool:
    return bool(store.execute(WORK[act]).fetchone())


def act_of(number: int) -> Callable[[Connection], None]:
    """Deliver a pull request that was edited once more."""
    return partial(_send, _delivery(number))


def _send(request: bytes, door: Connection) -> None:
    door.send(request)


def _delivery(number: int) -> bytes:
    """A pull request that was edited once more."""
    side = {"ref": "topic", "sha": f"{number:040x}"}
    url = "https://github.com/acme/shop"
    repository = {"id": 1, "full_name": "acme/shop", "html_url": url, "clone_url": f"{url}.git", "default_branch": "main"}
    at = f"2026-05-02T{number // 3_600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
    pull_request = {
        "number": number % PULL_REQUESTS + 1, "state": "open", "title": f"Change {number}", "labels": [], "draft": False,
        "created_at": "2026-05-01T00:00:00Z", "updated_at": at, "merged": False, "merged_at": None, "merge_commit_sha": None,
        "user": {"login": "kim"}, "head": side, "base": {"ref": "main", "sha": "a" * 40}, "body": "",
    }  # fmt: skip
    payload = {
        "action": "edited", "number": number % PULL_REQUESTS + 1, "pull_request": pull_request, "repository": repository,
        "sender": {"login": "kim"},
    }  # fmt: skip
    pull_request["body"] = "x" * (BODY - len(json.dumps(payload)))
    return webhook("pull_request", payload)


def _deploy(store: Store, path: Path, definitions: Path) -> None:
    """200 services, each the directory with the next most commits, deployed at 100 evenly spaced first-parent commits."""
    directories: Counter[str] = Counter()
    for entry in log(path, include=[tip.sha for tip in list_refs(path)]):
        directories.update({name.decode().rpartition("/")[0] for name in entry.paths})
    chain = git(path, "log", "--first-parent", "--reverse", "--format=%H %ct", "main").decode().split("\n")[:-1]
    chosen = [chain[(i + 1) * len(chain) // DEPLOYMENTS - 1].split() for i in range(DEPLOYMENTS)]
    documents: list[str] = []
    deployments: list[Row] = []
    for number, (directory, _) in enumerate(directories.most_common(SERVICES)):
        service = f"service-{number:03}"
        documents.append(
            f"schema-version: v2.2\ndd-service: {service}\nextensions:\n  datadoghq.com/dora-metrics:\n"
            f"    source_patterns:\n      - {directory}/**\n"
        )
        for at, (sha, committed) in enumerate(chosen):
            begun = (int(committed) + 3_600 + number) * SECOND
            deployments.append((
                f"{service}-deployment-{at:04}", service, "prod", service, "prod", f"v{at}", NAME, f"https://{NAME}", bytes.fromhex(sha),
                begun, begun + 60 * SECOND, "", "[]", "api", begun, 0, "", 0,
            ))  # fmt: skip
    (definitions / "services.yaml").write_text("---\n".join(documents))
    store.write(lambda writer: writer.write_many("deployment", deployments))
