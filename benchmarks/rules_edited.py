"""P13 for rules: how long a delivery waits for its 202 while rules.yaml was edited on a store with a million changes.

Rules: one server, 200 signed deliveries of 7.7 KB a second at fixed instants. First windows of six seconds at rest; then the file is
edited on disk, noticed by the server itself, and the deliveries go on until the last classification is derived again. The same with
`rebuild`. A figure is the median of the windows' p99. What was derived after the edit must be what the rebuild leaves.
"""

import contextlib
import hashlib
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path

from benchmarks.bars import ROUNDS, Measured
from benchmarks.many_changes import MILLION, Size, make_store
from benchmarks.server import Served, fire, memory, quantile, served, waited
from benchmarks.serving import RATE, WINDOW, Window, act_of, median_of, spoken

SHIPPED = Path(__file__).parents[1] / "service_definitions" / "rules.yaml"
ADDED = "\n  - {id: urgent, field: commit_message, pattern: '^Urgent: '}\noptions:"
LEFT = "SELECT count(*) FROM mark WHERE stage <> 'repository'"
"""What an edit or a rebuild has left to do; pull requests that were delivered have marks of their own."""
DERIVED = ("change_set", "change", "classification", "remediation", "pull_request_flag", "link_read", "rebased", "landing", "introduced")


@dataclass(slots=True, kw_only=True)
class Act:
    """An edit or a rebuild: seconds until all was derived, and the windows of deliveries meanwhile."""

    seconds: float = 0.0
    windows: list[Window] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Run:
    """What was seen."""

    rest: list[Window] = field(default_factory=list)
    edit: Act = field(default_factory=Act)
    rebuild: Act = field(default_factory=Act)
    memory: dict[str, float] = field(default_factory=dict)
    urgent: int = 0
    """Deployments that the new rule classifies."""
    equal: bool = False
    """Whether the rebuild left everything as the edit had made it."""


def measure() -> Iterator[Measured]:
    """Yield the waits during both, and what the child weighed."""
    seen = run()
    changes = f"{MILLION.changes:,} changes"
    assert seen.equal
    for what, act in (("rules.yaml was edited", seen.edit), ("all is rebuilt", seen.rebuild)):
        yield Measured(
            bar="P13", what=f"p99 of intake at {RATE}/s while {what}, {changes} / at rest",
            figure=median_of(act.windows, "p99") / median_of(seen.rest, "p99"), target=3,
            detail=f"{spoken(act.windows)} / {spoken(seen.rest)}, all derived after {act.seconds:.0f} s",
        )
    for process, most in seen.memory.items():
        yield Measured(bar="P11", what=f"MB of serve, {process}: {changes}, rules edited", figure=most, target=120, detail="most at any time")


@cache
def run(size: Size = MILLION, *, rounds: int = ROUNDS, window: int = WINDOW) -> Run:
    """Rest, edit and rebuild, measured once however many bars ask."""
    seen, numbers = Run(), count(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        definitions = folder / "definitions"
        definitions.mkdir()
        shutil.copy(SHIPPED, definitions)
        make_store(size, folder / "bench.db")
        with served(folder / "bench.db", definitions) as server:
            _settle(server)
            _fire(server, numbers, window)
            seen.rest += [_fire(server, numbers, window) for _ in range(rounds)]
            _settle(server)
            text = SHIPPED.read_text()
            assert "\noptions:" in text
            seen.edit = _during(server, numbers, window, lambda: (definitions / "rules.yaml").write_text(text.replace("\noptions:", ADDED)))
            _settle(server)
            (seen.urgent,), = _rows(server, "SELECT count(*) FROM remediation WHERE rule = 'urgent'")
            edited = _digest(server, size)
            job = threading.Thread(target=lambda: server.operate("rebuild"), daemon=True)
            seen.rebuild = _during(server, numbers, window, job.start)
            job.join()
            seen.equal = edited == _digest(server, size)
            seen.memory.update(parent=memory(server.process.pid)["VmHWM"], child=memory(server.child())["VmHWM"])
    return seen


def _settle(server: Served) -> None:
    server.operate("replay", ids=[])  # ends when nothing is due


def _during(server: Served, numbers: Iterator[int], window: int, begin: Callable[[], object]) -> Act:
    """Deliveries from the beginning of something until nothing of it is left to do."""
    act, begun = Act(), time.perf_counter()
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(server, ended), daemon=True)
    begin()
    watcher.start()
    while not ended.is_set():
        seen = _fire(server, numbers, window, running=lambda: not ended.is_set())
        act.windows += [seen] if seen.deliveries >= RATE else []
    watcher.join()
    act.seconds = time.perf_counter() - begun
    return act


def _watch(server: Served, ended: threading.Event) -> None:
    """Say when what began has ended; a while may pass before it is noticed."""
    while not _left(server):
        time.sleep(0.02)
    while _left(server):
        time.sleep(0.05)
    ended.set()


def _left(server: Served) -> int:
    return int(_rows(server, LEFT)[0][0])


def _fire(server: Served, numbers: Iterator[int], window: int, *, running: Callable[[], bool] = lambda: True) -> Window:
    acts = [act_of(next(numbers)) for _ in range(RATE * window)]
    waited_before, begun = waited(server.process.pid), time.perf_counter()
    took = fire(server.port, acts, rate=RATE, running=running)
    starved = (waited(server.process.pid) - waited_before) / (time.perf_counter() - begun)
    took = took or [0.0]
    return Window(deliveries=len(took), p50=quantile(took, 0.5), p99=quantile(took, 0.99), worst=max(took), starved=starved)


def _rows(server: Served, statement: str) -> list[tuple[int, ...]]:
    with closing(sqlite3.connect(f"file:{server.database}?mode=ro", uri=True, timeout=10)) as store:
        return store.execute(statement).fetchall()


def _digest(server: Served, size: Size) -> str:
    """Everything derived, but of the repository whose pull requests are delivered meanwhile."""
    digest = hashlib.sha256()
    with closing(sqlite3.connect(f"file:{server.database}?mode=ro", uri=True, timeout=10)) as store:
        for table in DERIVED:
            columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
            where = f"WHERE repository_id <= {size.repositories}" if columns[0] == "repository_id" else ""
            with contextlib.closing(store.execute(f"SELECT * FROM {table} {where} ORDER BY {', '.join(columns)}")) as rows:  # noqa: S608
                for row in rows:
                    digest.update(repr(row).encode())
    return digest.hexdigest()
