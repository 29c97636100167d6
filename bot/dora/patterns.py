"""RE2 patterns that cost little on any text.

Rules:
- A text is looked at as far as MAX_TEXT bytes, whatever the pattern. A pattern is refused if it takes more than MAX_PROGRAM steps for one
  byte, and every search is charged what it may cost at worst: when MAX_STEPS are used up, no further match of this text is sought.
  Nothing here depends on a clock: the same text has the same matches everywhere.
- Groups of the pattern capture nothing, the variable's apart: RE2 is slow where it has to remember many of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import re2

from bot.dora.pattern_syntax import (
    VARIABLE,
    BadPatternError,
    is_endless,
    masked,
    refuse_unknown,
    rewritten,
    stays_in_line,
    unpaired,
)

MAX_PATTERN = 1_000
"""Characters."""
MAX_TEXT = 8_000
"""Bytes of a text that are looked at."""
MAX_MATCHES = 1_000
"""Per text."""
MAX_PROGRAM = 300
"""Instructions of RE2: at worst it goes through all of them for each byte."""
MAX_STEPS = 3_000_000
"""Instructions of RE2 per text, some 40 ms at worst; the first search is never left out."""
_OVERHEAD = 40
"""Instructions' time that a byte costs beside them, at worst: RE2 tries a faster way before it takes the sure one."""
_MEMORY, _PROBE_MEMORY = 1 << 20, 1 << 16


class _Match(Protocol):
    def span(self, group: int = 0, /) -> tuple[int, int]: ...


class _Expression(Protocol):
    @property
    def programsize(self) -> int: ...
    @property
    def groupindex(self) -> dict[bytes, int]: ...
    def finditer(self, text: bytes, /) -> Iterator[_Match]: ...
    def search(self, text: bytes, /) -> _Match | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A match in bytes of a text: where it begins and ends, and the same of the variable (-1 where it has no part in it)."""

    start: int
    end: int
    value_start: int = -1
    value_end: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A pattern that is compiled. `source` is what RE2 was given, its groups capturing nothing; `variables` as they stand in it."""

    source: str
    variables: tuple[str, ...]
    size: int
    _expression: _Expression
    _group: int
    _reach: int
    """No match is longer, in bytes."""
    _in_line: bool
    """No match goes beyond a line's end."""

    def speaks(self, text: bytes) -> bool:
        """Whether it matches anywhere."""
        return self._expression.search(text) is not None

    def find(self, text: bytes) -> Iterator[Found]:
        """Every match, as far as MAX_MATCHES and MAX_STEPS go.

        A search may read beyond what it finds, as far as a match that began earlier could still go: that is read again by the next.
        """
        price = self.size + _OVERHEAD
        spent = len(text) * price
        for count, match in enumerate(self._expression.finditer(text), 1):
            start, end = match.span()
            value_start, value_end = match.span(self._group) if self._group else (-1, -1)
            yield Found(start=start, end=end, value_start=value_start, value_end=value_end)
            last = text.find(b"\n", end) if self._in_line else -1
            spent += price * min(self._reach, (len(text) if last < 0 else last) - end)
            if count >= MAX_MATCHES or spent > MAX_STEPS:
                return


def looked_at(text: str) -> bytes:
    """What patterns see of a text: its first MAX_TEXT bytes, lone surrogates (which JSON can hold) as question marks."""
    raw = text[:MAX_TEXT].encode("utf-8", "replace")
    return raw if len(raw) <= MAX_TEXT else raw[:MAX_TEXT].decode("utf-8", "ignore").encode()


_TOO_LARGE = (
    "the pattern is too large with its repetitions written out; "
    r"use smaller counts, name the letters ([a-zà-ÿ]) instead of \pL, or make two rules of it"
)


def compile_pattern(pattern: str, groups: Mapping[str, str]) -> Pattern:
    """A pattern whose variables (`$name`) become these groups, the first of them one that captures; BadPatternError."""
    if len(pattern) > MAX_PATTERN:
        raise BadPatternError(f"the pattern has {len(pattern)} characters, at most {MAX_PATTERN} are allowed")
    if not pattern:
        raise BadPatternError("the pattern is empty and would match everything")
    written = pattern.encode("utf-8", "replace").decode()
    refuse_unknown(written, groups)
    source, capturing, variables = rewritten(written, groups)
    try:
        if _compiled(source, _PROBE_MEMORY).programsize > MAX_PROGRAM:
            raise BadPatternError(_TOO_LARGE)
        expression = _compiled(capturing, _MEMORY)
    except re2.error as error:
        raise BadPatternError(_explained(written, error, groups)) from error
    return _pattern(source, tuple(variables), expression)


def joined(patterns: list[Pattern]) -> tuple[Pattern, ...]:
    """Patterns that match wherever one of these does, few and none larger than a pattern may be."""
    parts: list[list[Pattern]] = []
    for one in patterns:
        if not parts or sum(part.size for part in parts[-1]) + one.size > MAX_PROGRAM:
            parts.append([])
        parts[-1].append(one)
    found = []
    for part in parts:
        source = "|".join(f"(?:{one.source})" for one in part)
        found.append(_pattern(source, (), _compiled(source, _MEMORY)))
    return tuple(found)


def _pattern(source: str, variables: tuple[str, ...], expression: _Expression) -> Pattern:
    size = expression.programsize
    return Pattern(
        source=source,
        variables=variables,
        size=size,
        _expression=expression,
        _group=expression.groupindex.get(VARIABLE.encode(), 0),
        _reach=MAX_TEXT if is_endless(source) else size,
        _in_line=stays_in_line(source),
    )


def _compiled(source: str, memory: int) -> _Expression:
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    return cast(_Expression, re2.compile(source.encode(), options))


_SHORT_NAMES = r"; a script has its name alone, as in \p{Greek}"


def _explained(pattern: str, error: Exception, groups: Mapping[str, str]) -> str:
    """RE2's complaint with its place in the pattern as it was written."""
    same_length = "".join(masked(pattern, groups))
    try:
        _compiled(same_length, _PROBE_MEMORY)
    except re2.error as plain:
        error = plain
    said = error.args[0] if error.args else b""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    kind, _, piece = text.partition(": ")
    if "too large" in kind:
        return _TOO_LARGE
    if kind == "trailing \\":
        return rf"position {len(pattern)}: a \ at the end; a backslash itself is \\"
    bracket = unpaired(pattern) if kind in ("missing )", "unexpected )") else None
    at = bracket if bracket is not None else same_length.find(piece) if piece else -1
    if at < 0:
        return kind
    piece = pattern[at] if bracket is not None else pattern[at : at + len(piece)]
    advice = _SHORT_NAMES if piece[:2] in (r"\p", r"\P") else ""
    return f"position {at + 1}: {kind} in {piece}{advice}"


