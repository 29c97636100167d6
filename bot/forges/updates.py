"""Lists of what was changed last, newest first, by cursors that outlive a restart.

Rules: a page that was not recorded is asked again; what two pages both hold is the same fact twice. What changes meanwhile moves to the
front and pushes the rest back: nothing is passed over. When the end is reached, the front is listed again, down to where the listing
began, until nothing new is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.dora.instants import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatesCursor:
    """Page `page` of those updated since `until`; `top` is the newest that this sweep has seen, `None` at its first page."""

    page: int = 1
    until: Instant = 0
    top: Instant | None = None

    @classmethod
    def parse(cls, text: str, *, since: Instant | None) -> "UpdatesCursor":
        """What a listing gave out; anything else begins anew."""
        page, _, rest = text.partition(":")
        until, _, top = rest.partition(":")
        if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in (page, until, top or "0")):
            return cls(until=since or 0)
        return cls(page=int(page), until=int(until), top=int(top) if top else None)

    def __str__(self) -> str:
        return f"{self.page}:{self.until}:{'' if self.top is None else self.top}"

    def following(self, updated: Sequence[Instant], *, more: bool) -> "UpdatesCursor | None":
        """Where to go on after a page whose items were updated then; `None` when all is told."""
        newest = max(updated, default=0)
        top = newest if self.top is None else self.top
        if more and min(updated, default=0) >= self.until:
            return replace(self, page=self.page + 1, top=top)
        if self.page == 1 or top <= self.until:
            return None
        return UpdatesCursor(until=top)
