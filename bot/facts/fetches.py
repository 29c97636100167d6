"""Wishes to fetch: refs that a repository's mirror should have."""

from bot.dora.instants import Instant
from bot.store import Writer

HEAD_REFS = {"github": "refs/pull/{}/head", "gitlab": "refs/merge-requests/{}/head"}
"""Where a forge keeps the head of a pull request, whatever becomes of its branch."""


def want_fetch(writer: Writer, *, repository_id: int, ref: str, now: Instant) -> None:
    """Wish for a ref of a repository ("*" for all branches and tags), due at once; a pending wish's version rises."""
    writer.execute("upsert_fetch", repository_id=repository_id, ref=ref, now=now)
