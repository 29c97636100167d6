"""P4 and P5: a whole history into the store, against git's own pass over it, and what it weighs there."""

import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bars import Measured, interleaved
from benchmarks.history import ENVIRONMENT, git, make_history
from bot.facts.repositories import RepositoryRow, ensure_repository
from bot.git import list_refs, log
from bot.pipeline import ingest, mirror
from bot.store import Store
from bot.store.opening import open_store

NAME = "github.com/acme/bench"


def measure() -> Iterator[Measured]:
    """Yield P4 (judged and, where the real history lies beside the project, printed) and P5."""
    made = make_history()
    yield _speed(made, "ingest of the generated history / git log", target=1.3)
    yield _weight(made)
    shared = Path(__file__).parents[2] / "shared" / "data"
    if shared.is_dir():
        with tempfile.TemporaryDirectory() as folder:
            real = Path(folder) / "real.git"
            subprocess.run([shared / "unpack", real], env=ENVIRONMENT, check=True, capture_output=True)
            git(real, "pack-refs", "--all")
            yield _speed(real, "the same of a real history", target=None)


def fill(path: Path, folder: Path) -> tuple[Store, RepositoryRow, float]:
    """A new store with the repository's whole history, and how many seconds the ingest took."""
    store = open_store(f"sqlite:///{folder}/bench.db")
    store.migrate()
    target = mirror.target_of(str(path), name=f"https://{NAME}")
    row = store.write(lambda writer: ensure_repository(writer, target.ref, local=True))
    fetched = mirror.Fetched(repository_id=row.id, path=str(path), began_at=1, full=True, wishes=())
    begun = time.perf_counter()
    for _ in ingest.run(store, fetched=fetched, progress=lambda _: None, clock=time.time_ns):
        pass
    return store, row, time.perf_counter() - begun


def _speed(path: Path, what: str, *, target: float | None) -> Measured:
    def ours() -> float:
        with tempfile.TemporaryDirectory() as folder:
            store, _, seconds = fill(path, Path(folder))
            store.close()
        return seconds

    def yardstick() -> None:
        command = f"git -C {path} log -z --name-only --no-renames --all | cat > /dev/null"
        subprocess.run(command, shell=True, env=ENVIRONMENT, check=True)  # noqa: S602

    git_seconds, seconds = interleaved(yardstick, ours)
    return Measured(
        bar="P4", what=what, figure=seconds / git_seconds, target=target, detail=f"{seconds:.2f} s / {git_seconds:.2f} s"
    )


def _weight(path: Path) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        store, _, _ = fill(path, Path(folder))
        store.close()
        ours = (Path(folder) / "bench.db").stat().st_size
        text = _text_rows(path, Path(folder) / "text.db")
    return Measured(
        bar="P5", what="database / text rows with two indexes", figure=ours / text, target=0.4,
        detail=f"{ours / 1e6:.1f} MB / {text / 1e6:.1f} MB",
    )


def _text_rows(path: Path, database: Path) -> int:
    """The same facts as one would first write them down."""
    connection = sqlite3.connect(database)
    connection.executescript(
        "CREATE TABLE commits (sha TEXT PRIMARY KEY, parents TEXT, authored_at TEXT, committed_at TEXT, author TEXT, subject TEXT, body TEXT);"
        "CREATE TABLE paths (sha TEXT, path TEXT); CREATE INDEX by_sha ON paths (sha); CREATE INDEX by_path ON paths (path);"
    )
    for entry in log(path, include=[tip.sha for tip in list_refs(path)]):
        sha, parents = entry.sha.hex(), entry.parents.hex()
        row = (sha, parents, str(entry.authored_at), str(entry.committed_at), entry.author, entry.subject, entry.body)
        connection.execute("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        connection.executemany("INSERT INTO paths VALUES (?, ?)", [(sha, name.decode()) for name in entry.paths])
    connection.commit()
    connection.close()
    return database.stat().st_size
