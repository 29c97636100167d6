"""The definitions and rules in force, and what is wrong with the newest files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bot.answers.rows import texts
from bot.dora.definitions import Problem, RepoLink, ServiceDefinition
from bot.dora.instants import Instant
from bot.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogShown:
    """One part of the catalog: `definitions` or `rules`, when it was read, and the problems of its newest files."""

    kind: str
    received_at: Instant
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleShown:
    """A rule in force; `kind` is linked or static."""

    kind: str
    id: str
    field: str
    pattern: str
    enabled: bool
    blame: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesShown:
    """The rules in their order of precedence, and the options they are read with. Empty before any were loaded."""

    rules: tuple[RuleShown, ...]
    options: Mapping[str, str]


def load_definitions(reader: Reader) -> dict[str, ServiceDefinition]:
    """The definitions in force, by service."""
    return {one.service: one for one in reader.fetch("answer_definitions", _definition)}


def load_catalog(reader: Reader) -> tuple[CatalogShown, ...]:
    """What was read, and what is wrong with it."""
    return tuple(part for part, _ in reader.fetch("answer_catalog", _catalog))


def load_rules(reader: Reader) -> RulesShown:
    """The rules in force."""
    body = next((body for part, body in reader.fetch("answer_catalog", _catalog) if part.kind == "rules"), "")
    found = json.loads(body) if body else {}
    rules = tuple(
        RuleShown(
            kind=kind,
            id=str(rule["id"]),
            field=str(rule["field"]),
            pattern=str(rule["pattern"]),
            enabled=bool(rule.get("enabled", True)),
            blame=str(rule.get("blame", "previous")),
        )
        for kind in ("linked", "static")
        for rule in found.get(kind, [])
    )
    return RulesShown(rules=rules, options={str(k): str(v) for k, v in found.get("options", {}).items()})


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
        tags=texts(tags),
        languages=texts(languages),
        source_patterns=None if source_patterns is None else texts(source_patterns),
        links=tuple(RepoLink(name=str(name), url=str(url)) for name, url in json.loads(links)),
        location=location,
    )


def _catalog(kind: str, digest: str, received_at: Instant, body: str, problems: str) -> tuple[CatalogShown, str]:
    found = tuple(
        Problem(
            file=str(one["file"]),
            line=int(one["line"]),
            column=int(one["column"]),
            severity=str(one["severity"]),
            message=str(one["message"]),
        )
        for one in json.loads(problems or "[]")
    )
    return CatalogShown(kind=kind, received_at=received_at, problems=found), body
