"""What a forge's API told of a history, on its way to the store: a file that its owner alone can read.

Lines are only added, each as soon as its answer came, so that a sync which was broken off goes on where it stopped. A torn last
line is written over.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from bot.dora.commits import Commit, Sha, parents_first
from bot.dora.instants import Instant
from bot.git import LogEntry


class _Commit(msgspec.Struct, tag="commit", array_like=True):
    sha: bytes
    parents: list[bytes]
    authored_at: int | None
    committed_at: int | None
    author: str
    subject: str
    body: str


class _Paths(msgspec.Struct, tag="paths", array_like=True):
    sha: bytes
    paths: list[bytes]
    whole: bool


class _Listed(msgspec.Struct, tag="listed", array_like=True):
    folder: bytes
    shas: list[bytes]


_Line = _Commit | _Paths | _Listed


class Spool:
    """An index of the file in memory; messages and paths are read from the file when they are asked for."""

    def __init__(self, path: Path) -> None:
        """Open it, made if it is not there."""
        self.path = path
        self.parents: dict[Sha, tuple[Sha, ...]] = {}
        self.committed_at: dict[Sha, Instant | None] = {}
        self.cut: set[Sha] = set()
        """Commits of whose paths the forge may have left some out."""
        self.listed: dict[Sha, set[bytes]] = {}
        """The folders in whose logs a commit stands."""
        self._commits: dict[Sha, int] = {}
        self._paths: dict[Sha, int] = {}
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
        self._decoder: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)
        self._end = self._read()

    def _read(self) -> int:
        end = 0
        for text in self._file:
            try:
                line = self._decoder.decode(text) if text.endswith(b"\n") else None
            except msgspec.DecodeError:
                line = None
            if line is None:
                break
            self._index(line, end)
            end += len(text)
        return end

    def _index(self, line: _Line, at: int) -> None:
        match line:
            case _Commit():
                self._commits[line.sha] = at
                self.parents[line.sha] = tuple(line.parents)
                self.committed_at[line.sha] = line.committed_at
            case _Paths():
                self._paths[line.sha] = at
                if not line.whole:
                    self.cut.add(line.sha)
            case _Listed():
                for sha in line.shas:
                    self.listed.setdefault(sha, set()).add(line.folder)

    def _add(self, lines: Sequence[_Line]) -> None:
        self._file.seek(self._end)
        for line in lines:
            text = msgspec.json.encode(line) + b"\n"
            self._file.write(text)
            self._index(line, self._end)
            self._end += len(text)
        self._file.flush()

    def add_commits(self, commits: Collection[Commit]) -> None:
        """Commits as the forge lists them, those that are here left out."""
        new = [commit for commit in commits if commit.sha not in self._commits]
        self._add([
            _Commit(one.sha, list(one.parents), one.authored_at, one.committed_at, one.author, one.subject, one.body)
            for one in new
        ])  # fmt: skip

    def add_paths(self, sha: Sha, paths: Sequence[bytes], *, whole: bool) -> None:
        """What a commit changed."""
        self._add([_Paths(sha, list(paths), whole)])

    def add_listed(self, folder: bytes, shas: Collection[Sha]) -> None:
        """Commits that stand in a folder's log."""
        if shas:
            self._add([_Listed(folder, sorted(shas))])

    def __contains__(self, sha: Sha) -> bool:
        return sha in self._commits

    def has_paths(self, sha: Sha) -> bool:
        """Whether its changed paths are here."""
        return sha in self._paths

    def paths(self, sha: Sha) -> list[bytes]:
        """The changed paths that are here."""
        line = self._line(self._paths[sha]) if sha in self._paths else None
        return line.paths if isinstance(line, _Paths) else []

    def commits(self) -> Iterator[LogEntry]:
        """All commits, parents first, without paths."""
        shas = list(self.parents)
        for at in parents_first(shas, [self.parents[sha] for sha in shas]):
            line = self._line(self._commits[shas[at]])
            if isinstance(line, _Commit):
                yield LogEntry(
                    line.sha, b"".join(line.parents), line.authored_at, line.committed_at, line.author, line.subject,
                    line.body, [],
                )

    def others(self) -> list[Sha]:
        """Commits of which only paths or logs are here: the store has the rest."""
        return sorted((self._paths.keys() | self.listed.keys()) - self._commits.keys())

    def _line(self, at: int) -> _Line:
        self._file.seek(at)
        return self._decoder.decode(self._file.readline())

    def missing(self, known: Collection[Sha] | Mapping[Sha, object] = ()) -> set[Sha]:
        """Parents that are neither here nor `known`."""
        return {parent for own in self.parents.values() for parent in own} - self._commits.keys() - set(known)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def forget(self) -> None:
        """What was told is in the store."""
        self.close()
        self.path.unlink(missing_ok=True)
