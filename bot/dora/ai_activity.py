"""Who used AI tools: names of tools, authors' addresses, and how many changes people wrote on days when they used one.

Rules:
- An address is compared in lower case, a day is the commit's author date in UTC.
- This says what a person did on the day, not how a commit came about; nothing more is claimed.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.dora.instants import SECOND, Instant

_KNOWN = {"claudecode": "claude_code", "cursor": "cursor", "copilot": "copilot", "githubcopilot": "copilot"}
_ADDRESS = re.compile(r"<([^<>]*)>\s*\Z")
_BETWEEN_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD = re.compile(r"[\W_]+")

UserDay = tuple[str, str]
"""An address in lower case and a day, YYYY-MM-DD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserActivity:
    """What is reported of one user and day; `tools` are canonical names, () when none was named."""

    user_email: str
    day: str
    is_active: bool
    tools: tuple[str, ...]
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assisted:
    """Of `changes` whose author is known, how many were written on a day when their author used an AI tool; by tool too.

    `active` and `tools` are `None` when nothing was ever reported: nobody knows.
    """

    changes: int
    active: int | None
    tools: Mapping[str, int] | None

    @property
    def share(self) -> float | None:
        """`active` of `changes`, from 0 to 1."""
        return self.active / self.changes if self.active is not None and self.changes else None


def tool_name(text: str) -> str:
    """`Claude Code` as claude_code, `GitHub Copilot` as copilot, others in snake case; "" when no letter is left."""
    words = _NO_WORD.sub("_", _BETWEEN_WORDS.sub("_", text.strip())).strip("_").casefold()
    return _KNOWN.get(words.replace("_", ""), words)


def address_of(author: str) -> str:
    """The address of `Name <address>`, in lower case; "" when there is none."""
    match = _ADDRESS.search(author)
    return match[1].strip().casefold() if match else ""


def day_of(at: Instant) -> str:
    """The day of an instant in UTC."""
    return datetime.fromtimestamp(at // SECOND, UTC).date().isoformat()


def assisted(changes: Iterable[tuple[str, Instant | None, int]], active: Mapping[UserDay, Iterable[str]] | None) -> Assisted:
    """Changes as (author, author date, how many) against what was reported; `active` is `None` when nothing ever was."""
    total = found = 0
    tools: Counter[str] = Counter()
    for author, at, count in changes:
        address = address_of(author)
        if not address or at is None:
            continue
        total += count
        used = None if active is None else active.get((address, day_of(at)))
        if used is not None:
            found += count
            tools.update({tool: count for tool in used if tool})
    if active is None:
        return Assisted(changes=total, active=None, tools=None)
    return Assisted(changes=total, active=found, tools=dict(sorted(tools.items())))
