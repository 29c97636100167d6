"""What a busy observer sees of the processes that a test starts: a secret must stand in no command line."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def command_lines() -> Iterator[set[str]]:
    """The command line of every process below this one that lives meanwhile; others' secrets are others' business."""
    seen: set[str] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            for pid in _below(os.getpid()):
                with contextlib.suppress(OSError):
                    seen.add(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            time.sleep(0.005)

    observer = threading.Thread(target=look)
    observer.start()
    try:
        yield seen
    finally:
        ended.set()
        observer.join()


def _below(pid: int) -> Iterator[int]:
    """The processes that one started, and what those started; one that ends meanwhile is passed over."""
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                for child in map(int, (thread / "children").read_text().split()):
                    yield child
                    yield from _below(child)
