"""Mirrors: what to fetch from where, and what to do when it fails. Nothing here reads a commit.

A repository named by a path is read in place; all others have a bare mirror without file contents below `DATA_DIR/mirrors`.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from zlib import crc32

from bot import git
from bot.dora.events import RepositoryRef
from bot.dora.instants import HOUR, SECOND, Instant
from bot.dora.repositories import NO_ROOTS, RepositoryUrlError, repository_id
from bot.facts.repositories import RepositoryRow
from bot.forges.client import GitAccess
from bot.pipeline.repository_definitions import FoundFiles, look_for_definitions
from bot.pipeline.spooled import Spooled
from bot.pipeline.uploads import Uploaded
from bot.settings import Settings
from bot.store import Reader, Store, Writer

EVERYTHING = "*"
"""The wish for all branches and tags."""
FIRST_PAUSE, LONGEST_PAUSE = 30 * SECOND, HOUR
GITHUB_API = "https://api.github.com"

Access = Callable[[str, RepositoryRow], Awaitable[GitAccess | None]]
"""Asks a forge (github, gitlab) how git may read a repository; `None`: without credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A repository to sync, as a person named it."""

    ref: RepositoryRef
    is_local: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A ref that somebody wants fetched; a renewed wish has another version."""

    repository_id: int
    ref: str
    version: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a completed fetch brought, ready to be ingested. `full`: all branches and tags, else the refs of `wishes`."""

    repository_id: int
    path: str
    began_at: Instant
    full: bool
    wishes: tuple[Wish, ...]
    default_branch: str = ""
    filtered: bool = True
    """False when the server could not leave file contents out."""
    definitions: FoundFiles | None = None
    """Definition files of the default branch, when they are others than before."""
    way: str = "clone"
    """How the history was had: clone, api."""
    reason: str = ""
    """Why not better."""
    partial: tuple[str, ...] = ()
    """What is not exact, and why."""
    spooled: Spooled | None = None
    """By API: `path` is a spool."""
    uploaded: Uploaded | None = None
    """Not fetched at all: a client sent it."""


def target_of(place: str, *, name: str | None = None, settings: Settings | None = None) -> Target:
    """The repository behind a path or URL; `name` is the URL that stands for it (`--as`).

    The settings tell of a GitLab of one's own: which host is one, and under which path.

    Raises RepositoryUrlError, or a GitError when a path is no repository.
    """
    if _is_path(place):
        return _local_target(Path(place.removeprefix("file://")).expanduser().resolve(), name, settings)
    identity = _named(name or place, settings)
    # A remote that is not fetched over https (ssh, scp-like) is reached by its id.
    remote = git.clean(place) if place.startswith(("https://", "http://")) else ""
    return Target(ref=RepositoryRef(name=identity, forge=forge_of(identity, settings), remote=remote), is_local=False)


def _named(url: str, settings: Settings | None) -> str:
    return repository_id(url, web_roots=settings.web_roots if settings else NO_ROOTS)


def _is_path(place: str) -> bool:
    return place.startswith(("/", ".", "~", "file://")) or (place != "" and Path(place).is_dir())


def _local_target(path: Path, name: str | None, settings: Settings | None) -> Target:
    if not git.is_repository(path):
        raise git.NotARepositoryError(f"there is no git repository at {path}")
    identity = _named(name, settings) if name else _identity_of(path, settings)
    ref = RepositoryRef(
        name=identity, forge=forge_of(identity, settings), remote=str(path), default_branch=git.default_branch(path) or ""
    )
    return Target(ref=ref, is_local=True)


def _identity_of(path: Path, settings: Settings | None) -> str:
    """`remote.origin.url` as an id, else `local/<path>`."""
    url = git.remote_origin_url(path)
    if url and not _is_path(url):
        try:
            return _named(url, settings)
        except RepositoryUrlError:
            pass
    return re.sub(r"[\x00-\x20\x7f]", "_", f"local{path.as_posix()}".lower()).removesuffix(".git")


def forge_of(name: str, settings: Settings | None = None) -> str:
    """Which forge a repository lies on, as far as its host or the settings say so: github, gitlab, or just git."""
    if settings is not None and is_gitlabs(name, settings):
        return "gitlab"
    host = name.partition("/")[0]
    return next((forge for forge in ("github", "gitlab") if forge in host.split(":")[0]), "git")


def is_gitlabs(name: str, settings: Settings) -> bool:
    """Whether a repository lies on the GitLab that the token was made for."""
    parts = urlsplit(settings.gitlab_url)
    host = parts.netloc.lower().removesuffix(":443" if parts.scheme == "https" else ":80")
    return name.startswith(f"{host}/")


def mirror_path(data_dir: Path, repository_id: int) -> Path:
    """Where a repository's mirror lies."""
    return data_dir / "mirrors" / f"{repository_id}.git"


def clone_url(row: RepositoryRow, settings: Settings) -> str:
    """Where to fetch a repository from: `CLONE_URLS` for its host, else its remote, else its id over https or at `GITLAB_URL`."""
    host, _, path = row.name.partition("/")
    told = urlsplit(row.remote) if row.remote.startswith(("https://", "http://")) else None
    base = settings.clone_urls.get(host)
    # A remote on another host than the id's is not believed: the id is what the event was checked for.
    if told is not None and told.netloc.rpartition("@")[2].lower() == host:
        return f"{base}/{told.path.strip('/')}" if base else row.remote
    usual = settings.gitlab_url if is_gitlabs(row.name, settings) else f"https://{host}"
    return f"{base or usual}/{path.removesuffix('.git')}.git"


def remote_of(row: RepositoryRow, settings: Settings, *, access: GitAccess | None = None) -> git.Remote:
    """Where and how to fetch a repository; `access` is what its forge wants to hear."""
    configured = (*settings.clone_urls.values(), settings.gitlab_url, settings.github_api_url)
    return git.Remote(
        url=clone_url(row, settings),
        token=access.token if access else "",
        username=access.username if access else "",
        plain_hosts=frozenset(urlsplit(base).netloc for base in configured if base.startswith("http://")),
    )


def trusted_forge(url: str, settings: Settings) -> str | None:
    """Whose credentials may go to a URL: a token goes to the origin it was made for, API or web pages, and nowhere else."""
    api = settings.github_api_url
    origins = {_origin(settings.gitlab_url): "gitlab", _origin(api): "github"}
    if api == GITHUB_API:
        origins[_origin("https://github.com")] = "github"
    return origins.get(_origin(url))


async def _access(row: RepositoryRow, settings: Settings, access: Access) -> GitAccess | None:
    forge = trusted_forge(clone_url(row, settings), settings)
    return await access(forge, row) if forge is not None else None


def settings_access(settings: Settings) -> Access:
    """The credentials that stand in the settings themselves."""

    async def access(forge: str, _: RepositoryRow) -> GitAccess | None:
        token = settings.gitlab_token
        return GitAccess(username="oauth2", token=token.decode()) if forge == "gitlab" and token else None

    return access


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def due_fetches(reader: Reader, *, now: Instant) -> list[Wish]:
    """The wishes that are due, the longest waiting first."""
    return reader.fetch("due_fetches", _wish, now=now)


def _wish(repository_id: int, ref: str, version: int, attempts: int) -> Wish:
    return Wish(repository_id=repository_id, ref=ref, version=version, attempts=attempts)


def record_fetch_failure(
    writer: Writer, wishes: Sequence[Wish], *, error: str, now: Instant, refused: bool = False
) -> None:
    """Keep the error where it is seen and try again later: after 30 s, doubling up to an hour, each a little apart.

    `refused`: our credentials open no way to the history at all.
    """
    if refused:
        rows = [(repository_id, "none", error, "[]", now) for repository_id in sorted({one.repository_id for one in wishes})]
        writer.write_many("repository_access", rows, on_conflict="replace")
    for wish in wishes:
        attempts = wish.attempts + 1
        writer.execute(
            "postpone_fetch", repository_id=wish.repository_id, ref=wish.ref, attempts=attempts,
            run_at=now + pause_after(attempts, key=f"{wish.repository_id} {wish.ref}"), error=error or "failed",
        )


def pause_after(attempts: int, *, key: str) -> Instant:
    """Nanoseconds to wait after so many failures; the same for the same key, up to a quarter longer for others."""
    pause = min(FIRST_PAUSE << min(attempts - 1, 20), LONGEST_PAUSE)
    return pause + pause * (crc32(f"{key} {attempts}".encode()) % 1_000) // 4_000


async def fetch(
    store: Store,
    settings: Settings,
    repository_id: int,
    wishes: Sequence[Wish],
    *,
    clock: Callable[[], Instant],
    access: Access,
) -> Fetched | None:
    """Fetch what is wished for from a repository's remote; `None` when the repository is not known.

    Raises a GitError, or a ForgeError when `access` does. A path is only looked at: it is its own mirror.
    """
    row = await store.read_async(partial(_repository, repository_id=repository_id))
    if row is None:
        return None
    began_at = clock()
    done = partial(Fetched, repository_id=repository_id, began_at=began_at, wishes=tuple(wishes))
    if row.is_local:
        branch = await asyncio.to_thread(_look, Path(row.remote))
        found = await look_for_definitions(store, repository_id, Path(row.remote), branch=branch, remote=None)
        return done(path=row.remote, full=True, default_branch=branch, definitions=found)
    path = mirror_path(settings.data_dir, repository_id)
    is_new = await asyncio.to_thread(git.init_mirror, path)
    remote = remote_of(row, settings, access=await _access(row, settings, access))
    refs = {wish.ref for wish in wishes}
    by_api = await store.read_async(lambda reader: known_claims(reader, repository_id))
    # What an API told of the commits that are known is not all that git tells.
    full = is_new or EVERYTHING in refs or row.synced_from is None or by_api != ""
    filtered, full = await _bring(path, remote, refs, full=full)
    branch = "" if row.default_branch else await git.remote_default_branch(remote, path) or ""
    found = await look_for_definitions(store, repository_id, path, branch=row.default_branch or branch, remote=remote)
    return done(path=str(path), full=full, default_branch=branch, filtered=filtered, definitions=found)


async def _bring(path: Path, remote: git.Remote, refs: Collection[str], *, full: bool) -> tuple[bool, bool]:
    """Fetch; returns whether contents were left out, and whether it became a full fetch."""
    # What no ref can be called, no remote has: an answer like any missing ref.
    named = sorted(ref for ref in refs if git.is_ref(ref))
    filtered = True
    if not full:
        try:
            return (await git.fetch_refs(path, remote, named)).filtered, False
        except git.RefConflictError:
            full = True
    filtered = (await git.fetch_all(path, remote)).filtered
    others = [ref for ref in named if not ref.startswith(("refs/heads/", "refs/tags/"))]
    if others:
        await git.fetch_refs(path, remote, others)
    return filtered, full


def _look(path: Path) -> str:
    if not git.is_repository(path):
        raise git.NotARepositoryError(f"there is no git repository at {path}")
    return git.default_branch(path) or ""


def known_claims(reader: Reader, repository_id: int) -> str:
    """What services claimed when the repository was last read by API; "" where all of it came from git."""
    return next(iter(reader.fetch("meta_value", str, name=f"listed:{repository_id}")), "")


def _repository(reader: Reader, *, repository_id: int) -> RepositoryRow | None:
    rows = reader.fetch("repository_by_number", RepositoryRow, id=repository_id)
    return rows[0] if rows else None
