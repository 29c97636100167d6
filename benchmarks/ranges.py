"""P6: the commits between two deployments, from the store's graph, against a `git rev-list` process."""

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

from benchmarks.bars import Measured, interleaved
from benchmarks.history import git, make_history
from benchmarks.ingest import fill
from bot.pipeline.history import load_history

PAIRS = 30
NEAR, FAR = (1, 25), (1_000, 1_500)
"""Steps along the first-parent chain between two deployments: about 40 and about 4,600 commits."""


def measure() -> Iterator[Measured]:
    """Yield P6 near and far; git is given the commit-graph file that makes it fastest."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.git"
        shutil.copytree(make_history(), path)
        git(path, "commit-graph", "write", "--reachable")
        chain = git(path, "rev-list", "--first-parent", "main").decode().split()[::-1]
        store, row, _ = fill(path, Path(folder))
        try:
            yield _compare(path, store.read, row.id, chain, NEAR, "near", 0.05)
            yield _compare(path, store.read, row.id, chain, FAR, "far", 0.3)
        finally:
            store.close()


def _compare(
    path: Path, read: Callable[..., object], repository_id: int, chain: list[str], steps: tuple[int, int], what: str, target: float
) -> Measured:
    chance = random.Random(what)
    pairs = []
    for _ in range(PAIRS):
        step = chance.randint(*steps)
        at = chance.randrange(step, len(chain))
        pairs.append((chain[at - step], chain[at]))
    found: list[set[str]] = []
    said: list[set[str]] = []
    sizes: list[int] = []

    def ours() -> float:
        # A history of its own each time: nothing is remembered from the round before.
        history = read(lambda reader: load_history(reader, repository_id))
        asked = [(history.graph.index(bytes.fromhex(a)), history.graph.index(bytes.fromhex(b))) for a, b in pairs]  # type: ignore[attr-defined]
        begun = perf_counter()
        ranges = [history.range(a, b, max_commits=5_000) for a, b in asked]  # type: ignore[attr-defined]
        seconds = perf_counter() - begun
        found[:] = [{history.graph.sha(at).hex() for at in one.commits} for one in ranges]  # type: ignore[attr-defined]
        sizes[:] = [len(one.commits) for one in ranges]
        return seconds

    def yardstick() -> None:
        said[:] = [set(git(path, "rev-list", "--no-merges", b, f"^{a}").decode().split()) for a, b in pairs]

    git_seconds, seconds = interleaved(yardstick, ours)
    assert found == said, "the graph and git disagree"
    return Measured(
        bar="P6", what=f"range of commits, {what} (about {sum(sizes) // len(sizes)}) / git rev-list", figure=seconds / git_seconds,
        target=target, detail=f"{seconds / PAIRS * 1e3:.3f} ms / {git_seconds / PAIRS * 1e3:.2f} ms",
    )
