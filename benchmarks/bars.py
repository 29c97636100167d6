"""A bar: a figure beside its yardstick, both measured in the same run, interleaved, as medians."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One line of the table. `target` is the most the ratio may be; `None`: printed, not judged."""

    bar: str
    what: str
    figure: float
    target: float | None
    detail: str

    @property
    def met(self) -> str:
        """Whether the bar is met, as the table says it."""
        if self.target is None:
            return "-"
        return "yes" if self.figure <= self.target else "NO"


def interleaved(*acts: Callable[[], float | None], rounds: int = ROUNDS) -> list[float]:
    """Seconds each act took, as the median over rounds in which all take turns; an act may return its own time instead."""
    taken: list[list[float]] = [[] for _ in acts]
    for _ in range(rounds):
        for at, act in enumerate(acts):
            gc.collect()
            begun = time.perf_counter()
            told = act()
            taken[at].append(time.perf_counter() - begun if told is None else told)
    return [median(times) for times in taken]
