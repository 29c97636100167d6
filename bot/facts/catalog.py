"""The definitions and rules in force, as every room reads them, and what every origin claims of a service.

All claims are kept. Of a service that several origins define, the least is in force: by rank, then by the repository's name, then
by the file's path. So it does not matter in which order they came.
"""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace

from bot.dora.commits import Sha
from bot.dora.definitions import CodeLocation, Problem, RepoLink, ServiceDefinition
from bot.dora.deployments import Series
from bot.dora.instants import Instant
from bot.dora.pagerduty import Owner
from bot.dora.paths import linked_repositories
from bot.dora.rules import DEFAULT_RULES, NO_RULES, RuleSet, ServiceRules
from bot.facts.inferences import Inference, inferences_of, mark_inferences
from bot.facts.marks import CLASSIFICATION, mark_inference, mark_series
from bot.facts.names import load_web_roots
from bot.facts.pagerduty import incidents_concerned, mark_incidents
from bot.facts.registry import named_repositories
from bot.facts.telemetry import TELEMETRY, telemetry_services
from bot.guard import decode_json_as
from bot.store import Reader, Row, Value, Writer

DEFINITIONS, RULES = "definitions", "rules"
FOLDER, API, REPOSITORY = 0, 1, 2
"""Ranks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogState:
    """A part of the catalog in the store: what is in force since when, and the problems of the newest files."""

    kind: str
    digest: str
    received_at: Instant
    body: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where definitions come from: the folder (no repository, no path), the API (the entity's reference as path), or a file in a
    repository."""

    rank: int
    repository_id: int = 0
    path: str = ""


FROM_FOLDER = Origin(rank=FOLDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one origin says of a service."""

    origin: Origin
    definition: ServiceDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """A definition file of a repository's default branch. `blob` is `None` when it is not there or could not be read."""

    repository_id: int
    repository: str
    path: str
    blob: Sha | None
    commit: Sha
    """The branch's tip when it was last seen."""
    read_from: Instant
    """When the sync that saw it began."""
    good_commit: Sha | None
    """The tip when what is in force was seen."""
    problems: tuple[Problem, ...]


def load_definition(reader: Reader, service: str) -> ServiceDefinition | None:
    """The definition in force of a service (its name in lower case)."""
    return next(iter(reader.fetch("definition_in_force", _definition, service=service)), None)


def load_definitions(reader: Reader) -> tuple[ServiceDefinition, ...]:
    """All definitions in force, by service."""
    return tuple(reader.fetch("definitions_in_force", _definition))


def load_claims(reader: Reader, service: str | None = None) -> tuple[Claim, ...]:
    """All claims, or those of one service, by service; of each service the first is in force."""
    if service is None:
        return tuple(reader.fetch("definition_claims", _claim))
    return tuple(reader.fetch("claims_of_service", _claim, service=service))


def load_definition_files(reader: Reader, repository_id: int | None = None) -> tuple[FileState, ...]:
    """The definition files in all repositories, or in one, by repository and path."""
    if repository_id is None:
        return tuple(reader.fetch("definition_files", _file))
    return tuple(reader.fetch("definition_files_of", _file, repository_id=repository_id))


def load_rules(reader: Reader) -> RuleSet:
    """The rules in force: the shipped ones before any were recorded."""
    state = next((state for state in load_catalog_states(reader) if state.kind == RULES and state.body), None)
    return decode_json_as(RuleSet, state.body.encode()) if state else DEFAULT_RULES


def load_service_rules(reader: Reader, service: str) -> ServiceRules:
    """What the definition in force of a service (its name in lower case) says of the rules."""
    return next(iter(reader.fetch("rules_of_service", _rules, service=service)), NO_RULES)


def load_catalog_states(reader: Reader) -> tuple[CatalogState, ...]:
    """What is in force, and what is wrong with the newest files."""
    return tuple(reader.fetch("catalog_state", _state))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsChange:
    """What follows from new claims, ready to be written: claims by origin, definitions in force, series to derive again."""

    claims: Mapping[Origin, tuple[ServiceDefinition, ...]]
    in_force: tuple[Claim, ...]
    gone: tuple[str, ...]
    shown: tuple[str, ...]
    """Services that telemetry showed, and which have a definition only now, or no more."""
    series: tuple[Series, ...]
    classified: tuple[Series, ...]
    """Series whose rules alone differ."""
    inferences: tuple[Inference, ...]
    """From the repositories that a definition which differs names or named: what follows may belong to other services."""
    incidents: tuple[str, ...]
    """Of PagerDuty: a definition that differs may say whose they are."""


def plan_claims(reader: Reader, new: Mapping[Origin, Sequence[ServiceDefinition]]) -> ClaimsChange:
    """What changes when these origins say this, all they said before being replaced; with none, what a new name of a repository
    changes. `ServiceDefinition.repository` is the origin's."""
    claims = [claim for claim in load_claims(reader) if claim.origin not in new]
    claims += [Claim(origin=origin, definition=one) for origin, said in new.items() for one in said]
    winners: dict[str, Claim] = {}
    for claim in sorted(claims, key=_order):
        winners.setdefault(claim.definition.service, claim)
    before = {one.service: one for one in load_definitions(reader)}
    after = {service: claim.definition for service, claim in winners.items()}
    old, now = _paths_by_service(before.values()), _paths_by_service(after.values())
    changed = {service for service in old.keys() | now.keys() if old.get(service) != now.get(service)}
    ruled = _rules_by_service(before.values()) ^ _rules_by_service(after.values())
    differ = {service for service, _ in ruled} - changed
    series = reader.fetch("all_series", _series) if changed or differ else []
    return ClaimsChange(
        claims={origin: tuple(said) for origin, said in new.items()},
        in_force=tuple(claim for service, claim in winners.items() if before.get(service) != claim.definition),
        gone=tuple(sorted(before.keys() - after.keys())),
        shown=_shown(reader, before.keys() ^ after.keys()),
        series=tuple(one for one in series if one.service in changed),
        classified=tuple(one for one in series if one.service in differ),
        inferences=_inferences(reader, [
            definition
            for service in before.keys() | after.keys()
            if before.get(service) != after.get(service)
            for definition in (before.get(service), after.get(service))
        ]),
        incidents=tuple(incidents_concerned(reader, _owners(before.values()) ^ _owners(after.values()))),
    )  # fmt: skip


def _shown(reader: Reader, services: Set[str]) -> tuple[str, ...]:
    return tuple(service for service in telemetry_services(reader) if service in services) if services else ()


def _inferences(reader: Reader, definitions: Iterable[ServiceDefinition | None]) -> tuple[Inference, ...]:
    """What follows from the repositories that definitions name."""
    roots = load_web_roots(reader)
    wanted = {name for one in definitions for name in linked_repositories(one, web_roots=roots)}
    names, _ = named_repositories(reader, wanted)
    found = {names.meaning(name) for name in wanted}
    return tuple(inferences_of(reader, [id for id in found if id is not None], wanted))


def write_claims(writer: Writer, change: ClaimsChange) -> None:
    """Write what `plan_claims` found in this transaction, and mark what is to derive again."""
    for origin, said in change.claims.items():
        place: dict[str, Value] = {"rank": origin.rank, "repository_id": origin.repository_id, "path": origin.path}
        writer.execute("delete_claims", **place)
        if said:
            writer.write_many("definition_claim", [_claim_row(origin, definition) for definition in said])
    for service in change.gone:
        writer.execute("delete_definition", service=service)
    if change.in_force:
        rows = [_definition_row(claim.origin, claim.definition) for claim in change.in_force]
        writer.write_many("definition", rows, on_conflict="replace")
    for series in change.series:
        mark_series(writer, series, from_at=0)
    for series in change.classified:
        mark_series(writer, series, from_at=0, stage=CLASSIFICATION)
    mark_inferences(writer, change.inferences)
    mark_incidents(writer, change.incidents)
    for service in change.shown:
        mark_inference(writer, TELEMETRY, service)


def _order(claim: Claim) -> tuple[int, str, str]:
    return claim.origin.rank, claim.definition.repository, claim.origin.path


def _paths_by_service(definitions: Iterable[ServiceDefinition]) -> dict[str, tuple[object, ...]]:
    """What says which paths are a service's (team and tags are looked up when asked for, nothing is derived from them).

    A definition that says nothing of paths is as good as none.
    """
    said: dict[str, tuple[object, ...]] = {}
    for one in definitions:
        if one.source_patterns is not None:
            said[one.service] = one.source_patterns
        elif one.links or one.code_locations or one.repository:
            said[one.service] = (one.links, one.code_locations, one.repository)
    return said


def _rules_by_service(definitions: Iterable[ServiceDefinition]) -> set[tuple[str, ServiceRules]]:
    return {(one.service, one.rules) for one in definitions if one.rules != NO_RULES}


def _owners(definitions: Iterable[ServiceDefinition]) -> set[Owner]:
    return {Owner(service=one.service, shown=one.shown, team=one.team, pagerduty=one.pagerduty) for one in definitions}


def _claim_row(origin: Origin, definition: ServiceDefinition) -> Row:
    service, *said, location, code_locations, _, rules, pagerduty = _definition_row(origin, definition)
    return (service, origin.rank, origin.repository_id, origin.path, *said, code_locations, location, rules, pagerduty, definition.document)


def _definition_row(origin: Origin, definition: ServiceDefinition) -> Row:
    patterns = definition.source_patterns
    return (
        definition.service,
        definition.shown,
        definition.schema_version,
        definition.team,
        _json(definition.tags),
        _json(definition.languages),
        None if patterns is None else _json(patterns),
        _json([[link.name, link.url] for link in definition.links]),
        definition.location,
        _json([[one.url, one.paths] for one in definition.code_locations]),
        origin.repository_id,
        "" if definition.rules == NO_RULES else json.dumps(asdict(definition.rules), ensure_ascii=False),
        definition.pagerduty,
    )


def _rules(stored: str) -> ServiceRules:
    return decode_json_as(ServiceRules, stored.encode()) if stored else NO_RULES


def _json(value: Sequence[object]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _definition(
    service: str,
    shown: str,
    schema_version: str,
    team: str,
    tags: str,
    languages: str,
    source_patterns: str | None,
    links: str,
    code_locations: str,
    location: str,
    rules: str,
    pagerduty: str,
    repository: str,
) -> ServiceDefinition:
    located = decode_json_as(list[tuple[str, tuple[str, ...]]], code_locations.encode())
    return ServiceDefinition(
        service=service,
        shown=shown,
        schema_version=schema_version,
        team=team,
        tags=decode_json_as(tuple[str, ...], tags.encode()),
        languages=decode_json_as(tuple[str, ...], languages.encode()),
        source_patterns=None if source_patterns is None else decode_json_as(tuple[str, ...], source_patterns.encode()),
        links=tuple(RepoLink(name=name, url=url) for name, url in decode_json_as(list[tuple[str, str]], links.encode())),
        code_locations=tuple(CodeLocation(url=url, paths=paths) for url, paths in located),
        rules=_rules(rules),
        pagerduty=pagerduty,
        repository=repository,
        location=location,
    )


def _claim(rank: int, repository_id: int, path: str, *columns: object) -> Claim:
    *said, document = columns
    definition = replace(_definition(*said), document=str(document))  # type: ignore[arg-type]  # the columns of the query, in its order
    return Claim(origin=Origin(rank=rank, repository_id=repository_id, path=path), definition=definition)


def _file(
    repository_id: int, repository: str, path: str, blob: Sha | None, commit: Sha, read_from: int, good: Sha | None, problems: str
) -> FileState:
    return FileState(
        repository_id=repository_id, repository=repository, path=path, blob=None if blob is None else bytes(blob),
        commit=bytes(commit), read_from=read_from, good_commit=None if good is None else bytes(good),
        problems=decode_json_as(tuple[Problem, ...], problems.encode()),
    )  # fmt: skip


def _state(kind: str, digest: str, received_at: int, body: str, problems: str) -> CatalogState:
    told = decode_json_as(tuple[Problem, ...], problems.encode())
    return CatalogState(kind=kind, digest=digest, received_at=received_at, body=body, problems=told)


def _series(service: str, env: str) -> Series:
    return Series(service=service, env=env)
