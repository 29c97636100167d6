"""P11: what `serve` weighs under the loads of P12 and P13, and what an ingest of 52,000 commits takes beside the imports.

Rules: peaks of resident memory as the kernel counts them (`VmHWM`), git's own processes excluded; MB are 2^20 bytes.
"""

import subprocess
import sys
from collections.abc import Iterator

from benchmarks import freshness, serving
from benchmarks.bars import ROUNDS, Measured
from benchmarks.history import make_history

SERVE, INGEST = 120, 60
_INGEST = """
import sys, tempfile
from pathlib import Path
import bot.app, bot.cli.main
from benchmarks.ingest import fill
from benchmarks.server import memory
import os
Path("/proc/self/clear_refs").write_text("5")
before = memory(os.getpid())["VmRSS"]
with tempfile.TemporaryDirectory() as folder:
    store, _, _ = fill(Path(sys.argv[1]), Path(folder))
    after = memory(os.getpid())["VmHWM"]
    store.close()
print(before, after)
"""


def measure() -> Iterator[Measured]:
    """Yield P11: parent and child under both loads, and the ingest."""
    loads = (("pushes, fetches and deployments (P12)", freshness.run()), ("rebuild and ingest at 200 deliveries/s (P13)", serving.run()))
    for load, seen in loads:
        for process in ("parent", "child"):
            yield Measured(
                bar="P11", what=f"MB of serve, {process}: {load}", figure=seen.memory[process], target=SERVE, detail="most at any time"
            )
    runs = sorted(_ingest() for _ in range(ROUNDS))
    grown, before, after = runs[len(runs) // 2]
    yield Measured(
        bar="P11", what="MB that an ingest takes above the process after imports", figure=grown, target=INGEST,
        detail=f"{before:.0f} → {after:.0f} MB",
    )


def _ingest() -> tuple[float, float, float]:
    """MB grown, before and at most, of one ingest in a process of its own."""
    done = subprocess.run([sys.executable, "-c", _INGEST, make_history()], stdout=subprocess.PIPE, check=True, text=True)
    before, after = map(float, done.stdout.split())
    return after - before, before, after
