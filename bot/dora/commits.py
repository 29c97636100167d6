"""Commits, and the graph that answers what a deployment carried.

A graph index is a small integer that numbers the commits of one repository, parents before children; it means nothing outside
one graph object.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.dora.instants import Instant

Sha = bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit without its contents. `paths` is `None` where they cannot be known (a shallow boundary)."""

    sha: Sha
    parents: tuple[Sha, ...]
    authored_at: Instant | None
    committed_at: Instant | None
    author: str
    subject: str
    body: str = ""
    paths: tuple[bytes, ...] | None = ()
