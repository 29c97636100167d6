"""Names of repositories as intervals: which repository a name means at an instant, and what each repository is called.

A name means, from an instant on, the repository that was seen or told to bear it then, until another one is; before the first it
means the first. Nothing depends on the order of arrival, and ties are broken by what forges say, never by our own numbers.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from bot.dora.events import NamespaceRenamed
from bot.dora.instants import Instant
from bot.dora.repositories import RepositoryId

SEEN, TOLD, MOVED = 0, 1, 2
"""Why a row stands: the first sight of the pair, an event about this repository, one about a namespace above it."""


class NameRow(NamedTuple):
    """From `from_at` on `name` meant the repository."""

    name: RepositoryId
    from_at: Instant
    repository_id: int
    told: int


class Names:
    """All rows about some names and repositories. `identities` are texts by which forges tell repositories apart."""

    def __init__(self, rows: Iterable[NameRow], identities: Mapping[int, str]) -> None:
        self._by_name: dict[RepositoryId, list[NameRow]] = defaultdict(list)
        self._by_repository: dict[int, list[NameRow]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: (row.from_at, row.told, identities[row.repository_id], row.name)):
            self._by_name[row.name].append(row)
            self._by_repository[row.repository_id].append(row)

    def meaning(self, name: RepositoryId, at: Instant | None = None) -> int | None:
        """The repository that a name means at an instant, or now; `None` for a name that nobody bore."""
        rows = self._by_name.get(name)
        if rows is None:
            return None
        position = len(rows) if at is None else bisect_right(rows, at, key=lambda row: row.from_at)
        return rows[max(position - 1, 0)].repository_id

    def meanings(self, name: RepositoryId) -> set[int]:
        """The repositories that a name ever meant."""
        return {row.repository_id for row in self._by_name.get(name, ())}

    def called(self, repository_id: int) -> RepositoryId:
        """A repository's latest name, whoever else bears it."""
        return self._by_repository[repository_id][-1].name

    def first(self, repository_id: int) -> RepositoryId:
        """A repository's earliest name, whoever else bears it: the same after any rename."""
        return self._by_repository[repository_id][0].name

    def called_at(self, repository_id: int, at: Instant) -> RepositoryId | None:
        """A name that means the repository at an instant: the latest it had by then, else its earliest; `None` if none does."""
        rows = self._by_repository[repository_id]
        position = bisect_right(rows, at, key=lambda row: row.from_at)
        ordered = [*reversed(rows[:position]), *rows[position:]]
        return next((row.name for row in ordered if self.meaning(row.name, at) == repository_id), None)

    def bearing(self, repository_id: int) -> set[RepositoryId]:
        """The names that mean the repository now: its own, and old ones that nobody took."""
        return {row.name for row in self._by_repository[repository_id] if self.meaning(row.name) == repository_id}

    def shown(self, repository_id: int, forge_id: str) -> RepositoryId:
        """A text that means this repository and no other: its name, or one made of it when another one took that."""
        name = self.called(repository_id)
        return name if self.meaning(name) == repository_id else f"{name}~{forge_id}"


def moved(rows: Iterable[NameRow], renames: Sequence[NamespaceRenamed]) -> set[NameRow]:
    """The rows of one repository that follow from renames of namespaces above it, given its other rows."""
    timeline = sorted(rows, key=lambda row: (row.from_at, row.told, row.name))
    found: set[NameRow] = set()
    for rename in sorted(renames, key=lambda rename: (rename.at, rename.old, rename.new)):
        before = [row for row in timeline if row.from_at < rename.at]
        if before and before[-1].name.startswith(f"{rename.old}/"):
            name = rename.new + before[-1].name.removeprefix(rename.old)
            row = NameRow(name, rename.at, before[-1].repository_id, MOVED)
            found.add(row)
            timeline = sorted({*timeline, row}, key=lambda row: (row.from_at, row.told, row.name))
    return found
