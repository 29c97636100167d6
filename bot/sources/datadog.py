"""Deployments as the original's clients report them (`POST /api/v2/dora/deployment`): bytes to values, or the field that is wrong.

Rules: unknown attributes are ignored, `null` means absent; credentials in a repository's URL are cut off here, before anything is
stored, logged or echoed (the command line client sends them as they stand in the CI's remote).
"""

import re
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from bot.dora.commits import Sha
from bot.dora.events import NewDeployment
from bot.dora.instants import Instant, from_api_number
from bot.dora.repositories import NO_ROOTS, RepositoryUrlError, WebRoots, repository_id, without_credentials
from bot.guard import GuardError, decode_json_as

LARGEST_BODY = 1024 * 1024
LONGEST_NAME = 200
LONGEST_VERSION = 500
MOST_TAGS = 100

_ID = re.compile(r"[A-Za-z0-9._:-]{16,128}")
_SHA = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_INDEX = re.compile(r"\[(\d+|\.\.\.)\]")

_Number = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


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


class _Git(Struct):
    commit_sha: str | None = None
    repository_url: str | None = None


class _Attributes(Struct):
    service: str | None = None
    started_at: _Number | None = None
    finished_at: _Number | None = None
    env: str | None = None
    version: str | None = None
    team: str | None = None
    id: str | None = None
    git: _Git | None = None
    custom_tags: list[str] | None = None


class _Data(Struct):
    attributes: _Attributes | None = None


class _Document(Struct):
    data: _Data | None = None


def parse_deployment(body: bytes, *, web_roots: WebRoots = NO_ROOTS) -> NewDeployment:
    """The deployment in a request's body (not compressed); raises InvalidError for the first field that is wrong."""
    try:
        document = decode_json_as(_Document, body, max_bytes=LARGEST_BODY)
    except GuardError as error:
        raise InvalidError(_pointer(error.path), _sentence(error.detail)) from None
    if document.data is None:
        raise InvalidError("/data", "The object data is required.")
    told = document.data.attributes
    if told is None:
        raise InvalidError("/data/attributes", "The object attributes is required.")
    service = _name("service", told.service)
    if not service:
        raise InvalidError("/data/attributes/service", "The name of the service is required.")
    started_at = _instant("started_at", told.started_at)
    finished_at = _instant("finished_at", told.finished_at)
    if finished_at < started_at:
        raise InvalidError("/data/attributes/finished_at", "It finished before it started.")
    commit_sha, repository_url, repository = _git(told.git, web_roots)
    return NewDeployment(
        id=_id(told.id),
        service=service,
        env=_name("env", told.env),
        version=_version(told.version),
        repository_url=repository_url,
        repository=repository,
        commit_sha=commit_sha,
        started_at=started_at,
        finished_at=finished_at,
        team=_name("team", told.team),
        tags=_tags(told.custom_tags),
        source="api",
    )


def _name(field: str, value: str | None) -> str:
    name = (value or "").strip()
    if len(name) > LONGEST_NAME:
        raise InvalidError(f"/data/attributes/{field}", f"It is longer than {LONGEST_NAME} characters.")
    return name


def _version(value: str | None) -> str:
    if value is None or not value.strip():
        return ""
    if len(value) > LONGEST_VERSION:
        raise InvalidError("/data/attributes/version", f"It is longer than {LONGEST_VERSION} characters.")
    return value


def _instant(field: str, value: int | None) -> Instant:
    pointer = f"/data/attributes/{field}"
    if value is None:
        raise InvalidError(pointer, "A Unix time in seconds, milliseconds, microseconds or nanoseconds is required.")
    instant = from_api_number(value)
    if instant is None:
        raise InvalidError(pointer, "The time lies outside the years 1970 to 2261.")
    return instant


def _git(told: _Git | None, web_roots: WebRoots) -> tuple[Sha | None, str, str]:
    if told is None:
        return None, "", ""
    pointer = "/data/attributes/git"
    if not told.commit_sha:
        raise InvalidError(f"{pointer}/commit_sha", "The commit is required where git is given.")
    commit_sha = told.commit_sha.strip()
    if not _SHA.fullmatch(commit_sha):
        raise InvalidError(f"{pointer}/commit_sha", "A full commit id of 40 or 64 hexadecimal digits is required.")
    if not told.repository_url or not told.repository_url.strip():
        raise InvalidError(f"{pointer}/repository_url", "The repository is required where git is given.")
    try:
        repository = repository_id(told.repository_url, web_roots=web_roots)
    except RepositoryUrlError as error:
        raise InvalidError(f"{pointer}/repository_url", _sentence(str(error))) from None
    return bytes.fromhex(commit_sha), without_credentials(told.repository_url), repository


def _id(value: str | None) -> str:
    if value is None:
        return ""
    if not _ID.fullmatch(value):
        raise InvalidError("/data/attributes/id", "An id has 16 to 128 characters out of A-Z a-z 0-9 . _ : -")
    return value


def _tags(values: list[str] | None) -> tuple[str, ...]:
    if values is not None and len(values) > MOST_TAGS:
        raise InvalidError("/data/attributes/custom_tags", f"There are more than {MOST_TAGS} tags.")
    tags = []
    for i, value in enumerate(values or ()):
        pointer = f"/data/attributes/custom_tags/{i}"
        key, colon, rest = value.strip().partition(":")
        if not (key.strip() and colon and rest.strip()):
            raise InvalidError(pointer, "A tag has the form key:value.")
        tags.append(_name(f"custom_tags/{i}", value))
    return tuple(dict.fromkeys(tags))


def _pointer(path: str) -> str:
    """`$.data.attributes.custom_tags[3]` as a JSON pointer."""
    return _INDEX.sub(r"/\1", path.removeprefix("$").replace(".", "/")).removesuffix("/...")


def _sentence(detail: str) -> str:
    text = detail.partition(" - at `")[0].replace(" | null`", "`")
    return text[:1].upper() + text[1:].removesuffix(".") + "."


def render_deployment(new: NewDeployment) -> bytes:
    """A deployment as a request's body again, every value as it was taken (instants in nanoseconds, no credentials)."""
    attributes: dict[str, object] = {"service": new.service, "started_at": new.started_at, "finished_at": new.finished_at}
    given = {"env": new.env, "version": new.version, "team": new.team, "id": new.id, "custom_tags": list(new.tags)}
    attributes |= {name: value for name, value in given.items() if value}
    if new.commit_sha is not None:
        attributes["git"] = {"commit_sha": new.commit_sha.hex(), "repository_url": new.repository_url}
    return msgspec.json.encode({"data": {"attributes": attributes}})
