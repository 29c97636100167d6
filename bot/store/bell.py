"""Wake-ups between the threads of one process."""

import threading
import time


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
