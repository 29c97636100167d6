"""The outbox: what is to be said to a forge. Saying it twice changes nothing there, so at least once is enough.

Rules:
- Equal keys are one message; wishes that come while it waits become one.
- What was last said is remembered by its digest, the same is not said again; `remote` names what was made there, to edit it.
"""

from dataclasses import dataclass
from typing import Final

from bot.dora.instants import Instant
from bot.facts.errands import REFUSED
from bot.store import Reader, Writer

REPORT: Final = "report"
"""Under the pull request of that number."""
REDELIVER: Final = "redeliver"
"""Ask for a delivery again: the subject is the hook's id, a space, and the log entry's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as stored; `repository` is the name of its repository, "" without one."""

    key: str
    kind: str
    forge: str
    repository_id: int | None
    repository: str
    subject: str
    wanted: int
    said: int
    digest: str
    remote: str
    attempts: int
    run_at: Instant
    error: str


def want_said(
    writer: Writer, *, key: str, kind: str, forge: str, repository_id: int | None, subject: str, now: Instant
) -> None:
    """Wish that something be said, as things will be when it is; due at once, unless it was refused within the last day."""
    writer.execute(
        "upsert_message", key=key, kind=kind, forge=forge, repository_id=repository_id, subject=subject, now=now,
        refused=REFUSED, after_refused=REFUSED + "~",
    )


def due_messages(reader: Reader, *, now: Instant, n: int) -> list[Message]:
    """What is to be said now, the longest waiting first."""
    return reader.fetch("due_messages", to_message, now=now, n=n)


def find_messages(reader: Reader, keys: list[str]) -> list[Message]:
    """These messages, as far as they are there."""
    return reader.fetch_in("messages_by_key", to_message, list(keys))


def lease_messages(writer: Writer, keys: list[str], *, now: Instant, until: Instant) -> list[Message]:
    """Take messages that are due for this process alone until an instant; those that were to be had, as they are now."""
    mine = find_messages(writer, writer.fetch_in("lock_due_messages", str, list(keys), now=now))
    writer.execute_many("lease_message", [{"key": one.key, "until": until} for one in mine])
    return mine


def record_said(writer: Writer, message: Message, *, digest: str, remote: str, now: Instant) -> None:
    """It was said as of the wish in `message`; a later wish is due."""
    writer.execute("record_said", key=message.key, said=message.wanted, digest=digest, remote=remote, now=now)


def postpone_message(writer: Writer, message: Message, *, error: str, attempts: int, run_at: Instant) -> None:
    """It could not be said now."""
    writer.execute("postpone_message", key=message.key, error=error[:500], attempts=attempts, run_at=run_at)


def drop_message(writer: Writer, message: Message, *, error: str) -> None:
    """Nobody is there to say it to; a new wish tries again."""
    writer.execute("drop_message", key=message.key, said=message.wanted, error=error[:500])


def forget_message(writer: Writer, message: Message) -> None:
    """It had the effect it was meant to have."""
    writer.execute("forget_message", key=message.key)


def to_message(
    key: str, kind: str, forge: str, repository_id: int | None, repository: str, subject: str, wanted: int, said: int,
    digest: str, remote: str, attempts: int, run_at: int, error: str,
) -> Message:  # fmt: skip
    """A row of the table."""
    return Message(
        key=key, kind=kind, forge=forge, repository_id=repository_id, repository=repository, subject=subject, wanted=wanted,
        said=said, digest=digest, remote=remote, attempts=attempts, run_at=run_at, error=error,
    )  # fmt: skip
