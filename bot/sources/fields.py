"""The fields that many sources send, each checked in one place: a wrong one is named by its JSON pointer.

Rules: `null` means absent; credentials in a repository's URL are cut off here, before anything is stored, logged or echoed (the
original's command line client sends them as they stand in the CI's remote).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Struct

from bot.dora.commits import Sha
from bot.dora.instants import Instant, from_api_number
from bot.dora.repositories import RepositoryUrlError, WebRoots, repository_id, without_credentials
from bot.guard import GuardError, decode_json_as

LARGEST_BODY = 1024 * 1024
LONGEST_NAME = 200
LONGEST_VERSION = 500
MOST_TAGS = 100

_ID = re.compile(r"[A-Za-z0-9._:-]{16,128}")
_SHA = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_STEP = re.compile(r"\[(\d+|\.\.\.)\]|\.([^.\[]+)")

Number = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
T = TypeVar("T")


class SourceError(Exception):
    """What a source sent cannot be used."""

    slug = "source"


class InvalidError(SourceError):
    """A field is wrong: `pointer` (RFC 6901) names it, `detail` says in a sentence how."""

    slug = "invalid"

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer}: {detail}")
        self.pointer = pointer
        self.detail = detail


class GitShape(Struct):
    """The object `git` of a deployment or failure."""

    commit_sha: str | None = None
    repository_url: str | None = None


class GitData(NamedTuple):
    """A commit and its repository: `url` as sent without credentials, `repository` its RepositoryId; "" where nothing was given."""

    commit_sha: Sha | None = None
    url: str = ""
    repository: str = ""


def decode(shape: type[T], body: bytes, *, max_bytes: int = LARGEST_BODY) -> T:
    """A JSON body (not compressed) as a shape; raises InvalidError that names the field of the wrong type."""
    try:
        return decode_json_as(shape, body, max_bytes=max_bytes)
    except GuardError as error:
        raise InvalidError(_pointer(error.path), _sentence(error.detail)) from None


class _Data(Struct, Generic[T]):
    attributes: T | None = None


class _Document(Struct, Generic[T]):
    data: _Data[T] | None = None


ATTRIBUTES = "/data/attributes"


def decode_attributes(shape: type[T], body: bytes) -> T:
    """The attributes of a JSON:API document; raises InvalidError."""
    document = decode(_Document[shape], body)  # type: ignore[valid-type]
    if document.data is None:
        raise InvalidError("/data", "The object data is required.")
    if document.data.attributes is None:
        raise InvalidError(ATTRIBUTES, "The object attributes is required.")
    return document.data.attributes


def render_attributes(given: Mapping[str, object], git: GitData) -> bytes:
    """A JSON:API document with those attributes that say something, and the commit if there is one."""
    attributes = {name: value for name, value in given.items() if value not in (None, "", [])}
    if git.commit_sha is not None:
        attributes["git"] = {"commit_sha": git.commit_sha.hex(), "repository_url": git.url}
    return msgspec.json.encode({"data": {"attributes": attributes}})


def parse_name(pointer: str, value: str | None, *, longest: int = LONGEST_NAME) -> str:
    """A name, trimmed; "" when absent."""
    name = (value or "").strip()
    if len(name) > longest:
        raise InvalidError(pointer, f"It is longer than {longest} characters.")
    return name


def parse_version(pointer: str, value: str | None) -> str:
    """A version, verbatim; "" when absent or blank."""
    if value is None or not value.strip():
        return ""
    if len(value) > LONGEST_VERSION:
        raise InvalidError(pointer, f"It is longer than {LONGEST_VERSION} characters.")
    return value


def parse_instant(pointer: str, value: int | None) -> Instant:
    """A required Unix time in seconds, milliseconds, microseconds or nanoseconds, told apart by magnitude."""
    if value is None:
        raise InvalidError(pointer, "A Unix time in seconds, milliseconds, microseconds or nanoseconds is required.")
    instant = from_api_number(value)
    if instant is None:
        raise InvalidError(pointer, "The time lies outside the years 1970 to 2261.")
    return instant


def parse_git(pointer: str, told: GitShape | None, web_roots: WebRoots) -> GitData:
    """Commit and repository: both, or neither."""
    if told is None:
        return GitData()
    if not told.commit_sha:
        raise InvalidError(f"{pointer}/commit_sha", "The commit is required where git is given.")
    commit_sha = parse_sha(f"{pointer}/commit_sha", told.commit_sha)
    if not told.repository_url or not told.repository_url.strip():
        raise InvalidError(f"{pointer}/repository_url", "The repository is required where git is given.")
    url, repository = parse_repository_url(f"{pointer}/repository_url", told.repository_url, web_roots)
    return GitData(commit_sha, url, repository)


def parse_sha(pointer: str, value: str) -> Sha:
    """A full commit id."""
    text = value.strip()
    if not _SHA.fullmatch(text):
        raise InvalidError(pointer, "A full commit id of 40 or 64 hexadecimal digits is required.")
    return bytes.fromhex(text)


def parse_repository_url(pointer: str, value: str, web_roots: WebRoots) -> tuple[str, str]:
    """A repository's URL without credentials, and its RepositoryId."""
    try:
        return without_credentials(value), repository_id(value, web_roots=web_roots)
    except RepositoryUrlError as error:
        raise InvalidError(pointer, _sentence(str(error))) from None


def parse_id(pointer: str, value: str | None) -> str:
    """An id of the sender's; "" when absent."""
    if value is None:
        return ""
    if not _ID.fullmatch(value):
        raise InvalidError(pointer, "An id has 16 to 128 characters out of A-Z a-z 0-9 . _ : -")
    return value


def parse_tags(pointer: str, values: Sequence[str] | None) -> tuple[str, ...]:
    """Tags of the form key:value, each once, in the order given."""
    if values is not None and len(values) > MOST_TAGS:
        raise InvalidError(pointer, f"There are more than {MOST_TAGS} tags.")
    tags = []
    for i, value in enumerate(values or ()):
        key, colon, rest = value.strip().partition(":")
        if not (key.strip() and colon and rest.strip()):
            raise InvalidError(f"{pointer}/{i}", "A tag has the form key:value.")
        tags.append(parse_name(f"{pointer}/{i}", value))
    return tuple(dict.fromkeys(tags))


def _pointer(path: str) -> str:
    """`$.data.attributes.custom_tags[3]` as a JSON pointer."""
    return "".join(f"/{index or name}" for index, name in _STEP.findall(path)).removesuffix("/...")


def _sentence(detail: str) -> str:
    text = detail.partition(" - at `")[0].replace(" | null`", "`")
    return text[:1].upper() + text[1:].removesuffix(".") + "."
