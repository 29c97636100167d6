"""Deployments as the API lists them.

Rule: what is asked of their outcome is what a list shows (`change_failure`, `type`), and what metrics take (`rework`, `counted`), so that a
list holds just the deployments that a number counts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import get_args

from bot.answers.cursors import Cursor
from bot.answers.questions import FILTERS, PAGE, Asker, Filters, Form, Page, Parameters, parse_filters
from bot.answers.rows import (
    NEWEST,
    DeploymentRow,
    Pending,
    Remedy,
    load_deployment,
    load_pending,
    load_remedies,
    stream_deployments,
)
from bot.dora.instants import Duration, Instant
from bot.dora.remediation import DeploymentType
from bot.store import Reader

_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RemediationShown:
    """The deployment that remediated, and how."""

    id: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadTimeShown:
    """A deployment's lead time over its changes that have one, in nanoseconds."""

    mean: Duration | None
    median: Duration | None
    min: Duration | None
    max: Duration | None
    commits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentShown:
    """A deployment, its type, whether it failed, and its lead time or why there is none. Fields are the API's."""

    id: str
    service: str
    env: str | None
    version: str | None
    repository: str | None
    commit_sha: bytes | None
    started_at: Instant
    finished_at: Instant
    source: str
    team: str | None
    tags: tuple[str, ...]
    type: str | None
    change_failure: bool | None
    remediation: RemediationShown | None
    recovery_time: Duration | None
    predecessor: str | None
    change_lead_time: LeadTimeShown | None
    not_computed: str | None
    flags: tuple[str, ...]
    """What is to be known of its changes and its type."""
    merged_into: str | None
    """The deployment that counts for this one: the same release, as a more trusted source saw it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentList:
    """A page of deployments, newest first."""

    data: tuple[DeploymentShown, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedList:
    """A page of deployments, `before` of `total` come before it; `counted` of these are seen by metrics."""

    page: DeploymentList
    before: int
    total: int
    counted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is asked of what became of deployments; `None` asks for all. Fields are the API's parameters."""

    change_failure: bool | None = None
    type: str | None = None
    rework: bool | None = None
    counted: bool | None = None

    @property
    def echo(self) -> dict[str, str]:
        """What is asked for, as parameters."""
        return {name: str(value).lower() for name in OUTCOME if (value := getattr(self, name)) is not None}


ANY = Outcome()
OUTCOME: dict[str, tuple[str, ...]] = {
    field.name: get_args(DeploymentType) if field.name == "type" else ("true", "false") for field in fields(Outcome)
}
"""The parameters about outcomes, and what each can be."""


def parse_outcome(form: Form) -> Outcome:
    """What a form asks of outcomes. Raises QuestionError."""
    given = {name: form.choice(name, options) for name, options in OUTCOME.items()}
    return Outcome(
        change_failure=_truth(given["change_failure"]), type=given["type"], rework=_truth(given["rework"]), counted=_truth(given["counted"])
    )


def parse_deployments(parameters: Parameters, asker: Asker) -> tuple[Filters, Page, Outcome]:
    """A question for a list of deployments. Raises QuestionError."""
    form = Form(parameters, known=(*FILTERS, *PAGE, *OUTCOME))
    return parse_filters(form, asker), form.page(int, str), parse_outcome(form)


def list_deployments(reader: Reader, filters: Filters, page: Page, outcome: Outcome = ANY) -> DeploymentList:
    """A page of the deployments that match, newest first."""
    rows = list(islice(stream_outcomes(reader, filters, outcome, after=_after(page)), page.limit + 1))
    return _listed(reader, rows[: page.limit], more=len(rows) > page.limit)


def count_deployments(reader: Reader, filters: Filters, page: Page, outcome: Outcome) -> CountedList:
    """A page of the deployments that match, newest first, and how many there are."""
    after, pending = _after(page), load_pending(reader)
    rows: list[DeploymentRow] = []
    before = total = counted = 0
    for row in stream_outcomes(reader, filters, outcome):
        total += 1
        counted += row.counted(pending)
        if (row.finished_at, row.id) >= after:
            before += 1
        elif len(rows) < page.limit:
            rows.append(row)
    listed = _listed(reader, rows, more=total > before + len(rows))
    return CountedList(page=listed, before=before, total=total, counted=counted)


def stream_outcomes(
    reader: Reader, filters: Filters, outcome: Outcome, *, after: tuple[Instant, str] = NEWEST
) -> Iterator[DeploymentRow]:
    """The deployments that match, newest first, after a key; read in chunks, so that asking for few reads few."""
    found = stream_deployments(reader, filters, after=after, type=outcome.type or "", failed=outcome.change_failure is True)
    if outcome.counted is not None:
        pending = load_pending(reader)
        found = (row for row in found if row.counted(pending) is outcome.counted)
    if outcome.rework is not None:
        found = (row for row in found if row.rework is outcome.rework)
    if outcome.change_failure is None:
        yield from found
        return
    while chunk := list(islice(found, _CHUNK)):
        remedies = load_remedies(reader, [row.id for row in chunk])
        yield from (row for row in chunk if change_failure(row, remedies.get(row.id)) is outcome.change_failure)


def find_deployment(reader: Reader, id: str) -> DeploymentShown | None:
    """One deployment; `None` when nobody knows it."""
    row = load_deployment(reader, id)
    return None if row is None else show_deployments(reader, [row])[0]


def show_deployments(reader: Reader, rows: Sequence[DeploymentRow]) -> tuple[DeploymentShown, ...]:
    """Rows as the API shows them, in their order."""
    pending = load_pending(reader)
    remedies = load_remedies(reader, [row.id for row in rows])
    return tuple(show_deployment(row, remedy=remedies.get(row.id), pending=pending) for row in rows)


def show_deployment(row: DeploymentRow, *, remedy: Remedy | None, pending: Pending) -> DeploymentShown:
    """A row as the API shows it."""
    not_computed = row.not_computed(pending)
    failed = change_failure(row, remedy)
    return DeploymentShown(
        id=row.id,
        service=row.service_shown,
        env=row.env_shown or None,
        version=row.version or None,
        repository=row.repository or None,
        commit_sha=row.commit_sha,
        started_at=row.started_at,
        finished_at=row.finished_at,
        source=row.source,
        team=row.team or None,
        tags=row.tags,
        type=row.type,
        change_failure=failed,
        remediation=RemediationShown(id=remedy.id, type=remedy.type) if failed and remedy else None,
        recovery_time=recovery_time(row, remedy),
        predecessor=row.predecessor,
        change_lead_time=_lead_time(row) if not_computed is None else None,
        not_computed=not_computed,
        flags=row.flags,
        merged_into=row.merged_into,
    )


def change_failure(row: DeploymentRow, remedy: Remedy | None) -> bool | None:
    """Whether a deployment failed, as a person says, else as derived; `None` when it cannot be recognised again, does not count,
    or is not classified yet."""
    if row.failed is not None:
        return bool(row.failed)
    if not row.has_identity or (row.type is None and remedy is None):
        return None
    return remedy is not None


def recovery_time(row: DeploymentRow, remedy: Remedy | None) -> Duration | None:
    """From the failed deployment's end to its remediation's, in nanoseconds; `None` when a person named one that ended before."""
    if remedy is None or not change_failure(row, remedy) or remedy.finished_at < row.finished_at:
        return None
    return remedy.finished_at - row.finished_at


def _after(page: Page) -> tuple[Instant, str]:
    return NEWEST if page.after is None else (int(page.after[0]), str(page.after[1]))


def _listed(reader: Reader, rows: Sequence[DeploymentRow], *, more: bool) -> DeploymentList:
    return DeploymentList(
        data=show_deployments(reader, rows), next=Cursor.encode((rows[-1].finished_at, rows[-1].id)) if more else None
    )


def _truth(choice: str | None) -> bool | None:
    return None if choice is None else choice == "true"


def _lead_time(row: DeploymentRow) -> LeadTimeShown | None:
    if not row.with_lead_time:
        return None
    return LeadTimeShown(
        mean=row.mean, median=row.median, min=row.least, max=row.greatest, commits=row.with_lead_time
    )
