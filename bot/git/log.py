"""Commits with parents, dates, text and changed paths, from one `git log` pipe."""

import contextlib
import fcntl
import subprocess
from binascii import unhexlify
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from bot.dora.commits import Sha
from bot.dora.instants import Instant
from bot.git.environment import environment
from bot.git.errors import GitError
from bot.git.local import instant, local_error, revisions

# No field of the head is ever empty, and no path is, so that two NULs stand before a record and nowhere else, whatever
# messages, names and paths hold (git keeps NUL out of all three).
FORMAT = "--format=%x00%H %P%x00%at %ct%x00%an <%ae>%x00.%s%x00.%b"
PLAINLY = (
    "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--no-notes", "--no-decorate", "--ignore-submodules=none",
    "-O/dev/null", "--encoding=UTF-8", FORMAT,
)
"""How every log is asked for: nothing that configuration or contents could change."""
_CHUNK = 1 << 18


class LogEntry(NamedTuple):
    """A commit as git logs it: `parents` are shas end to end, dates are absent outside 1970–2261, text is decoded."""

    sha: Sha
    parents: bytes
    authored_at: Instant | None
    committed_at: Instant | None
    author: str
    subject: str
    body: str
    paths: list[bytes]


def log(path: Path, *, include: Iterable[Sha], exclude: Iterable[Sha] = ()) -> Iterator[LogEntry]:
    """All commits reachable from `include` and not from `exclude`, parents first, with the paths each changed.

    A merge has no paths, a rename has both; a root's paths are all it holds. Raises a `GitError`, also in the middle.
    """
    asked = revisions(include, exclude)
    if not asked:
        return
    path = path.absolute()
    command = [
        "git", "log", "-z", "--stdin", "--topo-order", "--reverse", "--name-only", "--diff-merges=off", *PLAINLY,
    ]
    with TemporaryFile() as stderr:
        process = subprocess.Popen(
            command, cwd=path, env=environment(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
        )
        _widen(process)
        try:
            yield from _entries(process, asked)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        if process.returncode:
            stderr.seek(0)
            raise local_error("log", process.returncode, stderr.read(4_000))


def _widen(process: subprocess.Popen[bytes]) -> None:
    """Let git run ahead while a slice is being committed, where the system can."""
    if process.stdout is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 1 << 20)


def _entries(process: subprocess.Popen[bytes], asked: bytes) -> Iterator[LogEntry]:
    if process.stdin is None or process.stdout is None:
        raise GitError("git has no pipes")
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(asked)
    yield from parse_log(process.stdout)
    process.wait()


def parse_log(stream: IO[bytes]) -> Iterator[LogEntry]:
    """The commits of a `git log -z` in this module's format."""
    read = getattr(stream, "read1", stream.read)
    rest: list[bytes] = []
    while chunk := read(_CHUNK):
        if b"\0\0" not in chunk and not (rest and rest[-1].endswith(b"\0")):
            rest.append(chunk)
            continue
        records = b"".join((*rest, chunk)).split(b"\0\0")
        # A record is whole once the next one has begun; its own last NUL may still be on the way.
        rest = [records.pop()]
        yield from map(_entry, filter(None, records))
    last = b"".join(rest)
    if last.strip(b"\0"):
        yield _entry(last.removesuffix(b"\0"))


def _entry(record: bytes) -> LogEntry:
    head, dates, author, subject, body, *paths = record.removeprefix(b"\0").split(b"\0")
    size = head.index(b" ")
    shas = unhexlify(head.replace(b" ", b""))
    size //= 2
    authored, _, committed = dates.partition(b" ")
    if paths:
        paths[0] = paths[0][1:]
    return LogEntry(
        shas[:size], shas[size:], instant(authored), instant(committed), author.decode("utf-8", "replace"),
        subject[1:].decode("utf-8", "replace"), body[1:].decode("utf-8", "replace").rstrip("\n"), paths,
    )
