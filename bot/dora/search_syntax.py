r"""The query language of the original's lists, from text to a tree.

Rules:
- A term is `key:value`; terms side by side are ANDed; NOT (or `-`) binds before AND, AND before OR; `*` alone asks for all.
- `*` and `?` are wildcards outside quotes, `\` takes the next character as it stands; `@` before a key is allowed.
- Length, depth and numbers of terms and wildcards are bounded; what is wrong is said with its place.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

LONGEST_QUERY = 8_000
DEEPEST = 30
MOST_TERMS = 200
MOST_WILDCARDS = 20
"""In one value."""

_SPACE = " \t\r\n"
_TAG_PREFIXES = ("@custom_tags.", "@custom.", "@")
_KEYWORDS = ("AND", "OR", "NOT")


class QueryError(Exception):
    """A query cannot be read: `position` is the character, counted from 1; `detail` says in a sentence what to write."""

    slug = "invalid_query"

    def __init__(self, position: int, detail: str) -> None:
        super().__init__(f"character {position}: {detail}")
        self.position = position
        self.detail = detail


class Wild(Enum):
    """A wildcard of a pattern."""

    ANY = "*"
    ONE = "?"


Pattern = tuple[str | Wild, ...]
"""Literal pieces and wildcards; neither two literals nor two `*` stand side by side."""


@dataclass(frozen=True, slots=True)
class Everything:
    """Matches all."""


@dataclass(frozen=True, slots=True)
class Term:
    """One of the key's values looks like the pattern. The key is case-folded."""

    key: str
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not match."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """All parts match; none of them is an And."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Some part matches; none of them is an Or."""

    parts: tuple["Node", ...]


Node = Everything | Term | Not | And | Or


def parse_tree(text: str) -> Node:
    """A query's tree from its text; an empty one asks for all. Raises QueryError."""
    if len(text) > LONGEST_QUERY:
        raise QueryError(LONGEST_QUERY + 1, f"A query has at most {LONGEST_QUERY} characters.")
    if (strange := next((at for at, char in enumerate(text, 1) if "\ud800" <= char <= "\udfff"), None)) is not None:
        raise QueryError(strange, "Half a character stands here.")
    return _Parser(_tokens(text)).whole() if text.strip(_SPACE) else Everything()


class _Kind(Enum):
    OPEN = "("
    CLOSE = ")"
    MINUS = "-"
    KEY = "key"
    VALUE = "value"
    KEYWORD = "keyword"
    END = "end"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: _Kind
    at: int
    text: str = ""
    pattern: Pattern = ()


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        char, after_key = text[at], bool(found) and found[-1].kind is _Kind.KEY
        if after_key and (char in _SPACE or char == ")"):
            raise QueryError(at + 1, f"A value is missing: write {found[-1].text}:value.")
        if char in _SPACE:
            at += 1
            continue
        if char in "()":
            found.append(_Token(_Kind(char), at))
            at += 1
        elif char == "-" and not after_key:
            if text[at + 1 : at + 2].strip(_SPACE) == "":
                raise QueryError(at + 1, "A minus stands right before what it negates, like -env:staging.")
            found.append(_Token(_Kind.MINUS, at))
            at += 1
        elif char == '"':
            token, at = _quoted(text, at)
            found.append(token)
        else:
            token, at = _word(text, at, value=after_key)
            found.append(token)
    if found and found[-1].kind is _Kind.KEY:
        raise QueryError(len(text) + 1, f"A value is missing: write {found[-1].text}:value.")
    return [*found, _Token(_Kind.END, len(text))]


def _quoted(text: str, start: int) -> tuple[_Token, int]:
    """A value in quotes, where wildcards are characters like others, and where it ends."""
    pieces: list[str] = []
    at = start + 1
    while at < len(text) and text[at] != '"':
        at += text[at] == "\\"
        pieces += text[at : at + 1]
        at += 1
    if at >= len(text):
        raise QueryError(start + 1, 'The quote that begins here has no end: write "value".')
    at += 1
    if at < len(text) and text[at] not in f"{_SPACE})":
        raise QueryError(at + 1, "A space is missing after the quotes.")
    value = "".join(pieces)
    if not value.strip():
        raise QueryError(start + 1, "A value is missing between the quotes.")
    return _Token(_Kind.VALUE, start, pattern=(value,)), at


def _word(text: str, start: int, *, value: bool) -> tuple[_Token, int]:
    """A key, a keyword or a value without quotes, and where it ends; only behind its key may a `value` hold colons."""
    if value and text[start] in "<>[{":
        raise QueryError(start + 1, "Comparisons and ranges cannot be asked for here; put a value that looks like one in quotes.")
    pieces: list[str | Wild] = []
    at = start
    while at < len(text) and text[at] not in f'{_SPACE}()"':
        char = text[at]
        if char == ":" and not value:
            return _key(text, start, at, pieces), at + 1
        if char == "\\":
            at += 1
            if at == len(text):
                raise QueryError(at, "A backslash takes the next character as it stands, and none follows.")
            pieces.append(text[at])
        else:
            pieces.append(Wild(char) if char in "*?" else char)
        at += 1
    if at < len(text) and text[at] in '("':
        raise QueryError(at + 1, f"Write a space or a backslash before {text[at]}.")
    raw = text[start:at]
    if not value and raw.upper() in _KEYWORDS:
        if raw not in _KEYWORDS:
            raise QueryError(start + 1, f"Write {raw.upper()} in capitals, or a value in quotes.")
        return _Token(_Kind.KEYWORD, start, raw), at
    pattern = _pattern(pieces)
    if sum(isinstance(piece, Wild) for piece in pattern) > MOST_WILDCARDS:
        raise QueryError(start + 1, f"A value has at most {MOST_WILDCARDS} wildcards.")
    return _Token(_Kind.VALUE, start, raw, pattern), at


def _key(text: str, start: int, end: int, pieces: Sequence[str | Wild]) -> _Token:
    if any(isinstance(piece, Wild) for piece in pieces):
        raise QueryError(start + 1, "A key has no wildcards; its value may have.")
    key = "".join(str(piece) for piece in pieces).casefold()
    for prefix in _TAG_PREFIXES:
        if key.startswith(prefix):
            key = key.removeprefix(prefix)
            break
    if not key:
        raise QueryError(start + 1, "A key is missing before the colon, like service:shop.")
    return _Token(_Kind.KEY, start, key)


def _pattern(pieces: Iterable[str | Wild]) -> Pattern:
    joined: list[str | Wild] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if isinstance(piece, str) and isinstance(last, str):
            joined[-1] = last + piece
        elif piece is not Wild.ANY or last is not Wild.ANY:
            joined.append(piece)
    return tuple(joined)


class _Parser:
    """Tokens into a tree; `key` is the key whose group of values is being read, None outside one."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._terms = 0

    def whole(self) -> Node:
        found = self._or(None, 0)
        if (token := self._peek()).kind is not _Kind.END:
            raise QueryError(token.at + 1, "This parenthesis closes nothing.")
        return found

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _at_keyword(self, text: str) -> bool:
        token = self._peek()
        return token.kind is _Kind.KEYWORD and token.text == text

    def _or(self, key: str | None, depth: int) -> Node:
        parts = [self._and(key, depth)]
        while self._at_keyword("OR"):
            self._take()
            parts.append(self._and(key, depth))
        return _either(parts)

    def _and(self, key: str | None, depth: int) -> Node:
        parts = [self._not(key, depth)]
        while not (self._peek().kind in {_Kind.END, _Kind.CLOSE} or self._at_keyword("OR")):
            if self._at_keyword("AND"):
                self._take()
            parts.append(self._not(key, depth))
        return _both(parts)

    def _not(self, key: str | None, depth: int) -> Node:
        if depth > DEEPEST:
            raise QueryError(self._peek().at + 1, f"Parentheses and negations nest at most {DEEPEST} deep.")
        if self._peek().kind is _Kind.MINUS or self._at_keyword("NOT"):
            self._take()
            return Not(self._not(key, depth + 1))
        return self._atom(key, depth)

    def _atom(self, key: str | None, depth: int) -> Node:
        token = self._take()
        match token.kind:
            case _Kind.OPEN:
                return self._group(token, key, depth)
            case _Kind.KEY if key is None:
                following = self._take()
                if following.kind is _Kind.OPEN:
                    return self._group(following, token.text, depth)
                return self._term(token, token.text, following.pattern)
            case _Kind.KEY:
                raise QueryError(token.at + 1, "Inside the parentheses of a key stand values; put one with a colon in quotes.")
            case _Kind.VALUE if key is not None:
                return self._term(token, key, token.pattern)
            case _Kind.VALUE if token.pattern == (Wild.ANY,):
                return Everything()
            case _Kind.VALUE:
                raise QueryError(token.at + 1, "A term has the form key:value, like service:shop.")
            case _:
                raise QueryError(token.at + 1, f"A term is missing here: write {'value' if key else 'key:value'}.")

    def _group(self, opened: _Token, key: str | None, depth: int) -> Node:
        found = self._or(key, depth + 1)
        if self._peek().kind is not _Kind.CLOSE:
            raise QueryError(opened.at + 1, "This parenthesis is never closed.")
        self._take()
        return found

    def _term(self, token: _Token, key: str, pattern: Pattern) -> Term:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise QueryError(token.at + 1, f"A query has at most {MOST_TERMS} terms.")
        return Term(key, pattern)


def _both(parts: Sequence[Node]) -> Node:
    flat = tuple(one for part in parts for one in (part.parts if isinstance(part, And) else (part,)))
    return flat[0] if len(flat) == 1 else And(flat)


def _either(parts: Sequence[Node]) -> Node:
    flat = tuple(one for part in parts for one in (part.parts if isinstance(part, Or) else (part,)))
    return flat[0] if len(flat) == 1 else Or(flat)
