"""The paths of a service: which files its definition claims, and which paths of a repository those are.

Patterns have gitignore's meaning (pathspec's GitIgnoreSpec), matched by RE2 in linear time. A path that is not UTF-8 is matched
in an escaped copy in which each odd byte is one character, so that nothing a repository holds is beyond a pattern.
"""

import re
import warnings
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass

import re2  # without it pathspec would match with a backtracking engine: fail here, loudly
from pathspec import GitIgnoreSpec

from bot.dora.definitions import RepoLink, ServiceDefinition
from bot.dora.repositories import (
    NO_ROOTS,
    LinkKind,
    RepositoryId,
    RepositoryUrlError,
    SourceLink,
    WebRoots,
    parse_source_link,
    repository_id,
    split_ref,
)

EVERYTHING = "**"
MAX_PATTERN = 256
MAX_PATTERNS = 200
MAX_WILDCARDS = 200
"""`*`, `?` and `[` within names (`*.py`, but not `**/` or `*/`) over all patterns of a service: each makes RE2's work longer."""
MAX_WILDCARDS_EACH = 40
NOT_LINKED = "repository_not_linked"
"""Flag: the definition links to code, but to none in this deployment's repository."""

_ODD = 0x10FF00
"""The last 256 code points: private, and in no path that anyone names. Odd byte b stands there as `_ODD + b`."""
_ODD_CHARACTERS = re.compile("[\ud800-\udfff\n\U0010ff00-\U0010ffff]")


class PatternError(ValueError):
    """A pattern that cannot be used."""

    slug = "pattern"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """What a service claims of one repository. `origin` says where it comes from; `flag` is "" or NOT_LINKED."""

    patterns: tuple[str, ...]
    origin: str
    warnings: tuple[str, ...] = ()
    flag: str = ""


class SortedPaths:
    """All distinct paths of a repository with their ids, sorted, to be matched many times."""

    __slots__ = ("_texts", "ids", "paths")

    def __init__(self, paths: Iterable[tuple[int, bytes]]) -> None:
        """From (id, path) pairs in any order."""
        pairs = sorted((path, number) for number, path in paths)
        self.paths: list[bytes] = [path for path, _ in pairs]
        self.ids: list[int] = [number for _, number in pairs]
        self._texts: list[str] | None = None

    @property
    def texts(self) -> list[str]:
        """The paths as text, in the same order."""
        if self._texts is None:
            self._texts = [path_text(path) for path in self.paths]
        return self._texts


class PathMatcher:
    """Compiled patterns. Raises PatternError for patterns that `check_patterns` refuses."""

    __slots__ = ("_exact", "_prefixes", "_spec", "everything", "patterns")

    def __init__(self, patterns: Sequence[str]) -> None:
        wrong = check_patterns(patterns)
        if wrong:
            raise PatternError(wrong)
        self.patterns = tuple(normalised(pattern) for pattern in patterns)
        self.everything: bool = all(pattern in (EVERYTHING, "/" + EVERYTHING) for pattern in self.patterns)
        self._exact: tuple[bytes, ...] = ()
        self._prefixes: tuple[bytes, ...] = ()
        rest: list[str] = []
        if any(pattern.startswith("!") for pattern in self.patterns):
            rest = list(self.patterns)  # the order counts: nothing can be taken out
        else:
            for pattern in self.patterns:
                self._add(pattern, rest)
        self._spec = _compile(rest) if rest else None

    def _add(self, pattern: str, rest: list[str]) -> None:
        folder, path = _literal(pattern)
        if path is None:
            rest.append(pattern)
            return
        self._prefixes += (path + b"/",)
        if not folder:
            self._exact += (path,)

    def matches(self, path: bytes) -> bool:
        """Whether the patterns select `path` (from the repository's root, no leading slash)."""
        if self.everything or path in self._exact or path.startswith(self._prefixes):
            return True
        return self._spec is not None and self._spec.match_file(path_text(path))

    def matching(self, paths: SortedPaths) -> set[int]:
        """The ids of all paths that the patterns select."""
        if self.everything:
            return set(paths.ids)
        found: set[int] = set()
        for prefix in self._prefixes:
            start = bisect_left(paths.paths, prefix)
            found.update(paths.ids[start : bisect_left(paths.paths, prefix[:-1] + b"0", start)])  # "0" follows "/"
        for path in self._exact:
            at = bisect_left(paths.paths, path)
            if at < len(paths.paths) and paths.paths[at] == path:
                found.add(paths.ids[at])
        if self._spec is not None:
            match = self._spec.match_file
            found.update(number for number, text in zip(paths.ids, paths.texts, strict=True) if match(text))
        return found


def patterns_of(
    definition: ServiceDefinition | None,
    *,
    service: str,
    repository: RepositoryId,
    branches: Collection[str] = (),
    tags: Collection[str] = (),
    names: Collection[RepositoryId] = (),
    web_roots: WebRoots = NO_ROOTS,
) -> Patterns:
    """The patterns of `service` in `repository` (semantics §7); refs are known names without `refs/heads/`, `refs/tags/`.

    `names` are old ones that mean the repository still.
    """
    if definition is None:
        return Patterns(patterns=(EVERYTHING,), origin="no definition")
    if definition.source_patterns is not None:
        given = tuple(normalised(pattern) for pattern in definition.source_patterns)
        told = tuple(filter(None, map(pattern_warning, definition.source_patterns)))
        return Patterns(patterns=given, origin=_at("source_patterns", definition), warnings=told)
    return _from_links(definition, service, {repository, *names}, branches, tags, web_roots)


def _from_links(
    definition: ServiceDefinition,
    service: str,
    names: AbstractSet[RepositoryId],
    branches: Collection[str],
    tags: Collection[str],
    web_roots: WebRoots,
) -> Patterns:
    named = [link for link in definition.links if counts(link, service)]
    patterns: dict[str, str] = {}
    told: list[str] = []
    for link in named:
        try:
            source = parse_source_link(link.url, web_roots=web_roots)
            if source.repository not in names:
                continue
            pattern, warning = link_pattern(source, branches=branches, tags=tags)
            wrong = check_pattern(pattern)
            if wrong:
                raise PatternError(wrong)
        except (RepositoryUrlError, PatternError) as error:
            told.append(f"the link {link.name} does not count: {error}")
            continue
        patterns.setdefault(pattern, link.name)
        told += [f"link {link.name}: {warning}"] if warning else []
    if EVERYTHING in patterns and len(patterns) > 1:
        told.append("a link to the whole repository makes the links to its folders void")
        patterns = {EVERYTHING: patterns[EVERYTHING]}
    too_many = check_patterns(tuple(patterns)) if patterns else None
    if too_many:
        told.append(too_many)
        patterns = {}
    located = _from_code_locations(definition, names, web_roots)
    if located and patterns.keys() <= {EVERYTHING}:
        # A link to the whole repository says where it is, not which part is meant.
        return Patterns(patterns=located, origin=_at("codeLocations", definition), warnings=tuple(told))
    if patterns:
        origin = _at("link " + ", ".join(dict.fromkeys(patterns.values())), definition)
        return Patterns(patterns=tuple(patterns), origin=origin, warnings=tuple(told))
    if _means_its_own(definition) and definition.repository in names:
        return Patterns(patterns=(EVERYTHING,), origin=_at("the repository that holds the definition", definition))
    elsewhere = bool(named or definition.code_locations or definition.repository)
    origin = _at("no link into this repository" if elsewhere else "no source_patterns and no source link", definition)
    return Patterns(patterns=(EVERYTHING,), origin=origin, warnings=tuple(told), flag=NOT_LINKED if elsewhere else "")


def _from_code_locations(
    definition: ServiceDefinition, names: AbstractSet[RepositoryId], web_roots: WebRoots
) -> tuple[str, ...]:
    found: list[str] = []
    for location in definition.code_locations:
        with suppress(RepositoryUrlError):  # `validate` and the definitions page say so
            if repository_id(location.url, web_roots=web_roots) in names:
                found += map(normalised, location.paths or (EVERYTHING,))
    return tuple(dict.fromkeys(found))


def _means_its_own(definition: ServiceDefinition) -> bool:
    """Whether it names no code, so that it speaks of the repository it was found in."""
    return not definition.code_locations and not any(counts(link, definition.service) for link in definition.links)


def counts(link: RepoLink, service: str) -> bool:
    """Whether a repo link names the service's source: it is called `Source` or like the service."""
    return link.name.strip().lower() in ("source", service.strip().lower())


def linked_repositories(definition: ServiceDefinition | None, *, web_roots: WebRoots = NO_ROOTS) -> set[str]:
    """The repositories that a definition names: by source links and code locations, else the one that holds it."""
    if definition is None:
        return set()
    if _means_its_own(definition):
        return {definition.repository} - {""}
    names = set()
    for link in definition.links:
        with suppress(RepositoryUrlError):  # `validate` and the definitions page say so
            if counts(link, definition.service):
                names.add(parse_source_link(link.url, web_roots=web_roots).repository)
    for location in definition.code_locations:
        with suppress(RepositoryUrlError):
            names.add(repository_id(location.url, web_roots=web_roots))
    return names


def link_pattern(link: SourceLink, *, branches: Collection[str], tags: Collection[str]) -> tuple[str, str]:
    """(pattern, warning or "") of a link: the folder with all below it, the one file, or everything."""
    if link.kind is LinkKind.REPOSITORY:
        return EVERYTHING, ""
    split = split_ref(link.rest, branches=branches, tags=tags, ref_type=link.ref_type)
    if not split.path:
        return EVERYTHING, split.warning
    path = escaped(split.path)
    if link.kind is LinkKind.FOLDER:
        return f"{path}/**", split.warning
    return path if "/" in path else f"/{path}", split.warning


def escaped(path: str) -> str:
    """A path as a pattern that means exactly it."""
    pattern = re.sub(r"[\\\[\]!*#?]", r"\\\g<0>", path)
    return pattern if not pattern[-1:].isspace() else f"{pattern[:-1]}[{pattern[-1]}]"  # gitignore cuts trailing spaces


def normalised(pattern: str) -> str:
    """`./x` means `/x`; the root itself (`/`, `./`, `.`) means everything in it."""
    sign, body = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    while body.startswith("./"):
        body = "/" + body[2:].lstrip("/")
        if body.startswith("/./"):
            body = body[1:]
    return sign + (EVERYTHING if body in ("/", ".") else body)


def check_patterns(patterns: Sequence[str]) -> str | None:
    """What is wrong with a service's patterns as a whole, or None."""
    if not patterns:
        return "no pattern is given; write `**` for the whole repository"
    if len(patterns) > MAX_PATTERNS:
        return f"{len(patterns)} patterns; at most {MAX_PATTERNS} are allowed"
    for pattern in patterns:
        wrong = check_pattern(pattern)
        if wrong:
            return wrong
    if sum(map(_wildcards, patterns)) > MAX_WILDCARDS:
        return f"the patterns hold more than {MAX_WILDCARDS} of `*`, `?` and `[` in names"
    if all(pattern.startswith("!") for pattern in patterns):
        return "every pattern begins with `!`, so nothing is selected; put `**` first"
    return None


def check_pattern(pattern: str) -> str | None:
    """What is wrong with one pattern, or None."""
    shown = pattern if len(pattern) <= 60 else pattern[:60] + "…"
    if len(pattern) > MAX_PATTERN:
        return f"a pattern of {len(pattern)} characters (at most {MAX_PATTERN}): {shown}"
    if not pattern.strip():
        return "an empty pattern matches nothing"
    if pattern.startswith("#"):
        return f"a pattern that begins with # is a comment to gitignore; write \\{shown}"
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", pattern):
        return "a pattern holds control characters or half a surrogate pair"
    if _wildcards(pattern) > MAX_WILDCARDS_EACH:
        return f"a pattern with more than {MAX_WILDCARDS_EACH} of `*`, `?` and `[` in names: {shown}"
    if _literal(normalised(pattern))[1] is not None:
        return None
    try:
        _compile([normalised(pattern)])
    except PatternError as error:
        return str(error)
    return None


_CLOSED = re.compile(r"\\.|\[[!^]?(?:\][^]]*|[^]]+)\]")
"""What is no open bracket in a part of a pattern: an escaped character, or a whole class."""


def pattern_warning(pattern: str) -> str | None:
    """What its writer may not expect of a valid pattern, or None."""
    body = pattern.removeprefix("!")
    if re.search(r"\{[^{}]*,[^{}]*\}", body):
        return f"{pattern}: braces are not expanded; write one pattern for each alternative"
    if any("[" in _CLOSED.sub("", segment) for segment in body.split("/")):
        return f"{pattern}: matches no file, as its [ never closes; write \\[ for the character itself"
    if "\\" in body:
        return f"{pattern}: a backslash escapes the next character; folders are parted by /"
    segments = normalised(body).split("/")
    if ".." in segments or "" in segments[1:-1]:
        return f"{pattern}: matches no file; write the path from the repository's root, without `..` and `//`"
    if len([segment for segment in segments if segment]) == 1 and segments[0] and not re.search(r"[*?\[]", segments[0]):
        name = segments[0]
        return f"{pattern}: matches {name} in every folder; write /{name} for the one at the root"
    return None


def plain_paths(patterns: Sequence[str]) -> tuple[bytes, ...] | None:
    """The folders and files, from the root, that patterns name literally; `None` when one has wildcards or takes paths out."""
    found = []
    for pattern in map(normalised, patterns):
        path = None if pattern.startswith("!") else _literal(pattern)[1]
        if path is None:
            return None
        found.append(path)
    return tuple(found)


def unmatched(patterns: Patterns, paths: SortedPaths) -> tuple[str, ...]:
    """The patterns that select no path of the repository."""
    return tuple(
        pattern
        for pattern in patterns.patterns
        if not pattern.startswith("!") and paths.ids and not PathMatcher((pattern,)).matching(paths)
    )


def path_text(path: bytes) -> str:
    """A path as text for matching: itself if it is UTF-8, else (and for newlines) one private character per odd byte."""
    text = path.decode("utf-8", "surrogateescape")
    return text if text.isascii() and "\n" not in text else _ODD_CHARACTERS.sub(_as_odd, text)


def path_bytes(text: str) -> bytes:
    """The path behind `path_text`."""
    return b"".join(bytes((ord(char) - _ODD,)) if ord(char) >= _ODD else char.encode() for char in text)


def _as_odd(match: re.Match[str]) -> str:
    return "".join(chr(_ODD + byte) for byte in match[0].encode("utf-8", "surrogateescape"))


def _compile(patterns: Sequence[str]) -> GitIgnoreSpec:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `re`, which pathspec compiles with too, on [[ and [a&&b]
            return GitIgnoreSpec.from_lines(patterns, backend="re2")
    except (ValueError, re.error, re2.error) as error:
        shown = patterns[0] if len(patterns) == 1 else f"one of {len(patterns)} patterns"
        raise PatternError(f"not a pattern: {shown} ({error})") from error


def _literal(pattern: str) -> tuple[bool, bytes | None]:
    """(whether only what lies below, the folder's or file's path), or (…, None) for a pattern with wildcards."""
    folder = pattern.endswith(("/**", "/"))
    body = pattern.removesuffix("**").removesuffix("/") if folder else pattern
    anchored = "/" in (body if not pattern.endswith("/**") else pattern)
    path = body.removeprefix("/")
    if not anchored or not path or path != path.rstrip() or re.search(r"[*?\[\]\\!#]|//|/$|^/", path):
        return folder, None
    return folder, path.encode()


def _wildcards(pattern: str) -> int:
    return sum(sum(map(name.count, "*?[")) for name in pattern.split("/") if name not in ("*", "**"))


def _at(what: str, definition: ServiceDefinition) -> str:
    return f"{what} ({definition.place})" if definition.location else what
