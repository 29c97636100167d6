"""Hooks: where a forge sends webhooks from, and what reading its log brought to light."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.dora.instants import Instant
from bot.forges.client import HookSeen
from bot.store import Reader, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A hook as stored: its log was last read from `checked_at` back to `read_from`."""

    forge: str
    id: str
    subject: str
    state: str
    reason: str
    read_from: Instant | None
    checked_at: Instant | None
    arrived_at: Instant | None
    gaps: int
    repaired: int


def load_hooks(reader: Reader, forge: str | None = None) -> list[Hook]:
    """The hooks of a forge, or all of them."""
    return [hook for hook in reader.fetch("hooks", to_hook) if forge in (None, hook.forge)]


def record_hooks(writer: Writer, forge: str, seen: Sequence[HookSeen]) -> None:
    """What a forge says of its hooks now; those it does not name any more are gone."""
    known = {hook.id: hook for hook in load_hooks(writer, forge)}
    for hook in seen:
        writer.execute(
            "upsert_hook", forge=forge, id=hook.id, subject=hook.subject, state=hook.state, reason=hook.reason[:500]
        )
    for gone in sorted(known.keys() - {hook.id for hook in seen}):
        writer.execute("set_hook_state", forge=forge, id=gone, state="gone", reason="the forge does not name it any more")


def record_log_page(
    writer: Writer, *, forge: str, id: str, gaps: int, repaired: int, arrived_at: Instant | None
) -> None:
    """What a page of a hook's log showed: new gaps, how many of them are repaired, the newest delivery that had arrived."""
    writer.execute("count_gaps", forge=forge, id=id, gaps=gaps, repaired=repaired, arrived_at=arrived_at)


def record_reading(writer: Writer, *, forge: str, id: str, checked_at: Instant, read_from: Instant) -> None:
    """A hook's log was read, or what it might have shown was wished for otherwise: from when, back to when."""
    writer.execute("finish_reading", forge=forge, id=id, checked_at=checked_at, read_from=read_from)


def record_failing(writer: Writer, hook: Hook, *, failing: str) -> None:
    """Whether the newest deliveries of a hook fail, by its log: why, or "" when they do not."""
    if failing:
        writer.execute("set_hook_state", forge=hook.forge, id=hook.id, state="failing", reason=failing)
    elif hook.state == "failing":
        writer.execute("set_hook_state", forge=hook.forge, id=hook.id, state="active", reason="")


def record_unreadable(writer: Writer, *, forge: str, id: str, reason: str) -> None:
    """A hook's log may not be read."""
    writer.execute("set_hook_state", forge=forge, id=id, state="forbidden", reason=reason[:500])


def to_hook(
    forge: str, id: str, subject: str, state: str, reason: str, read_from: int | None, checked_at: int | None,
    arrived_at: int | None, gaps: int, repaired: int,
) -> Hook:  # fmt: skip
    """A row of the table."""
    return Hook(
        forge=forge, id=id, subject=subject, state=state, reason=reason, read_from=read_from, checked_at=checked_at,
        arrived_at=arrived_at, gaps=gaps, repaired=repaired,
    )  # fmt: skip
