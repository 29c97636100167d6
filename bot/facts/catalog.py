"""The definitions and rules in force, as every room reads them."""

from dataclasses import dataclass

from bot.dora.definitions import Problem, RepoLink, ServiceDefinition
from bot.dora.instants import Instant
from bot.dora.rules import DEFAULT_RULES, RuleSet
from bot.guard import decode_json_as
from bot.store import Reader

DEFINITIONS, RULES = "definitions", "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogState:
    """A part of the catalog in the store: what is in force since when, and the problems of the newest files."""

    kind: str
    digest: str
    received_at: Instant
    body: str
    problems: tuple[Problem, ...]


def load_definition(reader: Reader, service: str) -> ServiceDefinition | None:
    """The definition in force of a service (its name in lower case)."""
    return next(iter(reader.fetch("definition_in_force", _definition, service=service)), None)


def load_definitions(reader: Reader) -> tuple[ServiceDefinition, ...]:
    """All definitions in force, by service."""
    return tuple(reader.fetch("definitions_in_force", _definition))


def load_rules(reader: Reader) -> RuleSet:
    """The rules in force: the shipped ones before any were recorded."""
    state = next((state for state in load_catalog_states(reader) if state.kind == RULES and state.body), None)
    return decode_json_as(RuleSet, state.body.encode()) if state else DEFAULT_RULES


def load_catalog_states(reader: Reader) -> tuple[CatalogState, ...]:
    """What is in force, and what is wrong with the newest files."""
    return tuple(reader.fetch("catalog_state", _state))


def _definition(
    service: str,
    shown: str,
    schema_version: str,
    team: str,
    tags: str,
    languages: str,
    source_patterns: str | None,
    links: str,
    location: str,
) -> ServiceDefinition:
    return ServiceDefinition(
        service=service,
        shown=shown,
        schema_version=schema_version,
        team=team,
        tags=decode_json_as(tuple[str, ...], tags.encode()),
        languages=decode_json_as(tuple[str, ...], languages.encode()),
        source_patterns=None if source_patterns is None else decode_json_as(tuple[str, ...], source_patterns.encode()),
        links=tuple(RepoLink(name=name, url=url) for name, url in decode_json_as(list[tuple[str, str]], links.encode())),
        location=location,
    )


def _state(kind: str, digest: str, received_at: int, body: str, problems: str) -> CatalogState:
    told = decode_json_as(tuple[Problem, ...], problems.encode())
    return CatalogState(kind=kind, digest=digest, received_at=received_at, body=body, problems=told)
