"""Where ingest reads a history from: a repository on disk, or what a forge's API told."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bot import git
from bot.dora.commits import Sha
from bot.dora.instants import Instant
from bot.facts.pushes import COMPLETE, LISTED, SHALLOW
from bot.pipeline.history import unpack_path_ids
from bot.pipeline.listing import marker
from bot.pipeline.spool import Spool
from bot.pipeline.spooled import Spooled
from bot.store import Reader, Store

AT_ONCE = 500
"""Commits that are read back from the store in one go."""


class Mirrored:
    """A repository on disk: its own path, or a mirror."""

    has_more = False
    """Whether there is something to read beside what refs lead to."""
    unknown: frozenset[Sha] = frozenset()
    """Commits whose parents are known, and whose changed paths cannot be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.boundary = git.shallow_boundary(path)

    def refs(self, names: Sequence[str] | None) -> list[git.RefTip]:
        """All refs, or those of `names` that are there."""
        return git.list_refs(self.path, names)

    def existing(self, shas: Iterable[Sha]) -> list[Sha]:
        """Those commits that are there."""
        return git.existing_commits(self.path, shas)

    def counting(self, include: Sequence[Sha]) -> git.Counting | None:
        """Counts in the background what `log` will give."""
        return git.Counting(self.path, include=include)

    def log(self, include: Sequence[Sha], exclude: Sequence[Sha]) -> Iterator[git.LogEntry]:
        """The commits, parents first."""
        return git.log(self.path, include=include, exclude=exclude)

    def completeness(self, sha: Sha) -> int:
        """How much is known of a commit."""
        return SHALLOW if sha in self.boundary else COMPLETE

    def forget(self) -> None:
        """A mirror stays."""


class _Known(NamedTuple):
    sha: Sha
    completeness: int
    authored_at: Instant | None
    committed_at: Instant | None
    author: str
    subject: str
    body: str
    paths: bytes | None


class ByApi:
    """A spool, and the store for commits of which it holds paths alone."""

    unknown: frozenset[Sha] = frozenset()

    def __init__(self, store: Store, repository_id: int, path: Path, told: Spooled) -> None:
        self._store, self._id, self._told = store, repository_id, told
        self._spool = Spool(path)
        self.boundary = told.boundary

    @property
    def has_more(self) -> bool:
        """Whether the spool holds anything."""
        return bool(self._spool.parents or self._spool.others())

    def refs(self, names: Sequence[str] | None) -> list[git.RefTip]:
        """The refs that were asked for and are there."""
        return list(self._told.refs)

    def existing(self, shas: Iterable[Sha]) -> list[Sha]:
        """Nothing is left out of a spool: it holds what is new."""
        return []

    def counting(self, include: Sequence[Sha]) -> git.Counting | None:
        """How many there are is not known beforehand."""
        return None

    def log(self, include: Sequence[Sha], exclude: Sequence[Sha]) -> Iterator[git.LogEntry]:
        """New commits, parents first, then those of which more is known now."""
        for entry in self._spool.commits():
            yield entry._replace(paths=self._paths(entry.sha, ()))
        others = self._spool.others()
        for at in range(0, len(others), AT_ONCE):
            yield from self._store.read(partial(self._others, shas=others[at : at + AT_ONCE]))

    def _others(self, reader: Reader, *, shas: Sequence[Sha]) -> list[git.LogEntry]:
        rows = reader.fetch_in("commit_details", _Known, shas, repository_id=self._id)
        parents = dict(reader.fetch_in("commit_parents", _parents, shas, repository_id=self._id))
        listed = [row for row in rows if row.completeness == LISTED]
        ids = sorted({number for row in listed for number in unpack_path_ids(row.paths or b"")})
        names = dict(reader.fetch_in("paths_by_id", _path, ids, repository_id=self._id))
        return [
            git.LogEntry(
                bytes(row.sha), parents[bytes(row.sha)], row.authored_at, row.committed_at, row.author, row.subject, row.body,
                self._paths(bytes(row.sha), [names[number] for number in unpack_path_ids(row.paths or b"")]),
            )
            for row in listed
        ]

    def _paths(self, sha: Sha, before: Sequence[bytes]) -> list[bytes]:
        """What it changed; else the folders in whose logs it stands, with those that were known before."""
        if self._spool.has_paths(sha):
            return self._spool.paths(sha)
        return sorted({*before, *map(marker, self._spool.listed.get(sha, ()))})

    def completeness(self, sha: Sha) -> int:
        """How much is known of a commit; a merge has no paths of its own, like in git's log."""
        if sha in self.boundary:
            return SHALLOW
        is_merge = len(self._spool.parents.get(sha, ())) > 1
        return COMPLETE if is_merge or self._spool.has_paths(sha) else LISTED

    def forget(self) -> None:
        """It is all in the store."""
        self._spool.forget()


def _parents(sha: Sha, parents: bytes) -> tuple[Sha, bytes]:
    return bytes(sha), bytes(parents)


def _path(path_id: int, path: bytes) -> tuple[int, bytes]:
    return path_id, bytes(path)
