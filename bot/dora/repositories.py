"""Repository ids: one text for all spellings of one remote, and links into a repository.

A `RepositoryId` is `host[:port]/path`, lower case, without scheme, userinfo, `.git` and trailing slash. The port of an ssh
remote tells nothing of the web host and is dropped; `web_roots` says what a host cannot say of itself: under which path, or
under which other name, its web pages lie.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

RepositoryId = str
WebRoots = Mapping[str, str]
"""host[:port] → `/root` (a relative web root) or `other.host[:port][/root]` (where the web pages of an ssh host lie)."""
NO_ROOTS: WebRoots = MappingProxyType({})

MAX_URL = 2048
MAX_SEGMENTS = 40
"""GitLab nests 20 groups deep; the rest is for the path of a link's ref."""
HOST_ALIASES = {
    "ssh.github.com": "github.com",
    "www.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "www.gitlab.com": "gitlab.com",
}
_SSH_OVER_443 = frozenset({"ssh.github.com", "altssh.gitlab.com"})
_DEFAULT_PORTS = {"http": 80, "https": 443, "git": 9418}
_SSH = frozenset({"ssh", "git+ssh", "ssh+git"})
_WRAPPED = {"git+http": "http", "git+https": "https"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_SCP = re.compile(r"(?:(?P<user>[^@/\s]+)@)?(?P<host>\[[^\]\s]*\]|[^:/@\s\[\]]+):(?P<path>.+)")
_BARE_HOST = re.compile(r"(?:[^@:\[\]]+|\[[^\]@]*\])(?::[0-9]{1,5})?|")
_USERINFO = re.compile(r"[^/@]+@")
"""What follows the colon of `user:password@host/path`, which looks like scp's `host:path` otherwise."""
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")

FOLDER_VERBS = frozenset({"tree"})
FILE_VERBS = frozenset({"blob", "edit", "blame", "raw", "commits"})
"""`commits` shows the history of a file or of a folder; a pattern for a file matches a folder of that name too."""
USUAL_REFS = frozenset({"main", "master", "HEAD", "trunk", "develop"})
_HEX_REF = re.compile(r"[0-9a-f]{7,64}")


class RepositoryUrlError(ValueError):
    """Not the URL of a repository, or of a source in one. Its text holds no credentials."""

    slug = "repository_url"


@unique
class LinkKind(StrEnum):
    """What a link into a repository shows."""

    REPOSITORY = "repository"
    FOLDER = "folder"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLink:
    """A link into a repository. `rest` are the decoded segments of ref and path together; `split_ref` parts them."""

    repository: RepositoryId
    kind: LinkKind
    rest: tuple[str, ...] = ()
    ref_type: str = ""
    """`heads` or `tags` where the link says it, else ""."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefSplit:
    """A link's `rest` parted into ref and path ("" = the root). `warning` is "" or says what was uncertain."""

    ref: str
    path: str
    warning: str = ""


@dataclass(frozen=True, slots=True)
class _Remote:
    """A URL taken apart: `web` for the schemes of web pages; `host` lower case with a telling port; `path` and `query` as written."""

    web: bool
    host: str
    path: str
    query: str


def repository_id(url: str, *, web_roots: WebRoots = NO_ROOTS) -> RepositoryId:
    """The id behind any spelling of a remote's URL; of a link into it too. Raises RepositoryUrlError."""
    remote = _take_apart(url)
    host, segments = _below_web_root(remote, _segments(remote.path), web_roots)
    repository, _, _ = _split_link(host, segments)
    return _identity(host, repository)


def parse_source_link(url: str, *, web_roots: WebRoots = NO_ROOTS) -> SourceLink:
    """A link to a repository, a folder or a file in it, on GitHub or GitLab. Raises RepositoryUrlError for other pages."""
    remote = _take_apart(url)
    host, segments = _below_web_root(remote, _segments(remote.path), web_roots)
    repository, verb, rest = _split_link(host, segments)
    identity = _identity(host, repository)
    if not verb:
        return SourceLink(repository=identity, kind=LinkKind.REPOSITORY)
    if verb not in FOLDER_VERBS and verb not in FILE_VERBS:
        raise RepositoryUrlError(f"a page of {identity} that shows no source: /{verb}")
    if not rest:
        return SourceLink(repository=identity, kind=LinkKind.REPOSITORY)
    kind = LinkKind.FOLDER if verb in FOLDER_VERBS else LinkKind.FILE
    return SourceLink(repository=identity, kind=kind, rest=rest, ref_type=_ref_type(remote.query))


def split_ref(rest: tuple[str, ...], *, branches: Collection[str], tags: Collection[str], ref_type: str = "") -> RefSplit:
    """Part `ref/path` by the known refs: the longest branch, else tag, else a sha, else the first segment with a warning."""
    whole = "/".join(rest)
    branch, tag = _longest_prefix(whole, branches), _longest_prefix(whole, tags)
    if branch and tag:
        warning = "" if ref_type else f"both a branch ({branch}) and a tag ({tag}) fit; taken as the branch"
        return _split_at(whole, tag if ref_type == "tags" else branch, warning)
    if branch or tag:
        return _split_at(whole, branch or tag)
    first = rest[0]
    if _HEX_REF.fullmatch(first) or first == "HEAD" or (first in USUAL_REFS and not branches):
        return _split_at(whole, first)
    return _split_at(whole, first, f"no branch or tag of that name is known; taken as the ref {first}")


def without_credentials(url: str) -> str:
    """A URL as it may be stored and shown: no password, token, query or fragment; a bare ssh user stays."""
    text = re.split(r"[?#]", url.strip(), maxsplit=1)[0]
    scheme = _SCHEME.match(text)
    if scheme:
        return scheme[0] + _without_userinfo(text[scheme.end() :], ssh=scheme[1].lower() in _SSH)
    scp = _SCP.fullmatch(text)
    if not scp or _is_misspelt(scp):
        return text.rpartition("@")[2]
    user = scp["user"] or ""
    return f"{user}@{scp['host']}:{scp['path']}" if user and ":" not in user else f"{scp['host']}:{scp['path']}"


def _is_misspelt(scp: re.Match[str]) -> bool:
    """Whether what looks like `host:path` is `user:password@host/path`, or a URL that lost a slash (`https:/host/path`)."""
    lost = not scp["user"] and scp["host"].lower() in {*_DEFAULT_PORTS, *_SSH, *_WRAPPED}
    return lost or (not scp["user"] and _USERINFO.match(scp["path"].lstrip("/")) is not None)


def _without_userinfo(text: str, *, ssh: bool) -> str:
    text = text.lstrip("/")
    authority, slash, path = text.partition("/")
    userinfo, at, host = authority.rpartition("@")
    if not at and "@" in path and re.search(r":(?![0-9]*$)", authority):
        # A password with an unescaped slash: what looks like the authority is the user's name.
        return text.rpartition("@")[2]
    kept = f"{userinfo}@" if at and ssh and ":" not in userinfo else ""
    return kept + host + slash + path


def _take_apart(url: str) -> _Remote:
    text = url.strip()
    if len(text) > MAX_URL:
        raise RepositoryUrlError(f"a URL longer than {MAX_URL} characters")
    if not text or _FORBIDDEN.search(text):
        raise RepositoryUrlError("not a URL: it is empty, or holds spaces, backslashes or control characters")
    text, _, fragmentless = text.partition("#")[0].partition("?")
    scheme = _SCHEME.match(text)
    if scheme:
        return _with_scheme(scheme[1].lower(), text[scheme.end() :], fragmentless)
    if _BARE_HOST.fullmatch(text.partition("/")[0]):
        return _without_scheme(text, fragmentless)
    scp = _SCP.fullmatch(text)
    if not scp or text.startswith("-") or _is_misspelt(scp):
        raise RepositoryUrlError(f"not the URL of a repository: {without_credentials(text)}")
    path = scp["path"]
    host = scp["host"].lower()
    if host in _SSH_OVER_443:
        path = path.removeprefix("443/")
    return _Remote(False, _host(host), path, fragmentless)


def _with_scheme(scheme: str, text: str, query: str) -> _Remote:
    scheme = _WRAPPED.get(scheme, scheme)
    if scheme not in _DEFAULT_PORTS and scheme not in _SSH:
        raise RepositoryUrlError(f"{scheme}:// is not a remote that can be known by its URL")
    authority, _, path = text.partition("/")
    host, port = _host_and_port(authority.rpartition("@")[2])
    if scheme in _SSH or port == _DEFAULT_PORTS[scheme]:
        port = None
    return _Remote(scheme in ("http", "https"), host if port is None else f"{host}:{port}", path, query)


def _without_scheme(text: str, query: str) -> _Remote:
    authority, slash, path = text.partition("/")
    host, port = _host_and_port(authority)
    if not slash or not ("." in host or port is not None or host in ("local", "localhost")):
        raise RepositoryUrlError(f"not the URL of a repository: {text}")
    return _Remote(True, host if port is None else f"{host}:{port}", path, query)


def _host_and_port(text: str) -> tuple[str, int | None]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return _host(text), None
    if not port:
        return _host(host), None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65_536:
        raise RepositoryUrlError("not a port after the host's name")
    return _host(host), int(port)


def _host(text: str) -> str:
    host = text.lower().removesuffix(".")
    if not host.isascii() and len(host) <= 253:
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            host = ""
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise RepositoryUrlError("not the name of a host")
    return HOST_ALIASES.get(host, host)


def _segments(path: str) -> tuple[str, ...]:
    """The decoded segments; decoding comes after splitting, so that `%2F` stays inside one."""
    segments = []
    for raw in path.split("/"):
        if not raw:
            continue
        try:
            segment = unquote_to_bytes(raw).decode() if "%" in raw else raw
        except UnicodeDecodeError as error:
            raise RepositoryUrlError("the path is not UTF-8") from error
        if any(part in (".", "..") for part in segment.split("/")) or re.search(r"[\x00-\x1f\x7f]", segment):
            raise RepositoryUrlError("the path holds `.`, `..` or control characters")
        segments.append(segment)
    return tuple(segments)


def _below_web_root(remote: _Remote, segments: tuple[str, ...], web_roots: WebRoots) -> tuple[str, tuple[str, ...]]:
    told = web_roots.get(remote.host, "")
    name, _, root = told.partition("/")
    host = name.lower() or remote.host
    if name and not root:
        root = web_roots.get(host, "").partition("/")[2]
    parts = tuple(part for part in root.split("/") if part)
    if remote.web and parts and tuple(segment.lower() for segment in segments[: len(parts)]) == tuple(map(str.lower, parts)):
        segments = segments[len(parts) :]
    return host, segments


def _split_link(host: str, segments: tuple[str, ...]) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """(repository, verb, ref and path): GitLab's `/-/`, else the first verb after two segments; GitHub has exactly two."""
    if host != "github.com":
        if "-" in segments[2:]:
            at = segments.index("-", 2)
            return segments[:at], segments[at + 1] if at + 1 < len(segments) else "", segments[at + 2 :]
        for at in range(2, len(segments)):
            if segments[at] in FOLDER_VERBS or segments[at] in FILE_VERBS:
                return segments[:at], segments[at], segments[at + 1 :]
        return segments, "", ()
    return segments[:2], segments[2] if len(segments) > 2 else "", segments[3:]


def _identity(host: str, segments: tuple[str, ...]) -> RepositoryId:
    names = [segment.lower() for segment in segments]
    if names:
        names[-1] = names[-1].removesuffix(".git")
    if not names or not all(names) or names[-1] in (".", "..") or (host == "github.com" and len(names) != 2) or len(names) > MAX_SEGMENTS:
        raise RepositoryUrlError(f"no repository is named after the host {host}")
    if any(set(name) & {"/", "%"} or name == "-" for name in names):
        raise RepositoryUrlError("a repository's path holds an encoded slash, a percent sign, or `-` for a name")
    return f"{host}/{'/'.join(names)}"


def _ref_type(query: str) -> str:
    for pair in query.split("&"):
        if pair in ("ref_type=heads", "ref_type=tags"):
            return pair.removeprefix("ref_type=")
    return ""


def _longest_prefix(whole: str, names: Collection[str]) -> str:
    """The longest known name that `whole` begins with, on a segment's boundary; "" if none."""
    candidate = whole
    while candidate:
        if candidate in names:
            return candidate
        candidate = candidate.rpartition("/")[0]
    return ""


def _split_at(whole: str, ref: str, warning: str = "") -> RefSplit:
    return RefSplit(ref=ref, path=whole[len(ref) :].strip("/"), warning=warning)
