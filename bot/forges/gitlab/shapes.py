"""What many of GitLab's payloads hold alike."""

from urllib.parse import urlsplit

from msgspec import Struct

from bot.dora.events import RepositoryRef
from bot.dora.instants import Instant
from bot.dora.repositories import RepositoryId
from bot.forges import fields
from bot.forges.table import Origin


class Project(Struct):
    """A project as most events show it; system hooks leave its number to the event."""

    web_url: str
    id: int | None = None
    git_http_url: str | None = None
    default_branch: str | None = None


class User(Struct):
    """A person, as far as payloads tell."""

    id: int | None = None
    username: str | None = None


class Label(Struct):
    """A label's name."""

    title: str


def project_ref(project: Project, origin: Origin, *, project_id: int | None, seen_at: Instant | None) -> RepositoryRef:
    """The repository of a project, by its name at that instant."""
    return fields.repository(
        forge="gitlab",
        forge_id=project.id or project_id or 0,
        url=project.git_http_url or project.web_url,
        default_branch=project.default_branch,
        seen_at=seen_at if seen_at is not None else origin.received_at,
        web_roots=origin.web_roots,
    )


def path_ref(path: str, origin: Origin, *, project_id: int, seen_at: Instant) -> RepositoryRef:
    """The repository of a project of which only the path is told, on the instance that sent it."""
    return fields.repository(
        forge="gitlab",
        forge_id=project_id,
        url=f"{origin.instance}/{path}.git",
        default_branch=None,
        seen_at=seen_at,
        web_roots=origin.web_roots,
    )


def namespace(path: str, origin: Origin) -> RepositoryId:
    """A group's or user's path as the beginning of RepositoryIds."""
    host = urlsplit(origin.instance).netloc
    return fields.repository_name(f"https://{host}/{path}/x").rpartition("/")[0]
