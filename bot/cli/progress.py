"""Progress of long work on standard error: a bar on a terminal, a line now and then elsewhere."""

import re
import sys
import time

WIDTH = 30
EVERY = 2.0
"""Seconds between lines where nobody watches a bar."""
_COUNTED = re.compile(r"^(.*?)([\d,]+) of ([\d,]+) (.*)$")


class ProgressBar:
    """Shows what a job says of itself; texts like `…: 120 of 300 commits` become a bar."""

    def __init__(self) -> None:
        self.watched = sys.stderr.isatty()
        self.said_at = 0.0
        self.open = False

    def __call__(self, text: str) -> None:
        """Show this state."""
        counted = _COUNTED.match(text)
        if counted is None:
            self.close()
            self._write(text + "\n")
        elif self.watched:
            self._write("\r\x1b[2K" + self._bar(*counted.groups()))
            self.open = True
        elif time.monotonic() - self.said_at > EVERY:
            self.said_at = time.monotonic()
            self._write(text + "\n")

    def close(self) -> None:
        """End the line of a bar that is shown."""
        if self.open:
            self._write("\n")
            self.open = False

    def _bar(self, before: str, done: str, total: str, unit: str) -> str:
        part = int(done.replace(",", "")) / max(int(total.replace(",", "")), 1)
        filled = round(min(part, 1.0) * WIDTH)
        return f"{before}{'█' * filled}{'░' * (WIDTH - filled)} {done} of {total} {unit}"

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
