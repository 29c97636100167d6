"""Service definitions: what a team says of its service."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoLink:
    """A link to source code; `type` is `repo` (or v2's `repos[]`). `url` as written."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDefinition:
    """One definition, whatever its schema version. `source_patterns` is `None` when not given (an empty list is an error)."""

    service: str
    shown: str
    schema_version: str
    team: str = ""
    tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    source_patterns: tuple[str, ...] | None = None
    links: tuple[RepoLink, ...] = ()
    location: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A mistake in a file: `severity` is error or warning; line and column count from 1."""

    file: str
    line: int
    column: int
    severity: str
    message: str
