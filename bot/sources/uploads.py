"""What `datadog-ci git-metadata upload` sends: bytes to values, or the field that is wrong. Unknown fields are ignored."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Raw, Struct

from bot.dora.commits import Sha
from bot.dora.repositories import NO_ROOTS, RepositoryId, WebRoots
from bot.sources.fields import InvalidError, decode, parse_repository_url, parse_sha

MOST_ASKED = 10_000
"""Commits that may be asked for at once; the client asks for at most 1,000."""
MOST_FILES = 1_000_000
LARGEST_LIST = 24 * 2**20
"""Bytes of a list of tracked files; 280,000 paths take about 5 MB."""
LARGEST_QUESTION = 2**20
LARGEST_NOTE = 64 * 2**10
"""Bytes of the small JSON parts."""

MOST_PARTS = 16
LONGEST_HEADERS = 8 * 2**10
"""Bytes of the headers of a part."""

_BOUNDARY = re.compile(r"""multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s";]{1,70}))""", re.IGNORECASE)
_NAME = re.compile(rb"""^content-disposition:\s*form-data\s*;(?:[^\r\n]*;)?\s*name="?([A-Za-z]{1,40})"?""", re.IGNORECASE | re.MULTILINE)
_LOWER_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which of these commits of a repository does the server have?"""

    repository: RepositoryId
    commits: tuple[Sha, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A commit of a repository, for which something is sent."""

    repository: RepositoryId
    commit: Sha


class _Commit(Struct):
    id: str | None = None


class _Meta(Struct):
    repository_url: str | None = None


class _Question(Struct):
    meta: _Meta | None = None
    data: list[_Commit] | None = None


class _Pushed(Struct):
    meta: _Meta | None = None
    data: _Commit | None = None


class _Event(Struct):
    git_commit_sha: str | None = None
    git_repository_url: str | None = None


class _Files(Struct):
    files: list[Raw] | None = None
    hash: str | None = None
    repository_url: str | None = None


class _List(Struct):
    data: list[_Files] | None = None


def split_parts(content_type: str, body: bytes, names: Sequence[str]) -> dict[str, bytes]:
    """The parts of these names of a multipart body, each once, the others left out; raises InvalidError when one is missing."""
    found = _BOUNDARY.match(content_type)
    if found is None or not (boundary := found[1] or found[2]).isascii():
        raise InvalidError("", "The body has the type multipart/form-data, with a boundary.")
    delimiter = b"--" + boundary.encode()
    parts: dict[str, bytes] = {}
    at = body.find(delimiter)
    for _ in range(MOST_PARTS):
        start = at + len(delimiter)
        if at < 0 or body[start : start + 2] == b"--":
            break
        head = body.find(b"\r\n\r\n", start, start + LONGEST_HEADERS)
        at = body.find(b"\r\n" + delimiter, head + 4)
        if head < 0 or at < 0:
            raise InvalidError("", "The multipart body is cut off.")
        named = _NAME.search(body[start:head].lstrip(b"\r\n"))
        name = named[1].decode() if named else ""
        if name in names:
            parts.setdefault(name, body[head + 4 : at])
        at += 2
    for name in names:
        if name not in parts:
            raise InvalidError(f"/{name}", f"The part {name} is required.")
    return parts


def parse_question(body: bytes, *, web_roots: WebRoots = NO_ROOTS) -> Asked:
    """The body of search_commits; raises InvalidError."""
    told = decode(_Question, body, max_bytes=LARGEST_QUESTION)
    if told.data is None:
        raise InvalidError("/data", "The list of commits is required.")
    if len(told.data) > MOST_ASKED:
        raise InvalidError("/data", f"There are more than {MOST_ASKED} commits.")
    repository = _repository("/meta/repository_url", told.meta.repository_url if told.meta else None, web_roots)
    commits = []
    for i, commit in enumerate(told.data):
        if not _LOWER_SHA.fullmatch(commit.id or ""):
            raise InvalidError(f"/data/{i}/id", "A full commit id of 40 or 64 lower case hexadecimal digits is required.")
        commits.append(bytes.fromhex(commit.id or ""))
    return Asked(repository=repository, commits=tuple(dict.fromkeys(commits)))


def parse_pushed(body: bytes, *, web_roots: WebRoots = NO_ROOTS) -> Named:
    """The part `pushedSha` of a pack; raises InvalidError."""
    told = decode(_Pushed, body, max_bytes=LARGEST_NOTE)
    repository = _repository("/meta/repository_url", told.meta.repository_url if told.meta else None, web_roots)
    return Named(repository=repository, commit=parse_sha("/data/id", (told.data.id if told.data else None) or ""))


def parse_event(body: bytes, *, web_roots: WebRoots = NO_ROOTS) -> Named:
    """The part `event` of a list of tracked files; raises InvalidError."""
    told = decode(_Event, body, max_bytes=LARGEST_NOTE)
    repository = _repository("/git_repository_url", told.git_repository_url, web_roots)
    return Named(repository=repository, commit=parse_sha("/git_commit_sha", told.git_commit_sha or ""))


def count_files(body: bytes) -> int:
    """How many files the part `repository` of such a list names; raises InvalidError."""
    if body.count(b",") > 2 * MOST_FILES:
        # Before it takes memory: an item is two bytes on the wire, and a hundred here.
        raise InvalidError("/data/0/files", f"There are more than {MOST_FILES} files.")
    told = decode(_List, body, max_bytes=LARGEST_LIST)
    if not told.data:
        raise InvalidError("/data", "The list of files is required.")
    files = sum(len(one.files or ()) for one in told.data)
    if files > MOST_FILES:
        raise InvalidError("/data/0/files", f"There are more than {MOST_FILES} files.")
    return files


def _repository(pointer: str, url: str | None, web_roots: WebRoots) -> RepositoryId:
    if not url or not url.strip():
        raise InvalidError(pointer, "The URL of the repository is required.")
    return parse_repository_url(pointer, url, web_roots)[1]
