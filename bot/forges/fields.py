"""What the payloads of all forges spell alike: shas, refs, instants, texts, numbers."""

import re
from datetime import UTC, datetime, timedelta

from bot.dora.commits import Sha
from bot.dora.events import RepositoryRef
from bot.dora.instants import LATEST, SECOND, Instant
from bot.dora.repositories import (
    NO_ROOTS,
    RepositoryId,
    RepositoryUrlError,
    WebRoots,
    repository_id,
    without_credentials,
)
from bot.forges import PayloadError
from bot.guard import scrub

LONGEST_NAME = 1_000
LONGEST_TEXT = 65_536
"""Characters kept of a description; what GitHub allows."""

_SHA = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_REF = re.compile(r"refs/(?:heads|tags)/[^\x00-\x20\x7f~^:?*\[\\]{1,1000}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def sha(text: str | None) -> Sha | None:
    """A sha out of 40 or 64 hex digits; `None` for none and for all zeros (the forges' "nothing")."""
    if not text:
        return None
    if not _SHA.fullmatch(text):
        raise PayloadError("bad_sha", "a commit's id is not 40 or 64 hex digits")
    value = bytes.fromhex(text)
    return value if any(value) else None


def ref(text: str) -> str | None:
    """A branch or tag by its full name; `None` for refs of other kinds, which nobody deploys."""
    if not text.startswith(("refs/heads/", "refs/tags/")):
        return None
    if not _REF.fullmatch(text) or ".." in text or "@{" in text or "//" in text or text.endswith(("/", ".lock", ".")):
        raise PayloadError("bad_ref", "a ref's name is none that git allows")
    return scrub(text)


def second(at: Instant) -> str:
    """An instant as forges are asked with it, cut to its second."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(text: str | None) -> Instant | None:
    """An instant in any of the forges' spellings (ISO 8601, `… UTC`, `… +0200`); `None` if absent or outside 1970–2261."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.strip().replace(" UTC", "+00:00"))
    except ValueError:
        raise PayloadError("bad_instant", "a time is in none of the known formats") from None
    if at.tzinfo is None:
        raise PayloadError("bad_instant", "a time has no time zone")
    value = (at - _EPOCH) // _MICROSECOND * 1_000
    return value if 0 <= value < LATEST else None


def moment(value: str | int | None) -> Instant | None:
    """An instant that GitHub spells now as ISO 8601, now as seconds since 1970."""
    if not isinstance(value, int):
        return instant(value)
    return value * SECOND if 0 <= value < LATEST // SECOND else None


def needed_instant(text: str | int | None) -> Instant:
    """An instant without which the event has no place in the order of events."""
    value = moment(text)
    if value is None:
        raise PayloadError("bad_instant", "a time is missing or outside 1970 to 2261")
    return value


def name(text: str | None) -> str:
    """A title, label, branch or login, as it may be stored."""
    return scrub(text or "")[:LONGEST_NAME]


def text(value: str | None) -> str:
    """A description, as it may be stored."""
    return scrub(value or "")[:LONGEST_TEXT]


def number(value: int) -> int:
    """A pull request's or issue's number."""
    if not 0 < value < 2**31:
        raise PayloadError("bad_number", "a number of a pull request or issue is out of range")
    return value


def identity(value: int) -> str:
    """The number by which a forge tells one of its things from the others, as text."""
    if not 0 < value < 2**63:
        raise PayloadError("bad_id", "an id is out of range")
    return str(value)


def repository_name(url: str, *, web_roots: WebRoots = NO_ROOTS) -> RepositoryId:
    """The RepositoryId behind a clone URL or web page."""
    try:
        return repository_id(url, web_roots=web_roots)
    except RepositoryUrlError as error:
        raise PayloadError("bad_repository_url", str(error)) from None


def repository(
    *,
    forge: str,
    forge_id: int,
    url: str,
    default_branch: str | None,
    seen_at: Instant | None = None,
    installation_id: str = "",
    web_roots: WebRoots = NO_ROOTS,
) -> RepositoryRef:
    """The repository behind a clone URL or web page."""
    return RepositoryRef(
        name=repository_name(url, web_roots=web_roots),
        forge=forge,
        forge_id=identity(forge_id),
        remote=without_credentials(url),
        default_branch=name(default_branch),
        installation_id=installation_id,
        seen_at=seen_at,
    )
