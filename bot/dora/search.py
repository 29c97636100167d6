"""Searching by the query language of the original's lists: `service:(shop OR cart) env:prod -version:1.* department:"human resources"`.

Rules:
- Keys and values compare case-insensitively, `version` verbatim; `key:*` asks for any value, `env:none` for no env.
- Nothing here backtracks: wildcards are matched by RE2.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import re2

from bot.dora.search_syntax import And, Everything, Node, Not, Or, Pattern, QueryError, Term, Wild, parse_tree

__all__ = ["Fields", "Query", "QueryError", "parse_query", "with_tags"]

Fields = Mapping[str, Sequence[str]]
"""What a query looks at: values by case-folded key, as written; what is absent is left out."""
_Test = Callable[[Fields], bool]

_VERBATIM = frozenset({"version"})


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read."""

    root: Node
    _test: _Test = field(compare=False, repr=False)

    def matches(self, fields: Fields) -> bool:
        """Whether something with these fields is asked for."""
        return self._test(fields)

    @property
    def keys(self) -> frozenset[str]:
        """The case-folded keys that the query speaks of."""
        return frozenset(_keys(self.root))

    def required(self, key: str) -> frozenset[str] | None:
        """Case-folded values of which every match has one under the key; `None` when the query does not say."""
        return _required(self.root, key)


def parse_query(text: str) -> Query:
    """A query from its text; an empty one asks for all. Raises QueryError."""
    root = parse_tree(text)
    return Query(root, _compiled(root))


def with_tags(named: Fields, tags: Iterable[str]) -> Fields:
    """The named fields and, under their own keys, tags of the form key:value; a named field hides a tag of its name."""
    found: dict[str, Sequence[str]] = {}
    for tag in tags:
        key, _, value = tag.partition(":")
        key = key.strip().casefold()
        found[key] = (*found.get(key, ()), value.strip())
    return {**found, **named}


def _compiled(node: Node) -> _Test:
    match node:
        case Everything():
            return lambda fields: True
        case Not(part):
            negated = _compiled(part)
            return lambda fields: not negated(fields)
        case And(parts):
            every = [_compiled(part) for part in parts]
            return lambda fields: all(test(fields) for test in every)
        case Or(parts):
            some = [_compiled(part) for part in parts]
            return lambda fields: any(test(fields) for test in some)
        case Term(key, pattern):
            return _looks_like(key, pattern)


def _looks_like(key: str, pattern: Pattern) -> _Test:
    if pattern == (Wild.ANY,):
        return lambda fields: bool(fields.get(key))
    literal = _literal(key, pattern)
    if literal is None:
        text = "".join(_expression(key, piece) for piece in pattern)
        expression = re2.compile(f"(?s:{text})")
        return lambda fields: any(expression.fullmatch(_folded(key, value)) for value in fields.get(key, ()))
    if key == "env" and literal == "none":
        return lambda fields: not fields.get(key) or literal in map(str.casefold, fields[key])
    return lambda fields: any(_folded(key, value) == literal for value in fields.get(key, ()))


def _literal(key: str, pattern: Pattern) -> str | None:
    """The one value that the pattern stands for; `None` when it has wildcards."""
    return _folded(key, pattern[0]) if len(pattern) == 1 and isinstance(pattern[0], str) else None


def _expression(key: str, piece: str | Wild) -> str:
    if isinstance(piece, Wild):
        return ".*" if piece is Wild.ANY else "."
    return str(re2.escape(_folded(key, piece)))


def _folded(key: str, value: str) -> str:
    return value if key in _VERBATIM else value.casefold()


def _keys(node: Node) -> Iterator[str]:
    match node:
        case Term(key, _):
            yield key
        case Not(part):
            yield from _keys(part)
        case And(parts) | Or(parts):
            for part in parts:
                yield from _keys(part)
        case Everything():
            pass


def _required(node: Node, key: str) -> frozenset[str] | None:
    match node:
        case Term(own, pattern) if own == key:
            literal = _literal(key, pattern)
            return None if literal is None or (key == "env" and literal == "none") else frozenset({literal.casefold()})
        case And(parts):
            found = [values for part in parts if (values := _required(part, key)) is not None]
            return min(found, key=len, default=None)
        case Or(parts):
            each = [_required(part, key) for part in parts]
            known = [values for values in each if values is not None]
            return frozenset().union(*known) if len(known) == len(each) else None
        case _:
            return None
