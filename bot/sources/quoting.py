"""Quote what its writer forgot to: list items under `source_patterns` that YAML takes for an alias, a tag or a flow collection.

The original's documentation shows an unquoted `- **`, which no YAML parser reads. A pattern may begin with any of these
characters and a quoted one is always right, so the text is mended line by line and the mending told.
"""

from dataclasses import dataclass

_NEEDS_QUOTES = "*!@{[%&"
_KEY = "source_patterns:"
_MOST = 1000
"""Lines of one file that are mended; who forgot more quotes than that has written no definitions."""
_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """A mended line: its place, the item as written, and the line as it should be."""

    line: int
    column: int
    item: str
    corrected: str


def quote_patterns(text: str) -> tuple[str, list[Quoted]]:
    """The text with such items quoted, and what was mended; lines and their order stay."""
    lines = text.split("\n")
    mended: list[Quoted] = []
    indent = -1
    for number, line in enumerate(lines):
        body = line.strip()
        depth = len(line) - len(line.lstrip(" "))
        if body == _KEY or (body.startswith(_KEY) and body[len(_KEY) :].lstrip().startswith("#")):
            indent = depth
        elif not body or body.startswith("#"):
            continue
        elif indent < 0 or depth < indent or not (body == "-" or body.startswith("- ")):
            indent = -1
        else:
            corrected = _quoted(line)
            if corrected:
                item, column, lines[number] = corrected
                shown = lines[number].strip()
                shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
                mended.append(Quoted(line=number + 1, column=column, item=item, corrected=shown))
                if len(mended) == _MOST:
                    break
    return "\n".join(lines), mended


def _quoted(line: str) -> tuple[str, int, str] | None:
    """(item, its column, the mended line) of a list item that needs quotes."""
    start = line.index("-") + 1
    start += len(line[start:]) - len(line[start:].lstrip(" "))
    rest = line[start:]
    if rest[:1] not in _NEEDS_QUOTES or not rest.strip():
        return None
    comment = rest.find(" #")
    item = (rest if comment < 0 else rest[:comment]).rstrip()
    tail = rest[len(item) :]
    doubled = item.replace("'", "''")
    return item, start + 1, f"{line[:start]}'{doubled}'{tail}"
