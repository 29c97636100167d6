"""Git over hostile objects: every process has a share of memory, processor time, time and output, and no more."""

import contextlib
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from bot.git.environment import environment
from bot.git.errors import GitError, GitMissingError
from bot.git.local import first_lines

MEMORY = 320 * 2**20
"""Bytes of address space."""
LONGEST_COMPLAINT = 2**20
"""Bytes that are read of what git says is wrong."""

_NOT_FOUND = 127
"""What a shell answers of a program that is not there."""


class OverLimitError(GitError):
    """Git needed more than it was given."""

    slug = "over_limit"


class FailedError(GitError):
    """Git ended with an error: `code`, what it `said` in short, and the `lines` of it."""

    slug = "git_failed"

    def __init__(self, verb: str, code: int, stderr: bytes) -> None:
        self.code, self.said = code, first_lines(stderr)
        self.lines = stderr.decode("utf-8", "replace").splitlines()
        super().__init__(f"git {verb} failed ({code}): {self.said}")


@dataclass(slots=True, kw_only=True)
class Budget:
    """What several processes together may take: seconds of processor time, and seconds in all."""

    cpu: float
    wall: float
    output: int = 128 * 2**20
    """Bytes that one of them may write to a file."""
    spent: float = 0.0
    begun: float = field(default_factory=time.monotonic)

    def run(
        self, path: Path, *arguments: str, stdin: bytes = b"", into: Path | None = None, config: Mapping[str, str] | None = None
    ) -> bytes:
        """Run git in `path`; what it prints is returned, or goes into a file. Raises OverLimitError or FailedError."""
        left = self.wall - (time.monotonic() - self.begun)
        if left <= 0 or self.spent >= self.cpu:
            raise OverLimitError("no time is left")
        file: IO[bytes] = TemporaryFile() if into is None else into.open("w+b")  # noqa: SIM115 - closed below
        with file as printed, TemporaryFile() as given, TemporaryFile() as told:
            given.write(stdin)
            given.seek(0)
            process = subprocess.Popen(
                [*_limited(cpu=self.cpu - self.spent, output=self.output), "git", *arguments], cwd=path,
                env=environment(path, config=config), stdin=given, stdout=printed, stderr=told, start_new_session=True,
            )  # fmt: skip
            code = self._wait(process, left)
            told.seek(0)
            said = told.read(LONGEST_COMPLAINT)
            self._check(arguments[0], code, said)
            printed.seek(0)
            return printed.read() if into is None else b""

    def _wait(self, process: subprocess.Popen[bytes], left: float) -> int:
        timer = threading.Timer(left, _kill, (process.pid,))
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        self.spent += usage.ru_utime + usage.ru_stime
        return process.returncode

    def _check(self, verb: str, code: int, stderr: bytes) -> None:
        if code < 0:
            why = {signal.SIGXCPU: "processor time", signal.SIGXFSZ: "output", signal.SIGKILL: "time"}
            raise OverLimitError(f"git {verb} needs more {why.get(signal.Signals(-code), f'than it may (signal {-code})')}")
        if code == _NOT_FOUND:
            raise GitMissingError("the git program is not installed")
        if code:
            said = first_lines(stderr)
            if any(words in said for words in ("ut of memory", "mmap failed", "unable to create thread", "annot allocate memory")):
                raise OverLimitError(f"git {verb} needs more memory")
            if any(words in said for words in ("No space left", "Read-only file", "Permission denied", "Input/output error")):
                raise GitError(f"git {verb}: {said}")
            if "File too large" in said:
                raise OverLimitError(f"git {verb} needs more output")
            raise FailedError(verb, code, stderr)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _limited(*, cpu: float, output: int) -> list[str]:
    """A shell that limits itself, where the system can, and becomes the program: the limits hold from its first instant."""
    seconds = max(1, math.ceil(cpu))
    limits = {"-S -t": seconds, "-H -t": seconds + 1, "-v": MEMORY // 1024, "-f": math.ceil(output / 512), "-c": 0}
    return ["/bin/sh", "-c", "".join(f"ulimit {name} {most} 2>/dev/null;" for name, most in limits.items()) + 'exec "$@"', "sh"]
