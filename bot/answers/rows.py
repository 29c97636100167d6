"""Deployments as the store holds them, with what was derived; the one reading that every answer about deployments shares."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from bot.answers.questions import Filters
from bot.dora.definitions import attached_tags
from bot.dora.instants import LATEST, Duration, Instant
from bot.dora.metrics import is_rework
from bot.dora.reasons import NotComputed
from bot.dora.sources import Selection, counts
from bot.facts.names import Shown
from bot.facts.sources import load_selection
from bot.store import Reader

NEWEST: tuple[Instant, str] = (2**63 - 1, "")
"""The key that comes before every row."""
EVERYTHING = 2**62
_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The series that are about to be derived again, and from when on; and which sources count already now."""

    since: Mapping[tuple[str, str], Instant]
    selection: Selection


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    """One deployment; the derived columns are `None` before its derivation. Columns in the order of `answer_deployments`."""

    id: str
    service: str
    env: str
    service_shown: str
    env_shown: str
    version: str
    repository: str
    repository_url: str
    commit_sha: bytes | None
    started_at: Instant
    finished_at: Instant
    source: str
    received_at: Instant
    own_team: str
    own_tags: str
    defined_name: str | None
    defined_team: str | None
    defined_tags: str | None
    defined_languages: str | None
    change_flags: str | None
    predecessor: str | None
    reason: str | None
    dropped: str | None
    kept: int | None
    redeployed: int | None
    with_lead_time: int | None
    mean: Duration | None
    median: Duration | None
    least: Duration | None
    greatest: Duration | None
    merged_into: str | None
    type: str | None
    type_flags: str | None
    near_misses: str | None
    failed: int | None

    def under(self, shown: Shown) -> "DeploymentRow":
        """The same with its repository called as it is now; it was sent under the name of its day."""
        return replace(self, repository=shown.current(self.repository, self.finished_at))

    @property
    def team(self) -> str:
        """The event's, else the definition's; "" when nobody says."""
        return self.own_team or self.defined_team or ""

    @property
    def tags(self) -> tuple[str, ...]:
        """The event's own and those the definition adds, its languages among them; on a key that both have the event's win."""
        return attached_tags(texts(self.own_tags), texts(self.defined_tags), texts(self.defined_languages))

    @property
    def has_identity(self) -> bool:
        """Whether it can be recognised when deployed again, by commit or version."""
        return self.commit_sha is not None or self.version != ""

    @property
    def rework(self) -> bool:
        """Whether it is unplanned, as detected or as its tag says."""
        return is_rework(self.type, self.tags)

    @property
    def flags(self) -> tuple[str, ...]:
        """What is to be known of its changes and its type."""
        return tuple(sorted({*texts(self.change_flags), *texts(self.type_flags)}))

    @property
    def dropped_counts(self) -> dict[str, int]:
        """How many candidate commits are no changes, by reason."""
        found = json.loads(self.dropped) if self.dropped else {}
        return {str(reason): int(found[reason]) for reason in sorted(found)}

    def not_computed(self, pending: Pending) -> str | None:
        """Why there is no lead time: its source is off, it is not derived yet, or the derivation's own reason."""
        if not counts(pending.selection, self.source, self.finished_at):
            return NotComputed.SOURCE_OFF
        if self.change_flags is None or pending.since.get((self.service, self.env), LATEST) <= self.finished_at:
            return NotComputed.PENDING
        return self.reason

    def counted(self, pending: Pending) -> bool:
        """Whether metrics see it: its source is on, and no other source's deployment stands for the same release."""
        return self.merged_into is None and self.not_computed(pending) != NotComputed.SOURCE_OFF

    def matches(self, filters: Filters) -> bool:
        """Whether the row is asked for (its window is the query's matter)."""
        return (
            (filters.service is None or filters.service == self.service)
            and (filters.envs is None or self.env in filters.envs)
            and (filters.repository is None or filters.repository == self.repository)
            and (filters.source is None or filters.source == self.source)
            and (filters.team is None or filters.team == self.team.strip().lower())
            and (not filters.tags or set(filters.tags) <= set(self.tags))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """The earliest remediation of a failed deployment."""

    id: str
    type: str
    finished_at: Instant


def texts(stored: str | None) -> tuple[str, ...]:
    """A stored JSON list of texts."""
    return () if stored in (None, "", "[]") else tuple(str(item) for item in json.loads(stored or "[]"))


def load_pending(reader: Reader) -> Pending:
    """The series with a mark, and from when on they are derived again; the sources that are on."""
    since = {tuple(json.loads(key)): from_at for key, from_at in reader.fetch("answer_pending_series", _pair)}
    return Pending(since=since, selection=load_selection(reader, "deployments"))


def stream_deployments(
    reader: Reader, filters: Filters, *, after: tuple[Instant, str] = NEWEST, chunk: int = _CHUNK, type: str = "", failed: bool = False
) -> Iterator[DeploymentRow]:
    """The deployments that match, newest first, after a key; read in chunks, so that asking for few reads few.

    `type` asks for one type alone; `failed` leaves out most that did not fail: those that nothing mended and nobody says it of.
    """
    query = "answer_deployments" if filters.service is None else "answer_deployments_of_service"
    shown = Shown(reader)
    if filters.repository is not None:
        filters = replace(filters, repository=shown.current(filters.repository))
    while True:
        rows = reader.fetch(
            query,
            DeploymentRow,
            from_at=0 if filters.from_at is None else filters.from_at,
            to_at=NEWEST[0] if filters.to_at is None else filters.to_at,
            before_at=after[0],
            before_id=after[1],
            service=filters.service or "",
            source=filters.source or "",
            type=type,
            failed=int(failed),
            n=chunk,
        )
        named = (row.under(shown) if row.repository in shown.moved else row for row in rows)
        yield from (row for row in named if row.matches(filters))
        if len(rows) < chunk:
            return
        after = (rows[-1].finished_at, rows[-1].id)


def load_deployments(reader: Reader, filters: Filters) -> list[DeploymentRow]:
    """All deployments that match, newest first, read at once."""
    return list(stream_deployments(reader, filters, chunk=EVERYTHING))


def load_deployment(reader: Reader, id: str) -> DeploymentRow | None:
    """One deployment; `None` when nobody knows it."""
    return next(iter(load_deployments_by_id(reader, [id])), None)


def load_deployments_by_id(reader: Reader, ids: Iterable[str]) -> list[DeploymentRow]:
    """Those of these deployments that somebody knows."""
    shown = Shown(reader)
    return [row.under(shown) for row in reader.fetch_in("answer_deployments_by_id", DeploymentRow, sorted(set(ids)))]


def load_merged(reader: Reader, id: str) -> list[DeploymentRow]:
    """The deployments that this one stands for, the earliest first."""
    return sorted(load_deployments_by_id(reader, reader.fetch("answer_merged", str, id=id)), key=lambda row: (row.finished_at, row.id))


def load_remedies(reader: Reader, ids: list[str]) -> dict[str, Remedy]:
    """The earliest remediation of each of these deployments that failed."""
    found = reader.fetch_in("answer_remediations_of", _remediation, ids)
    earliest: dict[str, Remedy] = {}
    for target, _, remedy in sorted(found, key=lambda one: one[1]):
        earliest.setdefault(target, remedy)
    return earliest


def load_remedies_between(reader: Reader, *, from_at: Instant, to_at: Instant) -> dict[str, Remedy]:
    """The earliest remediation of each failed deployment of a window."""
    earliest: dict[str, Remedy] = {}
    for target, remedy in reader.fetch("answer_remediations_between", _remedy, from_at=from_at, to_at=to_at):
        earliest.setdefault(target, remedy)
    return earliest


def _pair(first: str, second: int) -> tuple[str, int]:
    return first, second


def _remedy(target: str, id: str, type: str, finished_at: Instant) -> tuple[str, Remedy]:
    return target, Remedy(id=id, type=type, finished_at=finished_at)


def _remediation(
    target: str, id: str, type: str, finished_at: Instant, started_at: Instant
) -> tuple[str, tuple[Instant, Instant, str], Remedy]:
    return target, (finished_at, started_at, id), Remedy(id=id, type=type, finished_at=finished_at)
