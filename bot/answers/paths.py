"""Which patterns select a service's commits, in each repository it has to do with."""

from dataclasses import dataclass, replace

from bot.answers.definitions import overruled_places
from bot.answers.questions import Filters
from bot.answers.rows import load_deployments
from bot.dora.definitions import ServiceDefinition
from bot.dora.paths import SortedPaths, linked_repositories, patterns_of, unmatched
from bot.facts.catalog import load_definition
from bot.facts.names import Shown, load_naming, load_web_roots
from bot.facts.repositories import RepositoryRow
from bot.store import Reader

_BRANCH, _TAG = "refs/heads/", "refs/tags/"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryPaths:
    """A service's patterns in one repository. Fields are the API's, but for `flag`."""

    repository: str
    patterns: tuple[str, ...]
    origin: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePaths:
    """A service's patterns in every repository that it was deployed from or that its definition links to."""

    service: str
    repositories: tuple[RepositoryPaths, ...]


def find_paths(reader: Reader, service: str) -> ServicePaths | None:
    """The patterns of a service (trimmed, lower case); `None` when it is neither defined nor deployed."""
    definition = load_definition(reader, service)
    deployed = deployed_from(reader, service)
    if definition is None and deployed is None:
        return None
    linked = linked_repositories(definition, web_roots=load_web_roots(reader))
    names = {*(deployed or ()), *Shown(reader).currents(linked)}
    found = [repository_paths(reader, definition, service=service, repository=name) for name in sorted(names)]
    if others := ", ".join(overruled_places(reader, service)):
        found = [replace(one, origin=f"{one.origin}, overruling {others}") for one in found]
    return ServicePaths(service=service if definition is None else definition.shown, repositories=tuple(found))


def repository_paths(
    reader: Reader,
    definition: ServiceDefinition | None,
    *,
    service: str,
    repository: str,
    check_files: bool = True,
) -> RepositoryPaths:
    """A service's patterns in one repository; `check_files` also names those that match no path it ever had."""
    row = next(iter(reader.fetch("repository_by_name", RepositoryRow, name=repository)), None)
    refs = [] if row is None else reader.fetch("answer_refs", str, repository_id=row.id)
    found = patterns_of(
        definition,
        service=service,
        repository=repository,
        branches=[ref.removeprefix(_BRANCH) for ref in refs if ref.startswith(_BRANCH)],
        tags=[ref.removeprefix(_TAG) for ref in refs if ref.startswith(_TAG)],
        names=() if row is None else load_naming(reader, row).now,
        web_roots=load_web_roots(reader),
    )
    warnings = list(found.warnings)
    if found.flag:
        warnings.append("the definition links to no folder of this repository, so every commit counts")
    if check_files and row is not None:
        rows = reader.fetch("answer_paths", bytes, repository_id=row.id)
        missing = unmatched(found, SortedPaths(enumerate(rows)))
        warnings += [f"{pattern}: matches no file of this repository" for pattern in missing]
    return RepositoryPaths(
        repository=repository, patterns=found.patterns, origin=found.origin, warnings=tuple(warnings)
    )


def deployed_from(reader: Reader, service: str) -> set[str] | None:
    """The repositories a service was deployed from; `None` when it never was."""
    shown, rows = Shown(reader), reader.fetch("answer_service_repositories", str, service=service)
    if not shown.ambiguous.isdisjoint(rows):
        rows = [row.repository for row in load_deployments(reader, Filters(service=service))]
    return {shown.current(name) for name in rows if name} if rows else None
