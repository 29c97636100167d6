"""Record what forges tell of deployments, releases and issues: merged so that the order of arrival does not show.

The newest event about a thing says what it is; instants of birth are the earliest told, states of a deployment a set.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from bot.dora.commits import Sha
from bot.dora.events import DeploymentSeen, IssueSeen, ReleaseSeen
from bot.dora.instants import Instant
from bot.facts.inferences import FORGE, mark_inferences
from bot.store import Writer


class DeploymentRow(NamedTuple):
    """A deployment at a forge, as stored; `states` is JSON."""

    repository_id: int
    forge_id: str
    environment: str
    sha: Sha | None
    ref: str
    created_at: Instant | None
    states: str


class ReleaseRow(NamedTuple):
    """A release, as stored."""

    repository_id: int
    forge_id: str
    tag: str
    name: str
    state: str
    published_at: Instant | None
    told_at: Instant


class IssueRow(NamedTuple):
    """An issue or incident, as stored; `labels` is JSON."""

    repository_id: int
    number: int
    kind: str
    title: str
    labels: str
    severity: str
    state: str
    created_at: Instant | None
    closed_at: Instant | None
    told_at: Instant


Seen = TypeVar("Seen", DeploymentSeen, ReleaseSeen, IssueSeen)
Row = TypeVar("Row", DeploymentRow, ReleaseRow, IssueRow)


def record_deployments_seen(writer: Writer, seen: Sequence[tuple[int, DeploymentSeen]]) -> None:
    """Merge states of deployments, each with its repository's number, and mark what is inferred from those that differ."""

    def row(id: int, one: DeploymentSeen) -> DeploymentRow:
        states = json.dumps([[one.at, one.state]])
        return DeploymentRow(id, one.forge_id, one.environment, one.sha, one.ref, one.created_at, states)

    rows = [row(id, one) for id, one in seen]
    changed = _merge(writer, "forge_deployment", "forge_deployments", rows, DeploymentRow, _joined_deployments)
    mark_inferences(writer, [(FORGE, id) for id in changed])


def record_releases(writer: Writer, seen: Sequence[tuple[int, ReleaseSeen]]) -> None:
    """Merge what is said of releases, each with its repository's number, and mark likewise; a deleted one stays deleted."""
    rows = [ReleaseRow(id, one.forge_id, one.tag, one.name, one.state, one.published_at, one.at) for id, one in seen]
    changed = _merge(writer, "forge_release", "forge_releases", rows, ReleaseRow, _joined_releases)
    mark_inferences(writer, [(FORGE, id) for id in changed])


def record_issues(writer: Writer, seen: Sequence[tuple[int, IssueSeen]]) -> None:
    """Merge what is said of issues and incidents, each with its repository's number."""

    def row(id: int, one: IssueSeen) -> IssueRow:
        labels = json.dumps(sorted(one.labels), ensure_ascii=False)
        told = (one.kind, one.title, labels, one.severity, one.state)
        return IssueRow(id, one.number, *told, one.created_at, one.closed_at, one.at)

    _merge(writer, "forge_issue", "forge_issues", [row(id, one) for id, one in seen], IssueRow, _joined_issues)


def _merge(
    writer: Writer,
    table: str,
    query: str,
    new: Sequence[Row],
    row_of: Callable[..., Row],
    joined: Callable[[Row, Row], Row],
) -> list[int]:
    """Merge rows into what is stored; the repositories of which something differs."""
    changed: list[int] = []
    groups: dict[int, list[Row]] = defaultdict(list)
    for row in new:
        groups[row[0]].append(row)
    for repository_id, group in sorted(groups.items()):
        keys = sorted({row[1] for row in group})
        stored = {row[1]: row for row in writer.fetch_in(query, row_of, keys, repository_id=repository_id)}
        rows = dict(stored)
        for row in group:
            rows[row[1]] = joined(rows[row[1]], row) if row[1] in rows else row
        different = [rows[key] for key in keys if rows[key] != stored.get(key)]
        writer.write_many(table, different, on_conflict="replace")
        changed += [repository_id] if different else []
    return changed


def _joined_deployments(one: DeploymentRow, other: DeploymentRow) -> DeploymentRow:
    said = [(json.loads(row.states)[-1][0], row.environment, row.ref, row) for row in (one, other)]
    newest = max(said, key=lambda claim: claim[:3])[3]
    states = {(at, state) for row in (one, other) for at, state in json.loads(row.states)}
    shas = [bytes(row.sha) for row in (one, other) if row.sha is not None]
    return newest._replace(
        sha=max(shas, default=None), created_at=_earliest(one.created_at, other.created_at),
        states=json.dumps(sorted(states)),
    )  # fmt: skip


def _joined_releases(one: ReleaseRow, other: ReleaseRow) -> ReleaseRow:
    newest = max(one, other, key=lambda row: (row.state == "deleted", row.told_at, row.tag, row.name, row.state))
    return newest._replace(published_at=_earliest(one.published_at, other.published_at))


def _joined_issues(one: IssueRow, other: IssueRow) -> IssueRow:
    newest = max(
        one, other,
        key=lambda row: (row.told_at, row.state == "closed", row.closed_at or 0, row.kind, row.title, row.labels, row.severity),
    )  # fmt: skip
    return newest._replace(created_at=_earliest(one.created_at, other.created_at))


def _earliest(*instants: Instant | None) -> Instant | None:
    return min((at for at in instants if at is not None), default=None)
