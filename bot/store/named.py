"""The named queries: `queries/*.sql` read once, parameters turned into the driver's.

Rules:
- `-- name: x`, a sentence, the statement; `-- name: x (postgres)` is the same query where that engine needs its own text.
- A name exists once. `:name` is a parameter unless it stands in a string, a quoted name or a comment; `::` is a cast.
- `IN (:keys)` is for `fetch_in` only, once per query.
- `fetch` is a table here and a reserved word to PostgreSQL: a query need not quote it, the loader does.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from bot.store import StoreError, Value

Dialect = Literal["sqlite", "postgres"]

FOLDER = Path(__file__).parent / "queries"
_NAME = re.compile(r"^-- name: (\w+)(?: \((sqlite|postgres)\))?\s*$")
_TOKEN = re.compile(
    r"""
      (?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<comment>--[^\n]*|/\*.*?\*/)
    | (?P<cast>::)
    | (?P<keys>\(\s*:keys\s*\))
    | :(?P<parameter>[A-Za-z_]\w*)
    | (?P<reserved>\bfetch\b)
    | (?P<other>\w+|[^\w'":/()-]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_CHUNKS = (1, 8, 64, 512)
"""The sizes to which key lists are padded, so that the engines' statement caches hold few texts."""


class QueryFileError(StoreError):
    """A query file cannot be read."""

    slug = "store_query_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One statement in its driver's spelling; `tail` is None unless it has `IN (:keys)` (which stands between both)."""

    name: str
    about: str
    head: str
    tail: str | None
    parameters: frozenset[str]
    dialect: Dialect

    def text(self) -> str:
        """The statement of a query without key list."""
        if self.tail is not None:
            raise StoreError(f"{self.name}: has IN (:keys), use fetch_in")
        return self.head

    def text_for(self, n: int) -> str:
        """The statement with room for `n` keys named `keys_0` …"""
        if self.tail is None:
            raise StoreError(f"{self.name}: has no IN (:keys)")
        return f"{self.head}({', '.join(_placeholder(f'keys_{i}', self.dialect) for i in range(n))}){self.tail}"

    def check(self, given: Mapping[str, object]) -> None:
        """Refuse missing and unknown parameters alike."""
        if given.keys() != self.parameters:
            raise TypeError(f"{self.name} takes {sorted(self.parameters)}, not {sorted(given)}")


@cache
def load_queries(dialect: Dialect, folder: Path = FOLDER) -> Mapping[str, Query]:
    """All named queries of a folder for one engine."""
    own: dict[str, Query] = {}
    common: dict[str, Query] = {}
    for path in sorted(folder.glob("*.sql")):
        for name, only, body in _sections(path.name, path.read_text(encoding="utf-8")):
            if only is not None and only != dialect:
                continue
            found = own if only else common
            if name in found:
                raise QueryFileError(f"{path.name}: the name {name} is taken")
            found[name] = parse_query(name, body, dialect)
    return common | own


def parse_query(name: str, body: str, dialect: Dialect) -> Query:
    """One query from its text below the name line."""
    about: list[str] = []
    lines = body.strip().splitlines()
    while lines and lines[0].startswith("--"):
        about.append(lines.pop(0).removeprefix("--").strip())
    if not about or not lines:
        raise QueryFileError(f"{name}: wants a sentence and a statement")
    parts = [""]
    parameters: set[str] = set()
    for match in _TOKEN.finditer("\n".join(lines).rstrip().rstrip(";")):
        token = match.group()
        if match.lastgroup == "keys":
            parts.append("")
        elif match.lastgroup == "parameter":
            parameters.add(match["parameter"])
            parts[-1] += _placeholder(match["parameter"], dialect)
        elif match.lastgroup == "comment":
            parts[-1] += " "
        elif match.lastgroup == "reserved":
            parts[-1] += f'"{token}"'
        else:
            # psycopg looks for its placeholders everywhere, strings included
            parts[-1] += token.replace("%", "%%") if dialect == "postgres" else token
    if len(parts) > 2 or "keys" in parameters:
        raise QueryFileError(f"{name}: :keys stands once, as IN (:keys)")
    return Query(
        name=name,
        about=" ".join(about),
        head=parts[0],
        tail=parts[1] if len(parts) > 1 else None,
        parameters=frozenset(parameters),
        dialect=dialect,
    )


def chunks(keys: Sequence[Value]) -> Iterator[dict[str, Value]]:
    """Distinct keys as parameters `keys_0` …, padded to few sizes by repeating the last one."""
    distinct = list(dict.fromkeys(keys))
    for start in range(0, len(distinct), _CHUNKS[-1]):
        chunk = distinct[start : start + _CHUNKS[-1]]
        size = next(n for n in _CHUNKS if n >= len(chunk))
        chunk += chunk[-1:] * (size - len(chunk))
        yield {f"keys_{i}": key for i, key in enumerate(chunk)}


def statements(text: str) -> list[str]:
    """The statements of a migration, without comments."""
    found = [""]
    for match in _TOKEN.finditer(text):
        if match.lastgroup == "comment":
            found[-1] += " "
        elif match.lastgroup == "other" and ";" in match.group():
            first, *rest = match.group().split(";")
            found[-1] += first
            found += rest
        else:
            found[-1] += match.group()
    return [statement.strip() for statement in found if statement.strip()]


def _sections(file: str, text: str) -> Iterator[tuple[str, str | None, str]]:
    name: str | None = None
    only: str | None = None
    lines: list[str] = []
    for line in text.splitlines():
        match = _NAME.match(line)
        if match is None:
            lines.append(line)
            continue
        if name is not None:
            yield name, only, "\n".join(lines)
        elif any(part.strip() and not part.startswith("--") for part in lines):
            raise QueryFileError(f"{file}: a statement before the first name")
        name, only, lines = match[1], match[2], []
    if name is not None:
        yield name, only, "\n".join(lines)


def _placeholder(name: str, dialect: Dialect) -> str:
    return f"%({name})s" if dialect == "postgres" else f":{name}"
