"""Rollforwards that wait: pull requests that look like one, and that no deployment has brought out yet."""

from dataclasses import dataclass
from typing import Literal

from bot.dora.instants import Duration, Instant

State = Literal["open", "merged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Where a rollforward waits, and since when (`None`: nobody told when it was opened)."""

    state: State
    since: Instant | None

    def lasts(self, now: Instant) -> Duration | None:
        """How long it has waited."""
        return None if self.since is None else max(0, now - self.since)


def wait_of(
    state: str, *, created_at: Instant | None, merged_at: Instant | None, carried: bool, unlisted_at: Instant | None
) -> Wait | None:
    """Where a flagged pull request waits; `None` when it went out, or was given up.

    `carried`: a deployment carried a commit of it. `unlisted_at` is the latest start of a deployment of its repository whose commits
    nobody can list (a first one, one after too long a gap): what was merged before that went out with it.
    """
    if merged_at is not None:
        out = carried or (unlisted_at is not None and merged_at <= unlisted_at)
        return None if out else Wait(state="merged", since=merged_at)
    return Wait(state="open", since=created_at) if state == "open" else None
