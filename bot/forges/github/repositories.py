"""GitHub's repositories, accounts and installations of the App: what is there, what it is called, what we may read."""

from urllib.parse import urlsplit

from msgspec import Struct

from bot.dora.events import ForgeEvent, Ignored, InstallationChanged, NamespaceRenamed, RepositoryChanged, RepositoryRef
from bot.dora.instants import Instant
from bot.forges import PayloadError, fields
from bot.forges.github.shapes import Repository, User, WithRepository, changed_at, repository_ref
from bot.forges.table import Origin, Table, entries, silent
from bot.guard import decode_json_as

WEB = "https://github.com"
"""Where accounts live whose event does not say it."""


class _From(Struct, rename={"old": "from"}):
    old: str | None = None


class _Name(Struct):
    name: _From | None = None


class _Owner(Struct):
    user: User | None = None
    organization: User | None = None


class _OwnerFrom(Struct, rename={"old": "from"}):
    old: _Owner | None = None


class _Changes(Struct):
    repository: _Name | None = None
    owner: _OwnerFrom | None = None
    default_branch: _From | None = None
    login: _From | None = None


class _RepositoryEvent(WithRepository, kw_only=True):
    action: str
    changes: _Changes | None = None


class _Small(Struct):
    id: int
    full_name: str


class _Account(Struct):
    login: str | None = None
    slug: str | None = None
    html_url: str | None = None


class _Installation(Struct):
    id: int
    account: _Account | None = None
    created_at: str | int | None = None
    updated_at: str | int | None = None
    suspended_at: str | int | None = None
    permissions: dict[str, str] | None = None
    events: list[str] | None = None


class _InstallationEvent(Struct):
    action: str
    installation: _Installation
    repositories: list[_Small] | None = None
    repositories_added: list[_Small] | None = None
    repositories_removed: list[_Small] | None = None


class _RenamedAccount(Struct):
    changes: _Changes
    account: _Account | None = None
    organization: _Account | None = None
    sender: User | None = None


STATES = {"created": "active", "archived": "archived", "unarchived": "active", "deleted": "deleted"}
INSTALLATION_STATES = {
    "created": "active", "deleted": "deleted", "suspend": "suspended", "unsuspend": "active",
    "new_permissions_accepted": "",
}  # fmt: skip


def _read_repository(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_RepositoryEvent, body)
    changes = event.changes or _Changes()
    if event.action == "edited" and changes.default_branch is None:
        return Ignored(reason="repository_edited_otherwise")
    seen = event.repository
    changed = changed_at(seen)
    # What is deleted does not change any more, and says not when it went.
    at = origin.received_at if event.action == "deleted" or changed is None else changed
    ref = repository_ref(event, origin, seen_at=changed if changed is not None else at)
    return RepositoryChanged(
        repository=ref,
        at=at,
        old_name=_old_name(event, seen, origin),
        state=STATES.get(event.action, ""),
    )


def _old_name(event: _RepositoryEvent, seen: Repository, origin: Origin) -> str:
    changes = event.changes or _Changes()
    root, owner, name = seen.html_url.rsplit("/", 2) if seen.html_url.count("/") > 3 else ("", "", "")
    if event.action == "renamed" and changes.repository and changes.repository.name and changes.repository.name.old:
        return fields.repository_name(f"{root}/{owner}/{changes.repository.name.old}", web_roots=origin.web_roots)
    if event.action == "transferred" and changes.owner and changes.owner.old:
        before = changes.owner.old.user or changes.owner.old.organization
        if before is not None:
            return fields.repository_name(f"{root}/{before.login}/{name}", web_roots=origin.web_roots)
    if event.action in {"renamed", "transferred"}:
        raise PayloadError("no_old_name", f"a repository was {event.action}, and nobody says from where")
    return ""


def _read_installation(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_InstallationEvent, body)
    seen, state = event.installation, INSTALLATION_STATES.get(event.action, "")
    added, removed = event.repositories_added or (), event.repositories_removed or ()
    if event.action == "created":
        added = event.repositories or ()
    elif event.action == "deleted":
        removed = event.repositories or ()
    return InstallationChanged(
        id=fields.identity(seen.id),
        account=fields.name(seen.account.login or seen.account.slug if seen.account else None),
        at=_installation_at(event, origin),
        state=state,
        permissions=None if seen.permissions is None else tuple(sorted(_pairs(seen.permissions))),
        events=None if seen.events is None else tuple(sorted(fields.name(event) for event in seen.events)),
        added=tuple(_small(one, seen, origin) for one in added),
        removed=tuple(_small(one, seen, origin) for one in removed),
    )


def _pairs(permissions: dict[str, str]) -> list[tuple[str, str]]:
    return [(fields.name(name), fields.name(level)) for name, level in permissions.items()]


def _installation_at(event: _InstallationEvent, origin: Origin) -> Instant:
    """GitHub's clock where it tells of this event: `updated_at` may be of another one before."""
    seen = event.installation
    told = {"created": seen.created_at, "suspend": seen.suspended_at}.get(event.action)
    at = fields.moment(told)
    return at if at is not None else max(origin.received_at, fields.moment(seen.updated_at) or 0)


def _small(seen: _Small, installation: _Installation, origin: Origin) -> RepositoryRef:
    account = installation.account
    return fields.repository(
        forge="github",
        forge_id=seen.id,
        url=f"{_web(account.html_url if account else None)}/{seen.full_name}",
        default_branch=None,
        seen_at=origin.received_at,
        installation_id=fields.identity(installation.id),
        web_roots=origin.web_roots,
    )


def _read_renamed_account(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_RenamedAccount, body)
    account = event.account or event.organization
    old = event.changes.login.old if event.changes.login else None
    new = (account.login or account.slug) if account else None
    if not old or not new:
        raise PayloadError("no_old_name", "an account was renamed, and nobody says from what to what")
    url = (account.html_url if account else None) or (event.sender.html_url if event.sender else None)
    host = urlsplit(_web(url)).netloc.lower()
    # An account is the beginning of its repositories' names.
    names = [fields.repository_name(f"https://{host}/{login}/x").rpartition("/")[0] for login in (old, new)]
    return NamespaceRenamed(old=names[0], new=names[1], at=origin.received_at)


def _web(url: str | None) -> str:
    """Scheme and host of a page."""
    parts = urlsplit(url or WEB)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} and parts.netloc else WEB


REPOSITORIES: Table = {
    **entries("repository", _read_repository, {
        "created": "The repository is known, and its history is fetched.",
        "renamed": "It has another name from here on; the old one still means it until another repository takes it.",
        "transferred": "It has another owner in its name from here on; its history stays.",
        "edited": "Its default branch is another one.",
        "archived": "It is shown as archived.",
        "unarchived": "It is active again.",
        "deleted": "It is shown as deleted and not fetched any more; its history stays.",
    }),
    **silent("repository", "privatized publicized"),
    **entries("installation", _read_installation, {
        "created": "The App may read the account: permissions, events and repositories are known, whose history is fetched.",
        "deleted": "Its repositories are not fetched any more; their history stays.",
        "suspend": "Its repositories are not fetched until it is unsuspended.",
        "unsuspend": "Its repositories are fetched again.",
        "new_permissions_accepted": "Permissions and events are others.",
    }),
    **entries("installation_repositories", _read_installation, {
        "added": "The App may read more repositories; their history is fetched.",
        "removed": "These repositories are not fetched any more; their history stays.",
    }),
    **entries("installation_target", _read_renamed_account, {
        "renamed": "All repositories of the account have another owner in their names from here on.",
    }),
    **entries("organization", _read_renamed_account, {
        "renamed": "All repositories of the organisation have another owner in their names from here on.",
    }),
    **silent("organization"),
}  # fmt: skip
