"""Service definitions: what a team says of its service."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.dora.rules import NO_RULES, ServiceRules


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
    rules: ServiceRules = NO_RULES
    """What it says of the rules of rules.yaml."""
    pagerduty: str = ""
    """The page of its service in PagerDuty, without credentials."""
    repository: str = ""
    """The RepositoryId of the repository that holds the file; "" for the folder of definitions."""
    location: str = ""
    """File and line."""
    document: str = field(default="", compare=False)
    """All that the file says of it, as JSON without credentials; "" where that is kept elsewhere, or nobody noted it. Nothing follows from it."""

    @property
    def event_tags(self) -> tuple[str, ...]:
        """The tags it gives to the events of its service: its own, and a tag `language` for each of its languages."""
        return attached_tags((), self.tags, self.languages)

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


def attached_tags(own: Sequence[str], defined: Sequence[str], languages: Sequence[str]) -> tuple[str, ...]:
    """An event's own tags and those of its service's definition, a tag `language` for each of its languages; own keys win."""
    if not defined and not languages:
        return tuple(own)
    keys = {tag.partition(":")[0] for tag in own}
    given = (*defined, *(f"language:{language}" for language in languages))
    return tuple(dict.fromkeys((*own, *(tag for tag in given if tag.partition(":")[0] not in keys))))
