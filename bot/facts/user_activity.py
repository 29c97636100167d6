"""Record what users did with AI tools: one row per user, day and tool, which the newest report replaces."""

import json
from collections.abc import Iterable, Sequence

from bot.dora.ai_activity import UserActivity, UserDay
from bot.dora.instants import Instant
from bot.store import Reader, Value, Writer


def record_activity(writer: Writer, told: Sequence[UserActivity], *, received_at: Instant, receipt: int) -> None:
    """Record a report; of what it says twice the later counts. `(received_at, receipt)` orders reports. Nothing is derived of it."""
    rows: dict[tuple[str, str, str], tuple[Value, ...]] = {}
    for one in told:
        models = json.dumps(sorted(one.models), ensure_ascii=False)
        for tool in one.tools or ("",):
            key = (one.user_email, one.day, tool)
            rows[key] = (*key, int(one.is_active), models, received_at, receipt)
    writer.write_many("ai_activity", list(rows.values()), on_conflict="newer")


def load_active_days(reader: Reader, users: Iterable[str]) -> dict[UserDay, set[str]] | None:
    """The days on which these users were active, each with the tools; `None` when nothing was ever reported of anybody."""
    if not reader.fetch("ai_activity_known", int):
        return None
    found: dict[UserDay, set[str]] = {}
    for user, day, tool in reader.fetch_in("ai_activity_of_users", _row, sorted(set(users))):
        found.setdefault((user, day), set()).add(tool)
    return found


def _row(user: str, day: str, tool: str) -> tuple[str, str, str]:
    return user, day, tool
