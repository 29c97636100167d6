"""The clock, in nanoseconds since 1970."""

from time import time_ns

from bot.dora.instants import Instant


def now() -> Instant:
    """This instant."""
    return time_ns()
