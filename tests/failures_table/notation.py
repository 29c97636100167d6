"""Reads the table of change failures: documents whose cases are stories with what is expected of them.

Rules:
- A chapter is a document. Its first `yaml` block, if any, is the rules file in force for all its cases.
- A case is a heading `## N. Title`, a `story` block, a table with a row per deployment, and a line `**Numbers:** …`.
- What the reader does not understand is an error: a case that nobody plays would look like one that holds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
COLUMNS = ["", "type", "failed", "mended", "why"]

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)
_CLOCK = re.compile(r"^(?:day (\d+) )?(\d\d):(\d\d)(?::(\d\d))? +")
_NUMBERS = re.compile(r"^\*\*Numbers(?: \((env|service) ([\w-]+)\))?:\*\* (.+)$", re.MULTILINE)
_SHARE = re.compile(r"(\d+) of (\d+)")
_FIRST_DAY = 86_400


class NotationError(Exception):
    """A document that cannot be read; the message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a story: when (seconds from the first day's midnight, `None`: soon after the line before), what, with which details."""

    at: int | None
    words: str
    details: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A row of a case's table, in the document's own words."""

    name: str
    type: str
    failed: str
    mended: str
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What the metrics of the case's service say, or of one env of it, or of another service; shares as (part, of)."""

    env: str | None
    service: str
    failed: tuple[int, int]
    excluding_rollbacks: tuple[int, int]
    rework: tuple[int, int]
    recovery: str
    unrecovered: int
    no_identity: int = 0
    incidents: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A story and what is expected of it."""

    number: int
    title: str
    lines: tuple[Line, ...]
    rows: tuple[Expected, ...]
    numbers: tuple[Numbers, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A document: the rules in force ("" for the shipped ones), and its cases."""

    name: str
    rules: str
    cases: tuple[Case, ...] = field(default=())


def read_chapters() -> list[Chapter]:
    """All chapters of the table, in the order of their first cases."""
    chapters = [_chapter(path) for path in sorted((DOCS / "change-failures").glob("*.md"))]
    return sorted(chapters, key=lambda chapter: chapter.cases[0].number)


def _chapter(path: Path) -> Chapter:
    text = path.read_text()
    parts = _HEADING.split(text)
    rules = next((body for language, body in _FENCE.findall(parts[0]) if language == "yaml"), "")
    cases = [_case(path.name, int(parts[at]), parts[at + 1], parts[at + 2]) for at in range(1, len(parts), 3)]
    return Chapter(name=path.stem, rules=rules, cases=tuple(cases))


def _case(file: str, number: int, title: str, text: str) -> Case:
    where = f"{file}, case {number}"
    blocks = [body for language, body in _FENCE.findall(text) if language == "story"]
    if len(blocks) != 1:
        raise NotationError(f"{where}: {len(blocks)} stories")
    numbers = tuple(_numbers(where, *found) for found in _NUMBERS.findall(text))
    rows = tuple(_rows(where, _FENCE.sub("", text)))
    if not rows or not numbers:
        raise NotationError(f"{where}: no table or no numbers")
    return Case(number=number, title=title, lines=tuple(map(_line, blocks[0].splitlines())), rows=rows, numbers=numbers)


def _line(text: str) -> Line:
    clock = _CLOCK.match(text)
    at = None
    if clock is not None:
        day, hour, minute, second = (int(part or 0) for part in clock.groups())
        at = max(day - 1, 0) * _FIRST_DAY + hour * 3600 + minute * 60 + second
        text = text[clock.end() :]
    words, *details = (part.strip() for part in text.split(" | "))
    pairs = [detail.partition(":") for detail in details]
    return Line(at=at, words=words, details={name.strip(): value.strip() for name, _, value in pairs})


def _rows(where: str, text: str) -> Iterator[Expected]:
    table = [line for line in text.splitlines() if line.startswith("|")]
    if not table or _cells(table[0]) != COLUMNS:
        raise NotationError(f"{where}: the table's columns are not {COLUMNS}")
    for line in table[2:]:
        name, type_, failed, mended, why = _cells(line)
        yield Expected(name=name, type=type_, failed=failed, mended=mended, why=tuple(filter(None, why.split("<br>"))))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _numbers(where: str, kind: str, name: str, text: str) -> Numbers:
    found: dict[str, str] = {}
    for part in text.split(" · "):
        label = next((one for one in _LABELS if part.startswith(one)), None)
        if label is None:
            raise NotationError(f"{where}: {part!r} is no number")
        found[label] = part.removeprefix(label).strip()
    missing = {"failed", "excluding rollbacks", "rework", "recovery"} - found.keys()
    if missing:
        raise NotationError(f"{where}: without {sorted(missing)}")
    return Numbers(
        env=name if kind == "env" else None,
        service=name if kind == "service" else "shop",
        failed=_share(where, found["failed"]),
        excluding_rollbacks=_share(where, found["excluding rollbacks"]),
        rework=_share(where, found["rework"]),
        recovery=found["recovery"],
        unrecovered=int(found.get("unrecovered", "0")),
        no_identity=int(found.get("no identity", "0")),
        incidents=_share(where, found["incidents"]) if "incidents" in found else None,
    )


_LABELS = ("failed", "excluding rollbacks", "incidents", "rework", "recovery", "unrecovered", "no identity")


def _share(where: str, text: str) -> tuple[int, int]:
    found = _SHARE.fullmatch(text)
    if found is None:
        raise NotationError(f"{where}: {text!r} is no share")
    return int(found[1]), int(found[2])
