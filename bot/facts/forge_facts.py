"""Record what forges tell of deployments, releases and issues: merged so that the order of arrival does not show.

The newest event about a thing says what it is; instants of birth are the earliest told, states of a deployment a set.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from bot.dora.commits import Sha
from bot.dora.events import DeploymentSeen, IssueSeen, ReleaseSeen
from bot.dora.instants import Instant
from bot.dora.issues import CLOSED, DELETED, ISSUE, OPEN
from bot.facts.inferences import FORGE, ISSUES, mark_inferences
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
    """An issue or incident, as stored; `labels`, `changes` and `unlabeled` are JSON."""

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
    changes: str
    unlabeled: str


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
    """Merge what is said of issues and incidents, each with its repository's number, and mark likewise; a deleted one stays so."""

    def row(id: int, one: IssueSeen) -> IssueRow:
        told = (one.kind, one.title, _json(one.labels), one.severity, one.state)
        changes = json.dumps(sorted(set(one.changes)))
        return IssueRow(id, one.number, *told, one.created_at, one.closed_at, one.at, changes, _json(one.unlabeled))

    rows = [row(id, one) for id, one in seen]
    changed = _merge(writer, "forge_issue", "forge_issues", rows, IssueRow, _joined_issues)
    mark_inferences(writer, [(ISSUES, id) for id in changed])


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


_STATE_RANK = {OPEN: 0, CLOSED: 1, DELETED: 2}


def _joined_issues(one: IssueRow, other: IssueRow) -> IssueRow:
    newest = _same_second(one, other) if one.told_at == other.told_at else max(one, other, key=lambda row: row.told_at)
    changes = {(at, state) for row in (one, other) for at, state in json.loads(row.changes)}
    return newest._replace(
        state=DELETED if DELETED in (one.state, other.state) else newest.state,
        created_at=_earliest(one.created_at, other.created_at), changes=json.dumps(sorted(changes)),
    )  # fmt: skip


def _same_second(one: IssueRow, other: IssueRow) -> IssueRow:
    """What two events of one instant say together: each label that either shows, unless it was taken off just then."""
    both = (one, other)
    return one._replace(
        kind=max((row.kind for row in both), key=lambda kind: (kind != ISSUE, kind)),
        title=max(row.title for row in both),
        labels=_json(label for row in both for label in json.loads(row.labels)),
        severity=max((row.severity for row in both), key=lambda severity: (severity not in ("", "unknown"), severity)),
        state=max((row.state for row in both), key=lambda state: _STATE_RANK[state]),
        closed_at=max((row.closed_at for row in both if row.closed_at is not None), default=None),
        unlabeled=_json(label for row in both for label in json.loads(row.unlabeled)),
    )


def _json(texts: Iterable[str]) -> str:
    return json.dumps(sorted(set(texts)), ensure_ascii=False)


def _earliest(*instants: Instant | None) -> Instant | None:
    return min((at for at in instants if at is not None), default=None)
