"""One repository's history in memory: its graph, the commits' instants, and which commits touch which paths.

An index means nothing outside one History object, like the graph's.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

from bot.dora.commits import CommitGraph, OutOfOrderError, Sha, Twin, parents_first
from bot.dora.instants import Instant
from bot.dora.memo import BoundedMemo
from bot.dora.paths import PathMatcher, SortedPaths
from bot.dora.reasons import Dropped

_NEVER: Instant = -1
"""Instants begin in 1970, so a negative one is free to stand for an absent one."""
_REMEMBERED_COMMITS = 300_000
_REMEMBERED_TOUCHES = 600_000


class CommitRow(NamedTuple):
    """A commit as the history wants it. `path_ids` is `None` where the changed paths cannot be known."""

    sha: Sha
    parents: Sequence[Sha]
    authored_at: Instant | None
    committed_at: Instant | None
    twin: Twin
    path_ids: Sequence[int] | None
    shallow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRange:
    """What is reachable from one commit and not from another: `commits` without merges, at most the newest so many."""

    commits: frozenset[int]
    lowest: int
    """The least index of `commits`, with `highest` a quick way to see that nothing matches; -1 when there are none."""
    highest: int
    size: int
    """How many commits there are, merges and truncated ones included."""
    behind: bool
    """Whether the other one has commits that this one lacks."""
    truncated: bool
    boundary: bool
    """Whether a parent is missing among what only one of the two has: commits may be hidden, or be the other's as well."""
    apart: bool
    """Whether the line of first parents ends at that boundary before it meets what the other one has: nobody knows what lies between."""
    unmatched: Mapping[Dropped, int]
    """The counts by reason if no commit passes the path filter."""


@dataclass(slots=True, kw_only=True)
class _Touched:
    path_ids: set[int] = field(default_factory=set)
    commits: set[int] = field(default_factory=set)
    paths_seen: int = 0
    commits_seen: int


class History:
    """Grows commit by commit, parents before children and paths before the commits that changed them."""

    def __init__(self) -> None:
        self.graph = CommitGraph()
        self.paths_unknown: set[int] = set()
        """Commits whose changed paths cannot be known."""
        self.shallow: set[int] = set()
        self._authored_at = array("q")
        self._committed_at = array("q")
        self._path: dict[int, bytes] = {}
        self._path_ids = array("I")
        self._path_end = array("I")
        """Where each commit's slice of `_path_ids` ends."""
        self._by_path: dict[int, list[int]] = {}
        self._indexed = 0
        """How many commits are in `_by_path`."""
        self._sorted_paths = SortedPaths(())
        self._touched: dict[tuple[str, ...], _Touched] = {}
        self._ranges: BoundedMemo[tuple[int, int, int | None], CommitRange] = BoundedMemo(_REMEMBERED_COMMITS)

    @classmethod
    def build(cls, commits: Iterable[CommitRow], paths: Iterable[tuple[int, bytes]] = ()) -> "History":
        """A history of commits that come in any order."""
        history = cls()
        for path_id, path in paths:
            history.add_path(path_id, path)
        rows = list(commits)
        for at in parents_first([row.sha for row in rows], [row.parents for row in rows]):
            history.add_commit(*rows[at])
        return history

    def add_path(self, path_id: int, path: bytes) -> None:
        """Number a path of this repository; known ones are left alone."""
        self._path.setdefault(path_id, path)

    def add_commit(
        self,
        sha: Sha,
        parents: Sequence[Sha],
        authored_at: Instant | None,
        committed_at: Instant | None,
        twin: Twin,
        path_ids: Sequence[int] | None,
        shallow: bool = False,
    ) -> int:
        """The commit's index; OutOfOrderError when it is a parent of one that is here, or came again changed: build anew."""
        size = len(self.graph)
        at = self.graph.add(sha, parents, twin)
        if at < size:
            known = (self.authored_at(at), self.committed_at(at), self.path_ids(at), at in self.shallow)
            if known != (authored_at, committed_at, None if path_ids is None else list(path_ids), shallow):
                raise OutOfOrderError(sha.hex())
            return at
        self._authored_at.append(_NEVER if authored_at is None else authored_at)
        self._committed_at.append(_NEVER if committed_at is None else committed_at)
        if path_ids is None:
            self.paths_unknown.add(at)
        else:
            self._path_ids.extend(path_ids)
        self._path_end.append(len(self._path_ids))
        if shallow:
            self.shallow.add(at)
        return at

    def authored_at(self, at: int) -> Instant | None:
        """The author's instant."""
        instant = self._authored_at[at]
        return None if instant == _NEVER else instant

    def committed_at(self, at: int) -> Instant | None:
        """The committer's instant."""
        instant = self._committed_at[at]
        return None if instant == _NEVER else instant

    def path_ids(self, at: int) -> list[int] | None:
        """The ids of the paths that the commit changed; `None` where they cannot be known."""
        if at in self.paths_unknown:
            return None
        return self._path_ids[self._path_end[at - 1] if at else 0 : self._path_end[at]].tolist()

    def path(self, path_id: int) -> bytes:
        """The path with that id."""
        return self._path[path_id]

    def newest_first(self, commits: Iterable[int]) -> list[int]:
        """By (committer date, sha), descending: an order that does not depend on how the commits arrived."""
        sha, committed_at = self.graph.sha, self._committed_at
        return sorted(commits, key=lambda at: (committed_at[at], sha(at)), reverse=True)

    def range(self, a: int, b: int, *, max_commits: int | None) -> CommitRange:
        """The commits reachable from `b` and not from `a`, without merges; remembered."""
        key = (a, b, max_commits)
        known = self._ranges.get(key)
        if known is not None:
            return known
        only_a, only_b = self.graph.compare(a, b)
        is_merge = self.graph.is_merge
        commits = [at for at in only_b if not is_merge(at)]
        merges, found = len(only_b) - len(commits), len(commits)
        if max_commits is not None and found > max_commits:
            commits = self.newest_first(commits)[:max_commits]
        kept = frozenset(commits)
        unknown = len(kept & self.paths_unknown) if self.paths_unknown else 0
        counts = {
            Dropped.MERGE: merges,
            Dropped.TRUNCATED: found - len(kept),
            Dropped.PATH: len(kept) - unknown,
            Dropped.PATHS_UNKNOWN: unknown,
        }
        boundary = self._is_open(only_b) or self._is_open(only_a)
        result = CommitRange(
            commits=kept,
            lowest=min(kept, default=-1),
            highest=max(kept, default=-1),
            size=len(only_b),
            behind=bool(only_a),
            truncated=found > len(kept),
            boundary=boundary,
            apart=boundary and self._is_apart(b, frozenset(only_b)),
            unmatched=MappingProxyType({reason: count for reason, count in counts.items() if count}),
        )
        return self._ranges.put(key, result, weight=8 + len(kept))

    def _is_open(self, commits: Sequence[int]) -> bool:
        return not (self.graph.cut.isdisjoint(commits) and self.shallow.isdisjoint(commits))

    def _is_apart(self, b: int, own: AbstractSet[int]) -> bool:
        return all(at in own for at in self.graph.first_parent_chain(b))

    @property
    def sorted_paths(self) -> SortedPaths:
        """All paths of the repository."""
        if len(self._sorted_paths.ids) != len(self._path):
            self._sorted_paths = SortedPaths(self._path.items())
        return self._sorted_paths

    def touching(self, matcher: PathMatcher) -> AbstractSet[int]:
        """The commits that changed a path which matches; kept per patterns, brought up to date when the history grew."""
        if matcher.everything:
            return set(range(len(self.graph)))
        self._index_paths()
        touched = self._touched.pop(matcher.patterns, None) or _Touched(commits_seen=len(self.graph))
        self._touched[matcher.patterns] = touched  # popped and put back: the least lately used are first to go
        if touched.paths_seen == 0:
            fresh = self.sorted_paths
        else:
            fresh = SortedPaths(islice(self._path.items(), touched.paths_seen, None))
        touched.paths_seen = len(self._path)
        path_ids = matcher.matching(fresh) if fresh.ids else set()
        touched.path_ids |= path_ids
        touched.commits.update(*(self._by_path[path_id] for path_id in path_ids if path_id in self._by_path))
        for at in range(touched.commits_seen, len(self.graph)):
            if not touched.path_ids.isdisjoint(self.path_ids(at) or ()):
                touched.commits.add(at)
        touched.commits_seen = len(self.graph)
        self._forget_touches()
        return touched.commits

    def _index_paths(self) -> None:
        by_path, path_ids, ends = self._by_path, self._path_ids, self._path_end
        start = ends[self._indexed - 1] if self._indexed else 0
        for at in range(self._indexed, len(ends)):
            end = ends[at]
            for path_id in path_ids[start:end]:
                commits = by_path.get(path_id)
                if commits is None:
                    by_path[path_id] = [at]
                else:
                    commits.append(at)
            start = end
        self._indexed = len(ends)

    def _forget_touches(self) -> None:
        weight = sum(len(touched.commits) for touched in self._touched.values())
        while weight > _REMEMBERED_TOUCHES and len(self._touched) > 1:
            weight -= len(self._touched.pop(next(iter(self._touched))).commits)
