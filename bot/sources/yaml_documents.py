"""The documents of a YAML file of which some are broken: the others are read all the same, each node where it stands."""

import re

from bot.guard import GuardError, YamlNode, load_yaml

MOST_BROKEN = 5
"""Documents of a file that are put aside: the file is parsed once more for each."""
_OF_THE_FILE = ("too_large", "not_utf8")
_MARKER = re.compile(rb"---(?:\s|$)")


def load_documents(text: bytes) -> tuple[list[YamlNode], list[GuardError]]:
    """The documents that can be read, and what is wrong with the first of the others."""
    errors: list[GuardError] = []
    while True:
        try:
            return load_yaml(text), errors
        except GuardError as error:
            left = _without_document(text, error)
            if left != text:
                errors.append(error)
            if left == text or error.slug in _OF_THE_FILE or len(errors) > MOST_BROKEN:
                return [], errors or [error]
            text = left


def _without_document(text: bytes, error: GuardError) -> bytes:
    """The text with blanks for the document of the error; the same text when there is no other."""
    lines = text.split(b"\n")
    starts = [n for n, line in enumerate(lines) if _MARKER.match(line)]
    at = error.line - 1
    if at in starts and error.column == 1:
        at -= 1  # what was not closed is missed where the next document begins
    begin = max((n for n in starts if n <= at), default=0)
    end = min((n for n in starts if n > at), default=len(lines))
    if end - begin >= len(lines):
        return text
    lines[begin:end] = [b"---" if begin in starts else b"", *[b""] * (end - begin - 1)]
    return b"\n".join(lines)
