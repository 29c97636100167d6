"""The book of repositories in one transaction: read at the beginning, entered, written at the end as what differs.

Rules: the forge's host and number are the key, else the name. What is entered commutes: the rows of `repository_name` are a set
(the first sight of a name, every rename told), and `repository.name` follows from that set alone.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from bot.dora.deployments import Series
from bot.dora.events import NamespaceRenamed, RepositoryRef
from bot.dora.instants import Instant
from bot.dora.names import MOVED, SEEN, TOLD, NameRow, Names, moved
from bot.dora.repositories import RepositoryId
from bot.facts.inferences import Inference, inferences_of, mark_inferences
from bot.facts.link_reads import ABOUT_NAMES, mark_readers
from bot.facts.marks import mark_series, outdate_pending
from bot.store import Reader, Writer

UNKNOWN_SINCE: Instant = 0
"""From when on a name holds that a person gave: nobody knows."""


class RepositoryRow(NamedTuple):
    """A repository as stored; instants in nanoseconds."""

    id: int
    name: str
    forge: str
    forge_id: str
    remote: str
    is_local: int
    default_branch: str
    synced_from: int | None
    synced_at: int | None


class Registry:
    """The repositories that a transaction is about. `rows` and `names` are what they will be."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.rows: dict[int, RepositoryRow] = {}
        self._stored: dict[int, RepositoryRow] = {}
        self._names: dict[int, set[NameRow]] = {}
        self._stored_names: dict[int, set[NameRow]] = {}
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._numberless: set[int] = set()
        self._whole: set[RepositoryId] = set()
        """Names of which every row is here."""
        self._renames: list[NamespaceRenamed] | None = None
        self._new_renames: list[NamespaceRenamed] = []

    # Reading ----------------------------------------------------------------------------------------------------------

    def read(self, refs: Sequence[RepositoryRef], also: Collection[RepositoryId]) -> None:
        """Read what these refs and names may mean; of a repository known by its number and name no more than itself."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for ref in refs:
            if ref.forge_id:
                wanted[ref.forge].add(ref.forge_id)
        for forge, ids in sorted(wanted.items()):
            self._add(self._writer.fetch_in("repositories_numbered", RepositoryRow, sorted(ids), forge=forge))
        unknown = {ref.name for ref in refs if self._plainly(ref) is None}
        self._read_names(unknown | set(also))

    def read_below(self, renames: Sequence[NamespaceRenamed]) -> None:
        """Read the repositories that were ever called something below these namespaces."""
        for rename in renames:
            # "0" follows "/": what begins with `old/`, and nothing else.
            rows = self._writer.fetch("names_below", NameRow, low=f"{rename.old}/", high=f"{rename.old}0")
            self._read_numbers({row.repository_id for row in rows})
        known = set(self._all_renames())
        self._new_renames = [rename for rename in dict.fromkeys(renames) if rename not in known]
        self._renames = [*self._all_renames(), *self._new_renames]

    def _plainly(self, ref: RepositoryRef) -> int | None:
        """The repository of that number if it is known to bear that name."""
        found = self._numbered(ref)
        return found if found is not None and any(row.name == ref.name for row in self._names[found]) else None

    def _numbered(self, ref: RepositoryRef) -> int | None:
        """The repository that the ref's forge knows by that number: equal numbers of two hosts are two repositories."""
        return self._numbers.get(_number(ref)) if ref.forge_id else None

    def _read_names(self, names: Collection[RepositoryId]) -> None:
        missing = sorted(set(names) - self._whole)
        if missing:
            found = self._writer.fetch_in("repositories_named", _named, missing)
            self._whole.update(missing)
            self._add(row for _, row in found)

    def _read_numbers(self, ids: Iterable[int]) -> None:
        missing = sorted(set(ids) - self.rows.keys())
        if missing:
            self._add(self._writer.fetch_in("repositories_by_number", RepositoryRow, missing))

    def _add(self, rows: Iterable[RepositoryRow]) -> None:
        new = {row.id: row for row in rows if row.id not in self.rows}
        if not new:
            return
        self.rows.update(new)
        self._stored.update(new)
        for id, row in new.items():
            self._names[id], self._stored_names[id] = set(), set()
            self._numbers[_number(row)] = id
            if not row.forge_id:
                self._numberless.add(id)
        for name in self._writer.fetch_in("names_of_repositories", NameRow, sorted(new)):
            self._names[name.repository_id].add(name)
            self._stored_names[name.repository_id].add(name)

    # Entering ---------------------------------------------------------------------------------------------------------

    def find(self, ref: RepositoryRef) -> int | None:
        """The repository that a ref means, as it is entered so far."""
        found = self._numbered(ref)
        if found is not None:
            return found
        if not ref.forge_id:
            return self._all_names().meaning(ref.name, ref.seen_at)
        # Known by its name alone: synced by a person, or from a definition.
        return next(self._known_by_name(ref), None)

    def _known_by_name(self, ref: RepositoryRef) -> Iterator[int]:
        for id in sorted(self._numberless):
            if self.rows[id].forge in (ref.forge, "git") and any(name.name == ref.name for name in self._names[id]):
                yield id

    def enter(self, ref: RepositoryRef) -> int:
        """The repository that a ref means, made if it is new; it is called so."""
        id = self.find(ref)
        if id is None:
            id = self._writer.allocate("repository", 1)
            self.rows[id] = RepositoryRow(
                id, ref.name, ref.forge, ref.forge_id, ref.remote, 0, ref.default_branch, None, None
            )
            self._names[id] = set()
            if not ref.forge_id:
                self._numberless.add(id)
        elif ref.forge_id and not self.rows[id].forge_id:
            self._numberless.remove(id)
            self.rows[id] = self.rows[id]._replace(forge=ref.forge, forge_id=ref.forge_id)
            self._names[id] = {row for row in self._names[id] if row.from_at != UNKNOWN_SINCE}
        self._numbers[_number(self.rows[id])] = id
        if ref.seen_at is not None:
            self.see(id, ref.name, ref.seen_at)
        elif not self._names[id]:
            self.see(id, ref.name, UNKNOWN_SINCE)
        return id

    def see(self, id: int, name: RepositoryId, at: Instant) -> None:
        """The repository bore the name at that instant."""
        known = next((row for row in self._names[id] if row.name == name and row.told == SEEN), None)
        if known is None or at < known.from_at:
            self._names[id] = self._names[id] - {known} | {NameRow(name, at, id, SEEN)}

    def tell(self, id: int, name: RepositoryId, at: Instant) -> None:
        """From that instant on the repository bears the name."""
        self._names[id] = self._names[id] | {NameRow(name, at, id, TOLD)}

    def twin(self, id: int, ref: RepositoryRef) -> RepositoryRow | None:
        """Another row that was made for this repository when only the name was known."""
        return next((self.rows[other] for other in self._known_by_name(ref) if other != id), None)

    # Writing ----------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Write what differs, and mark the series that may see another repository now, or the same under another name."""
        self._settle()
        gone: set[NameRow] = {row for id, rows in self._stored_names.items() for row in rows - self._names[id]}
        come = {row for id, rows in self._names.items() for row in rows - self._stored_names.get(id, set())}
        renamed = sorted(id for id, row in self._stored.items() if self.rows[id].name != row.name)
        series = self._concerned(gone | come, renamed) if gone or come else []
        inferences = self._inferences(gone | come, renamed)
        writer = self._writer
        # Names are unique at every moment, and two repositories may swap theirs.
        writer.execute_many("rename_repository", [{"id": id, "name": f"~{id}"} for id in renamed])
        writer.write_many("repository", [row for id, row in sorted(self.rows.items()) if id not in self._stored])
        writer.execute_many("rename_repository", [{"id": id, "name": self.rows[id].name} for id in renamed])
        for id, old in sorted(self._stored.items()):
            if (row := self.rows[id])._replace(name=old.name) != old:
                writer.execute(
                    "update_repository", id=id, forge=row.forge, forge_id=row.forge_id, remote=row.remote,
                    is_local=row.is_local, default_branch=row.default_branch,
                )
        writer.execute_many("delete_repository_name", [row._asdict() for row in sorted(gone)])
        writer.write_many("repository_name", sorted(come))
        renames = [(rename.old, rename.new, rename.at) for rename in self._new_renames]
        writer.write_many("namespace_rename", renames, on_conflict="keep")
        for one, from_at in series:
            mark_series(writer, one, from_at=from_at)
        mark_inferences(writer, inferences)
        for id in sorted({row.repository_id for row in gone | come} | set(renamed)):
            mark_readers(writer, id, {ABOUT_NAMES})
        if gone or come:
            outdate_pending(writer)

    def _settle(self) -> None:
        """What follows from the entries: moves with namespaces, and what each repository is called in the end."""
        changed = {id for id, rows in self._names.items() if rows != self._stored_names.get(id)}
        if self._new_renames:
            changed |= self._names.keys()
        if not changed:
            return
        for id in changed:
            own = {row for row in self._names[id] if row.told != MOVED}
            self._names[id] = own | moved(own, self._all_renames())
        concerned = {row.name for id in changed for row in (*self._names[id], *self._stored_names.get(id, ()))}
        self._read_names(concerned)
        names = self._all_names()
        for id, row in self.rows.items():
            if names.called(id) in self._whole:
                self.rows[id] = row._replace(name=names.shown(id, row.forge_id or f"{id}"))

    def _concerned(self, rows: Collection[NameRow], renamed: Collection[int]) -> list[tuple[Series, Instant]]:
        names = self._all_names()
        touched = {row.name for row in rows}
        known = {row.name for stored in self._stored_names.values() for row in stored}
        # An earlier sight of a name that only one ever bore changes nothing.
        wanted = {name for name in touched if len(names.meanings(name)) != 1 or name not in known}
        for id in renamed:
            wanted |= {row.name for row in self._names[id]}
        found = self._writer.fetch_in("series_named", _series_at, sorted(wanted)) if wanted else []
        earliest: dict[Series, Instant] = {}
        for one, at in found:
            earliest[one] = min(at, earliest.get(one, at))
        return sorted(earliest.items())

    def _inferences(self, rows: Collection[NameRow], renamed: Collection[int]) -> list[Inference]:
        """What follows from repositories whose names mean something else now: definitions may name others."""
        if not (rows or renamed):
            return []
        names = self._all_names()
        ids = ({row.repository_id for row in rows} | set(renamed)).union(*(names.meanings(row.name) for row in rows))
        return inferences_of(self._writer, ids, {row.name for row in rows})

    def _all_names(self) -> Names:
        rows = (row for rows in self._names.values() for row in rows)
        return Names(rows, {id: identity(row) for id, row in self.rows.items()})

    def _all_renames(self) -> list[NamespaceRenamed]:
        if self._renames is None:
            self._renames = self._writer.fetch("namespace_renames", _rename)
        return self._renames


def _number(row: RepositoryRow | RepositoryRef) -> tuple[str, str, str]:
    return row.forge, row.name.partition("/")[0], row.forge_id


def identity(row: RepositoryRow) -> str:
    """By what a forge tells a repository from others."""
    return f"{row.forge} {row.forge_id}"


def _named(name: str, from_at: int, repository_id: int, told: int, *row: object) -> tuple[NameRow, RepositoryRow]:
    return NameRow(name, from_at, repository_id, told), RepositoryRow(*row)  # type: ignore[arg-type]  # its columns


def _rename(old: str, new: str, at: int) -> NamespaceRenamed:
    return NamespaceRenamed(old=old, new=new, at=at)


def _series_at(service: str, env: str, at: int) -> tuple[Series, Instant]:
    return Series(service=service, env=env), at


def named_repositories(reader: Reader, names: Collection[RepositoryId]) -> tuple[Names, dict[int, RepositoryRow]]:
    """What these names mean and meant, and the repositories that they name."""
    found = reader.fetch_in("repositories_named", _named, sorted(set(names)))
    rows = {row.id: row for _, row in found}
    return Names((name for name, _ in found), {id: identity(row) for id, row in rows.items()}), rows
