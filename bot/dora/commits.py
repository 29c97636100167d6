"""Commits, and the graph that answers what a deployment carried.

A graph index is a small integer that numbers the commits of one repository, parents before children; it means nothing outside
one graph object, and nothing that is stored or shown may depend on it: it follows the order of arrival.
"""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, KeysView, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heappop, heappush

from bot.dora.instants import Instant
from bot.dora.memo import BoundedMemo

Sha = bytes
Twin = int
"""Equal for commits with equal author, author date and subject: cherry-picks, rebases."""

_REMEMBERED_COMMITS = 300_000
_REMEMBERED_REACHES = 8
_A, _B, _BOTH = 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit without its contents. `paths` is `None` where they cannot be known (a shallow boundary)."""

    sha: Sha
    parents: tuple[Sha, ...]
    authored_at: Instant | None
    committed_at: Instant | None
    author: str
    subject: str
    body: str = ""
    paths: tuple[bytes, ...] | None = ()


class OutOfOrderError(Exception):
    """A commit arrived after a child of it, or came again changed: build the graph anew."""

    slug = "out_of_order"


def twin(author: str, authored_at: Instant | None, subject: str) -> Twin:
    """The identity of a change over cherry-picks and rebases: a stable hash, signed 64 bits."""
    text = f"{author}\0{authored_at}\0{subject}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little", signed=True)


def parents_first(shas: Sequence[Sha], parents: Sequence[Sequence[Sha]]) -> Sequence[int]:
    """Positions such that every commit comes after those of its parents that are there; the given order where it serves."""
    position = {sha: at for at, sha in enumerate(shas)}
    if all(position.get(parent, -1) < at for at, mine in enumerate(parents) for parent in mine):
        return range(len(shas))
    order: list[int] = []
    entered = bytearray(len(shas))
    for start in range(len(shas)):
        stack = [start]
        while stack:
            at = stack[-1]
            if entered[at]:
                stack.pop()
                if entered[at] == 1:
                    entered[at] = 2
                    order.append(at)
                continue
            entered[at] = 1
            known = (position.get(parent) for parent in reversed(parents[at]))
            stack.extend(parent for parent in known if parent is not None and not entered[parent])
    return order


class CommitGraph:
    """Commits and parents of one repository; grows by commits whose parents are known or will never be."""

    def __init__(self) -> None:
        self._shas: list[Sha] = []
        self._index: dict[Sha, int] = {}
        self._parents: list[tuple[int, ...]] = []
        self._is_merge = bytearray()
        self._unknown: set[Sha] = set()
        self._cut: dict[int, tuple[Sha, ...]] = {}
        """All declared parents of the commits that have one which is not here."""
        self._twin = array("q")
        self._first_of_twin: dict[Twin, int] = {}
        self._of_twin: dict[Twin, list[int]] = {}
        """Only the values that more than one commit has."""
        self.twinned: set[int] = set()
        """Commits that have a twin."""
        self._sorted: list[Sha] = []
        self._compared: BoundedMemo[tuple[int, int], tuple[tuple[int, ...], tuple[int, ...]]]
        self._compared = BoundedMemo(_REMEMBERED_COMMITS)
        self._reached: BoundedMemo[int, bytes] = BoundedMemo(_REMEMBERED_REACHES)

    @classmethod
    def build(cls, rows: Iterable[tuple[Sha, Sequence[Sha], Twin]]) -> "CommitGraph":
        """A graph of commits (sha, parents, twin) that come in any order."""
        graph = cls()
        given = list(rows)
        for at in parents_first([row[0] for row in given], [row[1] for row in given]):
            graph.add(*given[at])
        return graph

    def add(self, sha: Sha, parents: Sequence[Sha], twin: Twin) -> int:
        """The commit's index. Unknown parents are the history's boundary; raises OutOfOrderError when one arrives later."""
        known = self._index.get(sha)
        if known is not None:
            if self.declared_parents(known) != tuple(parents) or self._twin[known] != twin:
                raise OutOfOrderError(sha.hex())
            return known
        if sha in self._unknown:
            raise OutOfOrderError(sha.hex())
        at = len(self._shas)
        index = self._index
        if len(parents) == 1 and parents[0] in index:
            self._parents.append((index[parents[0]],))
        else:
            here = tuple(index[parent] for parent in parents if parent in index)
            self._parents.append(here)
            if len(here) < len(parents):
                self._cut[at] = tuple(parents)
                self._unknown.update(parent for parent in parents if parent not in index)
        self._shas.append(sha)
        index[sha] = at
        self._is_merge.append(len(parents) > 1)
        self._twin.append(twin)
        first = self._first_of_twin.setdefault(twin, at)
        if first != at:
            self._of_twin.setdefault(twin, [first]).append(at)
            self.twinned.add(first)
            self.twinned.add(at)
        return at

    def __len__(self) -> int:
        return len(self._shas)

    def __contains__(self, sha: Sha) -> bool:
        return sha in self._index

    def index(self, sha: Sha) -> int | None:
        """The index of a commit that is here."""
        return self._index.get(sha)

    def sha(self, at: int) -> Sha:
        """The commit's sha."""
        return self._shas[at]

    def parents(self, at: int) -> tuple[int, ...]:
        """The parents that are here, in their order."""
        return self._parents[at]

    def is_merge(self, at: int) -> bool:
        """Whether the commit declares two or more parents, known or not."""
        return bool(self._is_merge[at])

    @property
    def cut(self) -> KeysView[int]:
        """The commits that declare a parent which is not here."""
        return self._cut.keys()

    def declared_parents(self, at: int) -> tuple[Sha, ...]:
        """All parents that the commit names, known or not."""
        return self._cut.get(at) or tuple(self._shas[parent] for parent in self._parents[at])

    def twin(self, at: int) -> Twin:
        """The commit's twin value."""
        return self._twin[at]

    def twins(self, at: int) -> list[int]:
        """The other commits with the same author, author date and subject."""
        if at not in self.twinned:
            return []
        return [other for other in self._of_twin[self._twin[at]] if other != at]

    def between(self, exclude: Collection[int], include: int) -> list[int]:
        """Commits reachable from `include` and from none of `exclude`, children before parents."""
        if include in exclude:
            return []
        excluded = dict.fromkeys(exclude, True)
        excluded[include] = False
        heap = sorted(-at for at in excluded)
        parents, found, pending = self._parents, [], 1
        while pending:
            at = -heappop(heap)
            mine = excluded.pop(at)
            if not mine:
                found.append(at)
                pending -= 1
            for parent in parents[at]:
                theirs = excluded.get(parent)
                if theirs is None:
                    excluded[parent] = mine
                    heappush(heap, -parent)
                    pending += not mine
                elif mine and not theirs:
                    excluded[parent] = True
                    pending -= 1
        return found

    def compare(self, a: int, b: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Commits reachable from `a` alone and from `b` alone, children before parents; remembered."""
        known = self._compared.get((a, b))
        if known is not None:
            return known
        only: tuple[list[int], list[int]] = ([], [])
        top, parents = max(a, b), self._parents
        # Which side reaches a commit, by index: children stand above their parents, so one pass downwards is enough.
        side = bytearray(top + 1)
        side[a], side[b] = _A, _B
        apart = 2 if a != b else 0
        for at in range(top, -1, -1) if apart else ():
            mine = side[at]
            if not mine:
                continue
            if mine != _BOTH:
                only[mine - 1].append(at)
                apart -= 1
            for parent in parents[at]:
                theirs = side[parent]
                if not theirs:
                    side[parent] = mine
                    apart += mine != _BOTH
                elif theirs != mine and theirs != _BOTH:
                    side[parent] = _BOTH
                    apart -= 1
            if not apart:
                break
        found = (tuple(only[0]), tuple(only[1]))
        return self._compared.put((a, b), found, weight=8 + len(found[0]) + len(found[1]))

    def is_ancestor(self, a: int, b: int) -> bool:
        """Whether `a` is reachable from `b`, itself included."""
        seen, stack = {b}, [b]
        while stack:
            at = stack.pop()
            if at == a:
                return True
            for parent in self._parents[at]:
                if parent >= a and parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
        return False

    def ancestors_among(self, commits: Collection[int]) -> dict[int, set[int]]:
        """For each of these commits, its strict ancestors among them: one pass, however many they are."""
        group = sorted(set(commits))
        if len(group) < 2:
            return {at: set() for at in group}
        bit = {at: 1 << position for position, at in enumerate(group)}
        below: dict[int, int] = {}
        strict: dict[int, int] = {}
        for at in range(group[0], group[-1] + 1):
            seen = 0
            for parent in self._parents[at]:
                seen |= below.get(parent, 0)
            own = bit.get(at, 0)
            if own:
                strict[at] = seen
            if seen | own:
                below[at] = seen | own
        return {at: {other for other in group if strict[at] & bit[other]} for at in group}

    def reach(self, at: int) -> bytes:
        """One byte per commit up to `at`: 1 for those reachable from it; remembered for the latest few."""
        known = self._reached.get(at)
        if known is not None:
            return known
        flags = bytearray(at + 1)
        flags[at] = 1
        parents = self._parents
        for child in range(at, -1, -1):
            if flags[child]:
                for parent in parents[child]:
                    flags[parent] = 1
        return self._reached.put(at, bytes(flags), weight=1)

    def first_parent_chain(self, at: int) -> Iterator[int]:
        """The commit, its first parent, that one's first parent, as far as known."""
        here: int | None = at
        while here is not None:
            yield here
            cut = self._cut.get(here)
            here = self._index.get(cut[0]) if cut else next(iter(self._parents[here]), None)

    def unique_prefix(self, prefix: str) -> list[Sha]:
        """The commits whose sha begins with these hex digits: one of them makes the abbreviation unique."""
        digits = prefix.lower()
        if not digits or set(digits) - set("0123456789abcdef"):
            return []
        if len(self._sorted) != len(self._shas):
            self._sorted = sorted(self._sorted + self._shas[len(self._sorted) :])
        low = bisect_left(self._sorted, bytes.fromhex(digits + "0" * (len(digits) % 2)))
        found = []
        for at in range(low, len(self._sorted)):
            if not self._sorted[at].hex().startswith(digits):
                break
            found.append(self._sorted[at])
        return found
