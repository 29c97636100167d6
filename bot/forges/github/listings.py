"""Long lists, a page at a time, by cursors that outlive a restart.

Rules: a page that was not recorded is asked again; what two pages both hold is the same fact twice.
"""

import json

from msgspec import Struct, field

from bot.dora.instants import Instant
from bot.guard import GuardError, decode_json_as


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
