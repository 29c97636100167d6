"""Errands: conversations with a forge that are wished for, carried out page by page, and resumable at every page.

Rules:
- Equal keys are one errand. A wish during an errand lets it be carried out once more afterwards, from the beginning.
- The cursor moves in the transaction that records what the page brought, and only from where that page began: a page whose
  process died is asked for again, one that was recorded twice counts once.
- One that asked for pull requests or issues stays as a row that is never due: it tells when that was done, and how much it brought. Others go.
"""

from dataclasses import dataclass, replace
from typing import Final

from bot.dora.instants import DAY, MINUTE, Instant
from bot.store import Reader, Writer

REPOSITORIES: Final = "repositories"
"""All that our credentials can read."""
PULL_REQUESTS: Final = "pull_requests"
"""Those of one repository: all of them (backfill), or those updated since an instant (reconcile)."""
ISSUES: Final = "issues"
"""Issues and incidents of one repository, likewise."""
PULL_REQUEST: Final = "pull_request"
"""One, by its number: the subject."""
DEPLOYMENTS: Final = "deployments"
"""Those that the forge knows of one repository."""
RELEASES: Final = "releases"
"""Those of one repository."""
HOOKS: Final = "hooks"
"""Where webhooks come from."""
LOG: Final = "log"
"""The log of the hook that is the subject."""

STAYING: Final = frozenset({PULL_REQUESTS, ISSUES})
NEVER: Final = 2**62
"""When a finished errand that stays is due."""
REFUSED: Final = "not allowed"
"""How the error of an errand or message begins for which our permissions do not suffice."""
AGAIN: Final = MINUTE
"""What a pull request waits before it is read once more because of what was wished meanwhile."""
MOST_READINGS: Final = 4
DAILY: Final = DAY
"""How often what was refused is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """An errand as stored. `reading` is the version that is being carried out since `began_at`."""

    key: str
    kind: str
    forge: str
    owner: str
    repository_id: int | None
    since: Instant | None
    cursor: str
    reading: int
    began_at: Instant | None
    done: int
    total: int | None
    urgent: bool
    version: int
    attempts: int
    run_at: Instant
    error: str

    @property
    def subject(self) -> str:
        """What it is about beside a repository: a number, a hook, or ""."""
        return self.key.split("/", 3)[3]

    def begun(self, now: Instant) -> "Errand":
        """This errand at its first page, or as it goes on."""
        return self if self.cursor else replace(self, reading=self.version, began_at=now)


def errand_key(*, kind: str, forge: str, repository_id: int | None = None, since: Instant | None = None, subject: str = "") -> str:
    """What makes two wishes one errand: a backfill and a reconcile are two."""
    part = "since" if kind in STAYING and since is not None else subject
    return f"{kind}/{forge}/{'' if repository_id is None else repository_id}/{part}"


def owner_of(name: str) -> str:
    """The organisation or top-level group in a RepositoryId."""
    return name.split("/")[1] if "/" in name else ""


def want_errand(
    writer: Writer,
    *,
    kind: str,
    forge: str,
    owner: str,
    repository_id: int | None = None,
    since: Instant | None = None,
    urgent: bool = False,
    subject: str = "",
    now: Instant,
) -> str:
    """Wish for an errand, due at once; returns its key. `since`: nothing older is wanted. `subject`: a number, or a hook's id.

    Of two wishes that wait the earlier `since` counts. What was refused waits for its day all the same.
    """
    key = errand_key(kind=kind, forge=forge, repository_id=repository_id, since=since, subject=subject)
    writer.execute(
        "upsert_errand", key=key, kind=kind, forge=forge, owner=owner, repository_id=repository_id, since=since,
        urgent=int(urgent), now=now, never=NEVER, refused=REFUSED, after_refused=REFUSED + "~",
    )
    return key


def due_errands(reader: Reader, *, now: Instant, per_owner: int) -> list[Errand]:
    """What is due, live before backfill, at most so many of each owner, those that waited longest."""
    return reader.fetch("due_errands", to_errand, now=now, n=per_owner)


def find_errands(reader: Reader, keys: list[str]) -> list[Errand]:
    """These errands, as far as they are there."""
    return reader.fetch_in("errands_by_key", to_errand, list(keys))


def lease_errands(writer: Writer, keys: list[str], *, now: Instant, until: Instant) -> list[Errand]:
    """Take errands that are due for this process alone until an instant; those that were to be had, as they are now."""
    mine = find_errands(writer, writer.fetch_in("lock_due_errands", str, list(keys), now=now))
    writer.execute_many("lease_errand", [{"key": one.key, "until": until} for one in mine])
    return mine


def advance_errand(
    writer: Writer, errand: Errand, *, cursor: str, done: int, total: int | None, now: Instant
) -> None:
    """A page was recorded, in this same transaction: `cursor` leads to the next, "" when it was the last."""
    if cursor:
        writer.execute(
            "advance_errand", key=errand.key, old=errand.cursor, cursor=cursor, reading=errand.reading,
            began_at=errand.began_at, done=done, total=total, now=now, never=NEVER,
        )
        return
    if errand.kind in STAYING:
        writer.execute(
            "complete_errand", key=errand.key, old=errand.cursor, reading=errand.reading, began_at=errand.began_at,
            done=done, never=NEVER,
        )
    elif errand.kind == PULL_REQUEST and errand.attempts >= MOST_READINGS:
        drop_errand(writer, errand)
    else:
        writer.execute("delete_errand", key=errand.key, reading=errand.reading)
    # What was just read can itself be the reason to read again.
    again, attempts = (AGAIN, errand.attempts + 1) if errand.kind == PULL_REQUEST else (0, 0)
    writer.execute("repeat_errand", key=errand.key, reading=errand.reading, run_at=now + again, attempts=attempts)


def postpone_errand(writer: Writer, errand: Errand, *, error: str, attempts: int, run_at: Instant) -> None:
    """It could not be carried out now."""
    writer.execute("postpone_errand", key=errand.key, error=error[:500], attempts=attempts, run_at=run_at)


def drop_errand(writer: Writer, errand: Errand) -> None:
    """What it is about is not there; whoever finds it there again wishes again."""
    writer.execute("drop_errand", key=errand.key)


def retry_refused(writer: Writer, *, forge: str, now: Instant) -> None:
    """Permissions may have changed: what was refused is due at once."""
    for query in ("retry_refused_errands", "retry_refused_messages"):
        writer.execute(query, forge=forge, now=now, refused=REFUSED, after_refused=REFUSED + "~")


def to_errand(
    key: str, kind: str, forge: str, owner: str, repository_id: int | None, since: int | None, cursor: str, reading: int,
    began_at: int | None, done: int, total: int | None, urgent: int, version: int, attempts: int, run_at: int, error: str,
) -> Errand:  # fmt: skip
    """A row of the table."""
    return Errand(
        key=key, kind=kind, forge=forge, owner=owner, repository_id=repository_id, since=since, cursor=cursor,
        reading=reading, began_at=began_at, done=done, total=total, urgent=bool(urgent), version=version,
        attempts=attempts, run_at=run_at, error=error,
    )  # fmt: skip
