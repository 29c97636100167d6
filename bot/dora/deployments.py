"""Deployments, their series, and each one's predecessor."""

from dataclasses import dataclass

from bot.dora.commits import Sha
from bot.dora.instants import Instant


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Series:
    """All deployments of one service in one environment; both trimmed lower case, `env` is "" when none was given."""

    service: str
    env: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment as received. `repository` is a RepositoryId's text, `received_at` its receipt instant (with `receipt` the order of writes)."""

    id: str
    series: Series
    version: str
    """Verbatim, "" when absent."""
    repository: str
    """"" when the deployment has no git data."""
    commit_sha: Sha | None
    started_at: Instant
    finished_at: Instant
    source: str
    received_at: Instant
