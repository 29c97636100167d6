"""Record what forges merged to try pull requests out: CI may deploy that commit, which stands for the pull request's head."""

from collections.abc import Sequence
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.deployments import Series
from bot.dora.events import PullRequestSeen
from bot.dora.instants import Instant
from bot.facts.fetches import HEAD_REFS, want_fetch
from bot.facts.marks import mark_series
from bot.store import Writer


class _Row(NamedTuple):
    sha: Sha
    head_sha: Sha
    number: int
    at: Instant


def record_test_merges(writer: Writer, repository_id: int, seen: Sequence[PullRequestSeen], *, now: Instant) -> None:
    """The first event that shows a test merge counts: after a push to the head the forge shows the old one for a while.

    Series whose deployments wait for one are marked, and its head is wished for.
    """
    new: dict[Sha, _Row] = {}
    for one in seen:
        told = one.pull_request
        if one.test_merge_sha is not None and told.head_sha is not None:
            row = _Row(one.test_merge_sha, told.head_sha, told.number, one.updated_at)
            new[row.sha] = min(new.get(row.sha, row), row, key=_order)
    if not new:
        return
    stored = {bytes(row.sha): row for row in writer.fetch_in("test_merges", _Row, sorted(new), repository_id=repository_id)}
    changed = [row for sha, row in sorted(new.items()) if sha not in stored or _order(row) < _order(stored[sha])]
    shas = [row.sha for row in changed]
    waiting = writer.fetch_in("deployments_of_test_merges", _Waiting, shas, repository_id=repository_id) if shas else []
    writer.write_many("test_merge", [(repository_id, *row) for row in changed], on_conflict="replace")
    for service, env, finished_at, sha, forge in waiting:
        mark_series(writer, Series(service=service, env=env), from_at=finished_at)
        if forge in HEAD_REFS:
            ref = HEAD_REFS[forge].format(new[bytes(sha)].number)
            want_fetch(writer, repository_id=repository_id, ref=ref, now=now)


class _Waiting(NamedTuple):
    service: str
    env: str
    finished_at: Instant
    sha: Sha
    forge: str


def _order(row: _Row) -> tuple[Instant, int, Sha]:
    return row.at, row.number, bytes(row.head_sha)
