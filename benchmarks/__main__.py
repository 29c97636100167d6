"""`make bench [BARS="P4 P6"]`: every bar beside its yardstick, as one table."""

import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterator

from benchmarks import changes, freshness, ingest, memory, ranges, rules_edited, serving, telemetry
from benchmarks.bars import Measured
from bot.git import git_version

BENCHES: dict[str, Callable[[], Iterator[Measured]]] = {
    "P4": ingest.measure,
    "P6": ranges.measure,
    "P7": changes.measure,
    "P11": memory.measure,
    "P12": freshness.measure,
    "P13": serving.measure,
    "P13-rules": rules_edited.measure,
    "P15": telemetry.measure,
}
"""By the first bar each yields."""


def main(asked: list[str]) -> None:
    """Print the table line by line; with names, only those benchmarks."""
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, git {'.'.join(map(str, git_version()))}"
    print(f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}; {versions}")
    print(f"{'bar':4} {'what':72} {'target':>7} {'figure':>8} {'met':>4}  medians")
    for name, bench in BENCHES.items():
        if asked and name not in asked:
            continue
        for one in bench():
            target = "-" if one.target is None else f"≤ {one.target:g}"
            print(f"{one.bar:4} {one.what:72} {target:>7} {one.figure:8.3f} {one.met:>4}  {one.detail}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
