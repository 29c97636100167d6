"""Markdown for other people's houses: what strangers wrote stands in it as code, so that it calls nobody and refers to nothing.

In a code span neither GitHub nor GitLab reads mentions, references, HTML, commands or links.
"""

import re
import unicodedata
from urllib.parse import quote

LONGEST = 200
_TICKS = re.compile("`+")
_CALLS = re.compile(r"[@#!~%&$^:*\[\]<>`_\\|](?=\S)")
_JOINER = "\N{WORD JOINER}"
"""Not seen, and part of no name."""


def code(text: str) -> str:
    """A code span that holds exactly this text, on one line and cut to 200 characters; without controls and direction marks."""
    shown = _one_line(text) or " "
    fence = "`" * (max(map(len, _TICKS.findall(shown)), default=0) + 1)
    padded = f" {shown} " if shown.startswith("`") or shown.endswith("`") else shown
    return f"{fence}{padded}{fence}"


def plain(text: str) -> str:
    """The text for a place that may or may not be Markdown (a title): what would call or refer is broken up."""
    return _CALLS.sub(lambda match: match[0] + _JOINER, _one_line(text))


def link(text: str, base_url: str, *segments: str) -> str:
    """A link to one of our pages, its text as code; only the text where we do not know our own address."""
    return f"[{code(text)}]({page_url(base_url, *segments)})" if base_url else code(text)


def page_url(base_url: str, *segments: str) -> str:
    """The address of one of our pages."""
    return f"{base_url}/{'/'.join(quote(segment, safe='') for segment in segments)}"


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _one_line(text: str) -> str:
    shown = " ".join("".join(" " if _is_odd(char) else char for char in text[: LONGEST * 4]).split())
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + "…"


def _is_odd(char: str) -> bool:
    """Controls, direction marks, lone surrogates, other line ends."""
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
