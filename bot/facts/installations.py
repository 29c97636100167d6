"""Record installations of the GitHub App: the newest word on each counts, a deleted one stays deleted."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from bot.dora.events import InstallationChanged
from bot.dora.instants import Instant
from bot.store import Reader, Writer

ACTIVE, SUSPENDED, DELETED = STATES = ("active", "suspended", "deleted")
"""Of two states told at the same instant the later one here counts; numbers of installations are not given again."""


class InstallationRow(NamedTuple):
    """An installation as stored; permissions and events are JSON."""

    id: str
    account: str
    state: str
    state_at: Instant
    permissions: str
    events: str
    told_at: Instant


def load_installations(reader: Reader) -> list[InstallationRow]:
    """All installations, by id."""
    return reader.fetch("installations", InstallationRow)


def record_installations(writer: Writer, changes: Sequence[InstallationChanged]) -> None:
    """Merge what is said of installations into their rows; their repositories are recorded as repositories."""
    if not changes:
        return
    stored = {row.id: row for row in load_installations(writer)}
    rows = dict(stored)
    for change in changes:
        rows[change.id] = _merged(rows.get(change.id), change)
    writer.write_many("installation", [row for id, row in sorted(rows.items()) if stored.get(id) != row], on_conflict="replace")


def _merged(row: InstallationRow | None, change: InstallationChanged) -> InstallationRow:
    said = row or InstallationRow(change.id, "", ACTIVE, 0, "{}", "[]", 0)
    if change.state and said.state != DELETED:
        state, at = max((said.state, said.state_at), (change.state, change.at), key=_weight)
        said = said._replace(state=state, state_at=at)
    told_at = change.at if change.permissions is not None else 0
    permissions = json.dumps(dict(sorted(change.permissions or ())))
    events = json.dumps(sorted(change.events or ()))
    if (told_at, change.account, permissions, events) > (said.told_at, said.account, said.permissions, said.events):
        said = said._replace(told_at=told_at, account=change.account, permissions=permissions, events=events)
    return said


def _weight(said: tuple[str, Instant]) -> tuple[bool, Instant, int]:
    state, at = said
    return state == DELETED, at, STATES.index(state)
