"""What a series has delivered of one repository so far: the ancestors of all its heads, and the changes it counted."""

from collections.abc import Set as AbstractSet

from bot.dora.commits import CommitGraph, Sha, Twin


class Delivered:
    """Grows head by head. While each head descends from the one before nothing is walked: the latest stands for all."""

    def __init__(self, graph: CommitGraph) -> None:
        self._graph = graph
        self._top: int | None = None
        self._flags: bytearray | None = None
        """One byte per commit, made once the latest head no longer stands for all."""
        self._counted: set[int | Sha] = set()
        self._counted_twins: set[Twin] = set()

    def deliver(self, head: int, *, descends: bool = False) -> None:
        """Add a head and its ancestors; `descends` says that it is known to have all commits of the head before."""
        if self._flags is None and (descends or self._top is None or not self._graph.compare(self._top, head)[0]):
            self._top = head
            return
        flags = self._all()
        if flags[head]:
            return
        flags[head] = 1
        stack, parents = [head], self._graph.parents
        while stack:
            for parent in parents(stack.pop()):
                if not flags[parent]:
                    flags[parent] = 1
                    stack.append(parent)

    def _all(self) -> bytearray:
        if self._flags is None:
            self._flags = bytearray(len(self._graph))
            if self._top is not None:
                reach = self._graph.reach(self._top)
                self._flags[: len(reach)] = reach
        return self._flags

    def redeployed(self, commits: AbstractSet[int]) -> set[int]:
        """Those that an earlier head reaches, itself or in a twin; `commits` are none that the latest head reaches."""
        if self._flags is None and self._graph.twinned.isdisjoint(commits):
            return set()
        return {at for at in commits if self.has(at)}

    def has(self, at: int) -> bool:
        """Whether an earlier head reaches the commit or a twin of it."""
        flags = self._all()
        return bool(flags[at]) or any(flags[twin] for twin in self._graph.twins(at))

    def counted(self, change: int | Sha) -> bool:
        """Whether this change, or a twin of it, was counted before. A commit that is not in the graph goes by its sha."""
        if change in self._counted:
            return True
        return change in self._graph.twinned and self._graph.twin(change) in self._counted_twins

    def count(self, change: int | Sha) -> bool:
        """Note that a change is counted; whether it is for the first time."""
        first = not self.counted(change)
        self._counted.add(change)
        if change in self._graph.twinned:
            self._counted_twins.add(self._graph.twin(change))
        return first

    def note(self, changes: AbstractSet[int]) -> None:
        """Note that all these are counted, when nobody asks which of them for the first time."""
        self._counted |= changes
        self._counted_twins.update(map(self._graph.twin, changes & self._graph.twinned))
