"""P7: the changes of 200 services with 1,000 deployments each, path-filtered and written, against one `git log --name-only`."""

import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bars import Measured, interleaved
from benchmarks.history import ENVIRONMENT, git, make_history
from benchmarks.ingest import NAME, fill
from bot.dora.changes import Limits
from bot.dora.definitions import ServiceDefinition
from bot.dora.deployments import Series
from bot.dora.instants import DAY, SECOND
from bot.facts.catalog import FROM_FOLDER, plan_claims, write_claims
from bot.facts.marks import mark_series
from bot.git import list_refs, log
from bot.pipeline.derive.deriver import Deriver, Mark
from bot.pipeline.history import HistoryCache
from bot.store import Row, Store
from bot.store.opening import open_store

SERVICES, DEPLOYMENTS = 200, 1_000


def measure() -> Iterator[Measured]:
    """Yield P7; each round begins with a copy of a store that has the history, the definitions and the deployments."""
    path = make_history()
    written: list[int] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, _, _ = fill(path, folder)
        _deploy(store, path)
        store.close()

        def ours() -> float:
            shutil.copyfile(folder / "bench.db", folder / "copy.db")
            copy = open_store(f"sqlite:///{folder}/copy.db")
            try:
                begun = time.perf_counter()
                _derive(copy)
                seconds = time.perf_counter() - begun
            finally:
                copy.close()
            with sqlite3.connect(folder / "copy.db") as connection:
                written[:] = connection.execute("SELECT count(*) FROM change_set UNION ALL SELECT count(*) FROM change").fetchall()
            connection.close()
            return seconds

        def yardstick() -> None:
            command = f"git -C {path} log --name-only --no-renames --all > /dev/null"
            subprocess.run(command, shell=True, env=ENVIRONMENT, check=True)  # noqa: S602

        git_seconds, seconds = interleaved(yardstick, ours)
    (sets,), (changes,) = written  # type: ignore[misc]
    assert sets == SERVICES * DEPLOYMENTS
    yield Measured(
        bar="P7", what=f"{changes:,} changes of {SERVICES} × {DEPLOYMENTS:,} deployments / git log", figure=seconds / git_seconds,
        target=1.0, detail=f"{seconds:.2f} s / {git_seconds:.2f} s",
    )


def _deploy(store: Store, path: Path) -> None:
    """200 services, each the directory with the next most commits, deployed at 1,000 evenly spaced first-parent commits."""
    directories: Counter[str] = Counter()
    for entry in log(path, include=[tip.sha for tip in list_refs(path)]):
        directories.update({name.decode().rpartition("/")[0] for name in entry.paths})
    chain = git(path, "log", "--first-parent", "--reverse", "--format=%H %ct", "main").decode().split("\n")[:-1]
    chosen = [chain[(i + 1) * len(chain) // DEPLOYMENTS - 1].split() for i in range(DEPLOYMENTS)]
    definitions: list[ServiceDefinition] = []
    deployments: list[Row] = []
    busiest = sorted(directories, key=lambda directory: (-directories[directory], directory))[:SERVICES]
    for number, directory in enumerate(busiest):
        service = f"service-{number:03}"
        definitions.append(
            ServiceDefinition(service=service, shown=service, schema_version="v2.2", source_patterns=(f"{directory}/**",))
        )
        for at, (sha, committed) in enumerate(chosen):
            begun = (int(committed) + 3_600 + number) * SECOND
            deployments.append((
                f"{service}-{at:04}", service, "prod", service, "prod", f"v{at}", NAME, f"https://{NAME}", bytes.fromhex(sha),
                begun, begun + 60 * SECOND, "", "[]", "api", begun, 0, "", 0,
            ))  # fmt: skip
    store.write(lambda writer: write_claims(writer, plan_claims(writer, {FROM_FOLDER: definitions})))
    for start in range(0, len(deployments), 10_000):
        store.write(lambda writer, s=start: writer.write_many("deployment", deployments[s : s + 10_000]))  # type: ignore[misc]
    marks = [Series(service=f"service-{number:03}", env="prod") for number in range(SERVICES)]
    store.write(lambda writer: [mark_series(writer, series, from_at=0) for series in marks])


def _derive(store: Store) -> None:
    """The changes of every series; what follows from them (classification) is not part of this bar."""
    deriver = Deriver(store, HistoryCache(), limits=Limits(max_gap=60 * DAY, max_commits=5_000), clock=time.time_ns)
    for mark in store.read(lambda reader: reader.fetch("due_marks", Mark, now=time.time_ns(), n=SERVICES)):
        deriver.derive(mark)
