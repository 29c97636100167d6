"""One table per forge: what each event does. Parsers dispatch by it, and `docs/webhooks.md` is made of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.dora.events import ForgeEvent, Ignored
from bot.dora.instants import Instant
from bot.dora.repositories import NO_ROOTS, WebRoots
from bot.forges import PayloadError
from bot.guard import GuardError

NOTHING = "nothing"
ANY = ""
"""The action of an entry that holds whatever the action is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is known of a delivery beside its body; some bodies say neither when nor on which host."""

    received_at: Instant = 0
    instance: str = "https://gitlab.com"
    """The GitLab that sent it."""
    web_roots: WebRoots = field(default_factory=lambda: NO_ROOTS)


Read = Callable[[bytes, Origin], ForgeEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an event changes, in words, and who reads its body; nobody reads what changes nothing."""

    changes: str = NOTHING
    read: Read | None = None


Table = Mapping[tuple[str, str], Entry]
"""(event, action) → entry."""


def entries(event: str, read: Read, changes: Mapping[str, str]) -> dict[tuple[str, str], Entry]:
    """The entries of an event by action, all read alike."""
    return {(event, action): Entry(changes=what, read=read) for action, what in changes.items()}


def silent(event: str, actions: str = "") -> dict[tuple[str, str], Entry]:
    """Entries that change nothing: for these actions (separated by spaces), or whatever the action."""
    return {(event, action): Entry() for action in actions.split() or [ANY]}


def dispatch(table: Table, event: str, action: str, body: bytes, origin: Origin) -> ForgeEvent:
    """The event in a body, by its entry; what has none is ignored, and so told. Raises PayloadError."""
    entry, known = table.get((event, action)), True
    if entry is None:
        entry, known = table.get((event, ANY)), False
    if entry is None:
        return Ignored(reason="unknown_action" if any(name == event for name, _ in table) else "unknown_event")
    if entry.read is None:
        return Ignored(reason=f"action_{action}" if known and action else f"event_{event}")
    try:
        return entry.read(body, origin)
    except GuardError as error:
        raise PayloadError(error.slug, str(error)) from None
