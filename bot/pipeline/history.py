"""Histories in memory: loaded from the store, brought up to date by what arrived since, bounded by bytes."""

import sys
from array import array
from collections.abc import Sequence
from typing import NamedTuple

from bot.dora.commits import OutOfOrderError, Sha, Twin, twin
from bot.dora.history import CommitRow, History
from bot.dora.instants import Instant
from bot.store import Reader

MEMORY = 24 * 2**20
"""Bytes that the histories of one process may take together; the one in use stays whatever its size."""
SHALLOW = 1
_Commit = tuple[Sha, Sequence[Sha], Instant | None, Instant | None, Twin, Sequence[int] | None, bool]
"""A `CommitRow`, bare: histories are loaded by the ten thousands."""
_COMMIT_BYTES, _PATH_BYTES, _TOUCH_BYTES = 400, 200, 12


class Detail(NamedTuple):
    """What is shown of a commit. `paths` is `None` where they are not known."""

    sha: Sha
    authored_at: Instant | None
    committed_at: Instant | None
    author: str
    subject: str
    body: str
    paths: tuple[bytes, ...] | None


class _Loaded:
    """A history and how much of the repository is in it."""

    __slots__ = ("history", "n", "path_id", "size")

    def __init__(self) -> None:
        self.history = History()
        self.n = self.path_id = self.size = 0

    def extend(self, reader: Reader, repository_id: int) -> None:
        """Add what arrived since; raises OutOfOrderError when it does not fit at the end."""
        history = self.history
        for path_id, path in reader.fetch("paths_since", _path, repository_id=repository_id, id=self.path_id):
            history.add_path(path_id, path)
            self.path_id = path_id
            self.size += _PATH_BYTES + len(path)
        add, touches, commits, last = history.add_commit, 0, 0, self.n
        for n, row in reader.stream("commits_since", _commit, repository_id=repository_id, n=self.n):
            add(*row)
            last = n
            commits += 1
            touches += len(row[5] or ())
        self.n = last
        self.size += _COMMIT_BYTES * commits + _TOUCH_BYTES * touches


def load_history(reader: Reader, repository_id: int) -> History:
    """The whole history of a repository, whatever order its commits arrived in; provisional ones are no part of it."""
    return _load(reader, repository_id).history


def _load(reader: Reader, repository_id: int) -> _Loaded:
    loaded = _Loaded()
    try:
        loaded.extend(reader, repository_id)
    except OutOfOrderError:
        loaded = _Loaded()
        paths = reader.fetch("paths_since", _path, repository_id=repository_id, id=0)
        rows = reader.fetch("commits_since", _commit, repository_id=repository_id, n=0)
        loaded.history = History.build((CommitRow(*row) for _, row in rows), paths)
        loaded.n = max((n for n, _ in rows), default=0)
        loaded.path_id = max((path_id for path_id, _ in paths), default=0)
        touches = sum(len(row[5] or ()) for _, row in rows)
        loaded.size = _COMMIT_BYTES * len(rows) + _PATH_BYTES * len(paths) + _TOUCH_BYTES * touches
    return loaded


class HistoryCache:
    """Histories of the repositories that were asked for lately, always as new as the reader's snapshot.

    One at a time: a history given out is extended by the next `get` of the same repository, or replaced by a new object when
    a late ancestor arrived (its indices are then others).
    """

    def __init__(self, *, limit: int = MEMORY) -> None:
        self._limit = limit
        self._loaded: dict[int, _Loaded] = {}

    def get(self, reader: Reader, repository_id: int) -> History:
        """The history of a repository as the reader sees it."""
        loaded = self._loaded.pop(repository_id, None)
        if loaded is None:
            loaded = _load(reader, repository_id)
        else:
            try:
                loaded.extend(reader, repository_id)
            except OutOfOrderError:
                loaded = _load(reader, repository_id)
        self._loaded[repository_id] = loaded  # put back last: the least lately used are first to go
        self._forget()
        return loaded.history

    def forget(self, repository_id: int) -> None:
        """Load this repository anew next time."""
        self._loaded.pop(repository_id, None)

    def _forget(self) -> None:
        size = sum(loaded.size for loaded in self._loaded.values())
        while size > self._limit and len(self._loaded) > 1:
            size -= self._loaded.pop(next(iter(self._loaded))).size


def commit_details(reader: Reader, repository_id: int, shas: Sequence[Sha]) -> dict[Sha, Detail]:
    """What is shown of these commits, those that are known (provisional ones too)."""
    rows = reader.fetch_in("commit_details", _Row, sorted(set(shas)), repository_id=repository_id)
    ids = {row.sha: unpack_path_ids(row.paths) for row in rows if row.paths is not None}
    wanted = sorted({path_id for numbers in ids.values() for path_id in numbers})
    paths = dict(reader.fetch_in("paths_by_id", _path, wanted, repository_id=repository_id))
    return {
        row.sha: Detail(
            row.sha, row.authored_at, row.committed_at, row.author, row.subject, row.body,
            tuple(sorted(paths[path_id] for path_id in ids[row.sha])) if row.sha in ids else None,
        )
        for row in rows
    }


class _Row(NamedTuple):
    sha: Sha
    completeness: int
    authored_at: Instant | None
    committed_at: Instant | None
    author: str
    subject: str
    body: str
    paths: bytes | None


def unpack_path_ids(packed: bytes) -> Sequence[int]:
    """The path numbers of `git_commit.paths`."""
    numbers = array("I", packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _path(path_id: int, path: bytes) -> tuple[int, bytes]:
    return path_id, path


def _commit(
    n: int,
    sha: Sha,
    parents: bytes,
    authored_at: Instant | None,
    committed_at: Instant | None,
    author: str,
    subject: str,
    paths: bytes | None,
    completeness: int,
) -> tuple[int, _Commit]:
    size = len(sha)
    # Nearly all commits have one parent.
    one = len(parents) == size
    each = (parents,) if one else tuple(parents[at : at + size] for at in range(0, len(parents), size))
    ids = None if paths is None else unpack_path_ids(paths)
    return n, (sha, each, authored_at, committed_at, twin(author, authored_at, subject), ids, completeness == SHALLOW)
