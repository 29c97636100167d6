"""Wake-ups between the threads of one process, and what is done after a commit."""

import threading
import time
from collections.abc import Callable, Sequence

import structlog

_log = structlog.get_logger(__name__)


class Bell:
    """Channels that can be rung; a ring that nobody heard is kept until somebody waits."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rung: set[str] = set()

    def ring(self, channel: str) -> None:
        """Wake one who waits for `channel`, now or later."""
        with self._condition:
            self._rung.add(channel)
            self._condition.notify_all()

    def wait(self, channel: str, timeout: float) -> bool:
        """Wait for a ring, at most `timeout` seconds; whether there was one."""
        end = time.monotonic() + timeout
        with self._condition:
            while channel not in self._rung:
                left = end - time.monotonic()
                if left <= 0 or not self._condition.wait(left):
                    break
            heard = channel in self._rung
            self._rung.discard(channel)
            return heard


def run_acts(acts: Sequence[Callable[[], None]]) -> None:
    """Do what was to be done after the commit; what was written stays, whatever an act does."""
    for act in acts:
        try:
            act()
        except Exception:  # noqa: BLE001 - the transaction is durable: its caller must not take it for failed
            _log.exception("store_act_failed")
