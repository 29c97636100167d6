"""Service definitions: what a team says of its service."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoLink:
    """A link to source code; `type` is `repo` (or v2's `repos[]`). `url` as written."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLocation:
    """A repository and patterns in it (v3's `codeLocations`); no patterns mean all of it. `url` as written."""

    url: str
    paths: tuple[str, ...] = ()


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
    code_locations: tuple[CodeLocation, ...] = ()
    repository: str = ""
    """The RepositoryId of the repository that holds the file; "" for the folder of definitions."""
    location: str = ""
    """File and line."""

    @property
    def place(self) -> str:
        """Where it stands: file and line, with the repository that holds it."""
        return f"{self.repository}@{self.location}" if self.repository else self.location


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A mistake in a file: `severity` is error, warning or notice; line and column count from 1."""

    file: str
    line: int
    column: int
    severity: str
    message: str
