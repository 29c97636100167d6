"""Record deployments told by webhook that name a commit, and perhaps no service: whose they are is inferred.

Of one key the newest telling, by its receipt, replaces the whole.
"""

from typing import NamedTuple

from bot.dora.inference import CommitDeployed
from bot.dora.instants import Instant
from bot.facts.inferences import WEBHOOK
from bot.facts.marks import mark_inference
from bot.store import Reader, Row, Writer


class _Known(NamedTuple):
    received_at: Instant
    receipt: int


def record_commit_deployed(writer: Writer, told: CommitDeployed, *, received_at: Instant, receipt: int = 0) -> None:
    """Record it and mark what follows from its repository; an older telling than the known changes nothing."""
    known = writer.fetch("webhook_deployment_known", _Known, key=told.key)
    if known and known[0] > (received_at, receipt):
        return
    row: Row = (
        told.key, told.service, told.env, told.ref, told.repository, told.repository_url, told.commit_sha, told.started_at,
        told.finished_at, received_at, receipt,
    )
    writer.write_many("webhook_deployment", [row], on_conflict="newer")
    mark_inference(writer, WEBHOOK, told.repository)


def load_commits_deployed(reader: Reader, repository: str) -> list[CommitDeployed]:
    """All that were told of a repository under this name."""
    return reader.fetch("webhook_deployments_of", _told, repository=repository)


def _told(
    key: str, service: str, env: str, ref: str, repository: str, repository_url: str, commit_sha: bytes,
    started_at: Instant, finished_at: Instant,
) -> CommitDeployed:  # fmt: skip
    return CommitDeployed(
        key=key, service=service, env=env, ref=ref, repository=repository, repository_url=repository_url,
        commit_sha=bytes(commit_sha), started_at=started_at, finished_at=finished_at,
    )
