"""What names mean, as readers ask it: for series, for links of definitions, for answers."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bot.dora.definitions import ServiceDefinition
from bot.dora.deployments import Series
from bot.dora.instants import Instant
from bot.dora.names import NameRow, Names
from bot.dora.paths import linked_repositories
from bot.dora.repositories import RepositoryId, WebRoots
from bot.facts.inferences import every_inference, mark_inferences
from bot.facts.marks import mark_series
from bot.facts.registry import RepositoryRow, identity, named_repositories
from bot.store import Reader, Writer

WEB_ROOTS = "web_roots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """A repository's names: those that mean it now, and all that it ever bore."""

    now: frozenset[RepositoryId]
    ever: frozenset[RepositoryId]


def load_naming(reader: Reader, repository: RepositoryRow) -> Naming:
    """The names of a repository; its own is always among them."""
    ever = {row.name for row in reader.fetch_in("names_of_repositories", NameRow, [repository.id])}
    names, _ = named_repositories(reader, ever)
    now = {name for name in ever if names.meaning(name) == repository.id}
    return Naming(now=frozenset({repository.name, *now}), ever=frozenset({repository.name, *ever}))


def links_to(definition: ServiceDefinition, naming: Naming, roots: WebRoots) -> bool:
    """Whether a definition names the repository, by whatever name means it now."""
    return not naming.now.isdisjoint(linked_repositories(definition, web_roots=roots))


def load_web_roots(reader: Reader) -> WebRoots:
    """Under which path the pages of a host lie, as the settings said last."""
    rows = reader.fetch("meta_value", str, name=WEB_ROOTS)
    return {str(host): str(root) for host, root in json.loads(rows[0]).items()} if rows else {}


def record_web_roots(writer: Writer, roots: WebRoots) -> None:
    """Keep what the settings say; links of definitions may lead elsewhere from now on."""
    if load_web_roots(writer) == dict(roots):
        return
    series = writer.fetch("all_series", lambda service, env: Series(service=service, env=env))
    inferences = every_inference(writer)
    writer.write_many("meta", [(WEB_ROOTS, json.dumps(dict(sorted(roots.items()))))], on_conflict="replace")
    for one in series:
        mark_series(writer, one, from_at=0)
    mark_inferences(writer, inferences)


class Shown:
    """What repositories are called in answers. Only names that do not mean their bearer alone, or not any more, are kept."""

    def __init__(self, reader: Reader) -> None:
        rows = reader.fetch("names_that_moved", _moved)
        self._labels = {row.id: row.name for _, row in rows}
        self._names = Names((name for name, _ in rows), {row.id: identity(row) for _, row in rows})
        self.moved = frozenset(name.name for name, _ in rows)
        """Names that cannot be shown as they were sent."""
        self.ambiguous = frozenset(name for name in self.moved if len(self._names.meanings(name)) > 1)
        """Names that meant several repositories."""

    def current(self, name: RepositoryId, at: Instant | None = None) -> RepositoryId:
        """What the repository is called now that a name meant at an instant."""
        found = self._names.meaning(name, at) if name in self.moved else None
        return name if found is None else self._labels[found]

    def currents(self, names: Iterable[RepositoryId]) -> set[RepositoryId]:
        """What the repositories are called that these names mean now."""
        return {self.current(name) for name in names}


def _moved(name: str, from_at: int, repository_id: int, told: int, *row: object) -> tuple[NameRow, RepositoryRow]:
    return NameRow(name, from_at, repository_id, told), RepositoryRow(*row)  # type: ignore[arg-type]  # its columns


class Meanings:
    """The repositories that some names meant, of those that are known; a text that stands for one means it always."""

    def __init__(self, reader: Reader, names: Collection[RepositoryId]) -> None:
        self._names, self._rows = named_repositories(reader, names)
        labels = sorted(name for name in names if "~" in name and not self._names.meanings(name))
        self._labelled = {name: row for name in labels for row in reader.fetch("repository_by_name", RepositoryRow, name=name)}

    def at(self, name: RepositoryId, at: Instant) -> RepositoryRow | None:
        """The repository that a name meant at an instant."""
        id = self._names.meaning(name, at)
        return self._labelled.get(name) if id is None else self._rows[id]

    def ever(self, name: RepositoryId) -> list[RepositoryRow]:
        """All repositories that a name ever meant."""
        return [self._labelled[name]] if name in self._labelled else [self._rows[id] for id in sorted(self._names.meanings(name))]
