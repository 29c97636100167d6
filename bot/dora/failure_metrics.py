"""What failure events say of a group in a window: how often something failed per deployment, and how long it took to restore.

Rules of this file:
- Failure events are those that somebody told; change failures are another thing, derived from deployments. Each metric counts one of
  the two alone, so that an event which both saw counts once in each metric.
- A failure belongs to the window in which it began. It counts once in a group, however many services it names.
- What has no time to restore is not a 0: it is open, or (an incident that nobody saw active) nobody knows how long it hurt.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.dora.instants import Duration, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFailure:
    """One failure event as the metrics see it; names canonical. `is_open` while it is not over and has no time to restore."""

    started_at: Instant
    services: frozenset[str]
    teams: frozenset[str]
    has_env: bool
    time_to_restore: Duration | None
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCounts:
    """How many failure events there are, and how many of them say less than they could."""

    count: int
    without_service: int
    without_team: int
    without_env: int


def count_failures(failures: Sequence[MeasuredFailure]) -> FailureCounts:
    """The failures of a group, and those that name no service, no team, no env."""
    return FailureCounts(
        count=len(failures),
        without_service=sum(not one.services for one in failures),
        without_team=sum(not one.teams for one in failures),
        without_env=sum(not one.has_env for one in failures),
    )


def comparable(deployed: Iterable[tuple[str, str]], failures: Iterable[MeasuredFailure]) -> tuple[int, int]:
    """(failures, deployments) over the services that have both, for failures without service over the teams that have both.

    `deployed` is the service and the team ("" for none) of each deployment.
    """
    deployed, failures = list(deployed), list(failures)
    services = {service for service, _ in deployed} & {service for one in failures for service in one.services}
    teams = {team for _, team in deployed if team} & {team for one in failures if not one.services for team in one.teams}
    failed = sum(not services.isdisjoint(one.services) if one.services else not teams.isdisjoint(one.teams) for one in failures)
    return failed, sum(service in services or team in teams for service, team in deployed)
