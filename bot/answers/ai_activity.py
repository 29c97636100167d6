"""How many of a service's changes were written by people who used an AI tool on that day."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bot.answers.encode import Json, to_json
from bot.answers.questions import DEFAULT_DAYS
from bot.answers.services import find_service
from bot.dora.ai_activity import address_of, assisted
from bot.dora.instants import DAY, Instant
from bot.facts.user_activity import load_active_days
from bot.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class AiActivityShown:
    """Of the `changes` of a window whose author is known: those by people `active` that day, their share, and by tool.

    A change counts under each tool its author used. All but `changes` are `None` when no activity was ever reported.
    """

    from_: Instant
    to: Instant
    changes: int
    active: int | None
    share: float | None
    tools: Mapping[str, int] | None


class _Written(NamedTuple):
    author: str
    authored_at: Instant | None
    times: int


def find_service_with_activity(reader: Reader, name: str, *, now: Instant) -> Json:
    """One service by its canonical name as JSON, `ai_activity` among its fields; `None` when nobody knows it."""
    found = to_json(find_service(reader, name))
    return {**found, "ai_activity": to_json(load_activity(reader, name, now=now))} if isinstance(found, dict) else None


def load_activity(reader: Reader, service: str, *, now: Instant) -> AiActivityShown:
    """The changes that a service (by its canonical name) deployed in the last 30 days."""
    from_at = max(0, now - DEFAULT_DAYS * DAY)
    written = reader.fetch("original_change_authors", _Written, service=service, from_at=from_at, to_at=now)
    found = assisted(written, load_active_days(reader, (address_of(one.author) for one in written)))
    return AiActivityShown(
        from_=from_at, to=now, changes=found.changes, active=found.active, share=found.share, tools=found.tools
    )
