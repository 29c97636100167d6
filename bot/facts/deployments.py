"""Record deployments: the newest event, by its receipt, replaces the whole object."""

import json
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.deployments import Series
from bot.dora.events import NewDeployment
from bot.dora.instants import Instant
from bot.dora.repositories import RepositoryId
from bot.facts.fetches import HEAD_REFS, want_fetch
from bot.facts.marks import mark_deployment
from bot.facts.tombstones import find_standing, is_deleted
from bot.store import Value, Writer


class _Tried(NamedTuple):
    """The commit is what a forge merged to try a pull request out, whose head is not there."""

    repository_id: int
    number: int
    forge: str


def series_of(new: NewDeployment) -> Series:
    """The series a deployment belongs to: service and env compare case-insensitively."""
    return Series(service=new.service.casefold(), env=new.env.casefold())


def deployment_id(new: NewDeployment) -> str:
    """The sender's id, else one derived from the content, so that the same event sent again is the same deployment."""
    if new.id:
        return new.id
    series = series_of(new)
    content = [
        series.service, series.env, new.version, new.repository, new.commit_sha.hex() if new.commit_sha else "",
        new.started_at, new.finished_at,
    ]
    return blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()


def record_deployment(writer: Writer, new: NewDeployment, *, received_at: Instant, receipt: int = 0) -> str:
    """Record a deployment and mark its series (and the one it left) from the earlier instant on; returns its id.

    `(received_at, receipt)` orders the events of one id: an older one than the known changes nothing; what was deleted stays so.
    """
    key, series = deployment_id(new), series_of(new)
    if is_deleted(writer, "deployment", key):
        return key
    standing = find_standing(writer, key)
    if standing is not None and (standing.received_at, standing.receipt) > (received_at, receipt):
        return key
    wish = want_commit(writer, new.repository, new.commit_sha)
    row: tuple[Value, ...] = (
        key, series.service, series.env, new.service, new.env, new.version, new.repository, new.repository_url,
        new.commit_sha, new.started_at, new.finished_at, new.team, json.dumps(new.tags, ensure_ascii=False), new.source,
        received_at, receipt, "", 0,
    )
    writer.write_many("deployment", [row], on_conflict="newer")
    if standing is not None:
        mark_deployment(writer, standing.series, started_at=standing.started_at, finished_at=standing.finished_at)
    mark_deployment(writer, series, started_at=new.started_at, finished_at=new.finished_at)
    wish(received_at)
    return key


def want_commit(writer: Writer, repository: RepositoryId, sha: Sha | None) -> Callable[[Instant], None]:
    """What fetches a deployed commit that is not there, or the head of the pull request that it tries out.

    Reads now; the wish itself is written by calling what it returns, with the present instant.
    """
    missing = [] if sha is None else writer.fetch("repository_lacks_commit", int, name=repository, sha=sha)
    tried = [] if sha is None else writer.fetch("test_merge_deployed", _Tried, name=repository, sha=sha)

    def wish(now: Instant) -> None:
        for repository_id in missing:
            # The push that brings this commit may have been lost: look for it.
            want_fetch(writer, repository_id=repository_id, ref="*", now=now)
        for one in tried:
            if one.forge in HEAD_REFS:
                want_fetch(writer, repository_id=one.repository_id, ref=HEAD_REFS[one.forge].format(one.number), now=now)

    return wish
