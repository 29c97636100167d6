"""What many of GitHub's payloads hold alike."""

from msgspec import Struct

from bot.dora.events import RepositoryRef
from bot.dora.instants import Instant
from bot.forges import fields
from bot.forges.table import Origin


class Repository(Struct):
    """A repository; pushes spell instants as seconds."""

    id: int
    html_url: str
    clone_url: str | None = None
    default_branch: str | None = None
    updated_at: str | int | None = None
    pushed_at: str | int | None = None
    created_at: str | int | None = None


class Installation(Struct):
    """Through which installation of the App the event came."""

    id: int


class User(Struct):
    """An account; organisations and users are spelt alike."""

    login: str
    html_url: str | None = None


class WithRepository(Struct):
    """What an event about a repository says beside its subject."""

    repository: Repository
    installation: Installation | None = None


def repository_ref(event: WithRepository, origin: Origin, *, seen_at: Instant | None) -> RepositoryRef:
    """The repository that an event is about, by its name at that instant."""
    seen = event.repository
    return fields.repository(
        forge="github",
        forge_id=seen.id,
        url=seen.clone_url or seen.html_url,
        default_branch=seen.default_branch,
        seen_at=seen_at if seen_at is not None else changed_at(seen),
        installation_id=installation_id(event.installation),
        web_roots=origin.web_roots,
    )


def changed_at(seen: Repository) -> Instant | None:
    """When the repository last changed, or was pushed to; `None` if it does not say."""
    instants = [at for at in (fields.moment(seen.updated_at), fields.moment(seen.pushed_at)) if at is not None]
    return max(instants, default=None)


def installation_id(installation: Installation | None) -> str:
    """The installation's number as text; "" for none."""
    return "" if installation is None else fields.identity(installation.id)
