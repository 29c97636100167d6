"""Long lists, a page at a time, by cursors that outlive a restart.

Rules: a page that was not recorded is asked again; what two pages both hold is the same fact twice. Pull requests come newest
first, so one that changes meanwhile moves to the front: when the end is reached, the front is listed again, down to where the
listing began, until nothing new is there.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from msgspec import Struct, field

from bot.dora.instants import Instant
from bot.guard import GuardError, decode_json_as


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestCursor:
    """Page `page` of those updated since `until`; `top` is the newest that this sweep has seen, `None` at its first page."""

    page: int = 1
    until: Instant = 0
    top: Instant | None = None

    @classmethod
    def parse(cls, text: str, *, since: Instant | None) -> "PullRequestCursor":
        """What a listing gave out; anything else begins anew."""
        page, _, rest = text.partition(":")
        until, _, top = rest.partition(":")
        if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in (page, until, top or "0")):
            return cls(until=since or 0)
        return cls(page=int(page), until=int(until), top=int(top) if top else None)

    def __str__(self) -> str:
        return f"{self.page}:{self.until}:{'' if self.top is None else self.top}"

    def following(self, updated: Sequence[Instant], *, more: bool) -> "PullRequestCursor | None":
        """Where to go on after a page whose items were updated then; `None` when all is told."""
        newest = max(updated, default=0)
        top = newest if self.top is None else self.top
        if more and min(updated, default=0) >= self.until:
            return replace(self, page=self.page + 1, top=top)
        if self.page == 1 or top <= self.until:
            return None
        return PullRequestCursor(until=top)


class RepositoryCursor(Struct):
    """Which page of installations comes next (0: none); of which (and last changed when) the repositories are still to be
    listed; and the page of the first one's."""

    installations: int = 1
    todo: list[tuple[int, Instant]] = field(default_factory=list)
    page: int = 1

    @classmethod
    def parse(cls, text: str) -> "RepositoryCursor":
        """What a listing gave out; anything else begins anew."""
        try:
            return decode_json_as(cls, text.encode())
        except GuardError:
            return cls()

    def __str__(self) -> str:
        if not self.todo and not self.installations:
            return ""
        return json.dumps({"installations": self.installations, "todo": self.todo, "page": self.page})
