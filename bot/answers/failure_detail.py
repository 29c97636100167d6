"""Everything about one failure: what it did when, how its time to restore was made, and the deployments around it.

Rules: around a failure are the deployments of its services and envs that finished within 24 hours before it or while it lasted, and
those that it is attributed to, whenever they finished. Deployments that do not count (their source is off, another source's word of a
release) are left out. Who may see some services alone sees the failure and the deployments of those alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Final, Literal, NamedTuple

from bot.answers.attribution import attribute_failure
from bot.answers.deployments import DeploymentShown, show_deployment
from bot.answers.encode import Json, rfc3339, seconds, to_json
from bot.answers.failure_history import active_time, load_spans
from bot.answers.failures import FailureRow, FailureShown, load_failures, show_failure
from bot.answers.pagerduty import PagerDutyIncident, find_pagerduty_incident
from bot.answers.rows import DeploymentRow, load_pending, load_remedies
from bot.dora.attribution import Attribution, Level
from bot.dora.failures import Span, State
from bot.dora.incidents import SOURCE as INCIDENTS
from bot.dora.inference import FORGES
from bot.dora.instants import DAY, LATEST, Duration, Instant
from bot.dora.pagerduty import SOURCE as PAGERDUTY
from bot.dora.reasons import NoRestore, NotComputed
from bot.dora.sources import counts
from bot.facts.names import Shown
from bot.facts.sources import load_selection
from bot.store import Reader

BEFORE: Final[Duration] = DAY
MOST = 40
"""Deployments before a failure that are shown, and as many while it lasted: those nearest to its beginning."""

When = Literal["before", "during", "after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanShown:
    """A period in one state; `finished_at` is `None` while it lasts."""

    state: str
    started_at: Instant
    finished_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """How a time to restore is made: of its end and beginning, or of its active periods; and why there is none."""

    how: Literal["finished_minus_started", "active_periods"]
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """A deployment near a failure: when it finished, which deployments it mended, and whether the failure is attributed to it."""

    deployment: DeploymentShown
    when: When
    mends: tuple[str, ...]
    link: Attribution | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureDetail:
    """A failure and all that is known about it."""

    failure: FailureShown
    envs: tuple[str, ...]
    teams: tuple[str, ...]
    version: str | None
    repository: str | None
    commit_sha: bytes | None
    tags: tuple[str, ...]
    received_at: Instant
    not_computed: str | None
    """`source_off` where it does not count."""
    spans: tuple[SpanShown, ...]
    active_time: Duration
    restored: Restored
    deployments: tuple[Around, ...]
    """In the order in which they finished."""
    left_out: int
    nothing: Attribution | None
    """Why it is attributed to no deployment."""
    sources: tuple[str, ...]
    """All sources that use this id."""
    pagerduty: PagerDutyIncident | None
    """What PagerDuty says, and by which step it was mapped; `None` of other sources."""


class _Near(NamedTuple):
    id: str
    env: str
    finished_at: Instant


def find_failure(
    reader: Reader, id: str, *, source: str | None, now: Instant, visible: frozenset[str]
) -> tuple[FailureRow, FailureDetail] | None:
    """A failure with everything about it; `None` when nobody knows it. Of several sources that which counts is meant, else the first."""
    rows = load_failures(reader, id, visible=visible)
    selection = load_selection(reader, "failures")
    named = [row for row in rows if source in (None, row.source)]
    counted = [row for row in named if counts(selection, row.source, row.started_at)]
    row = next(iter([*counted, *named]), None)
    if row is None:
        return None
    links = attribute_failure(reader, row) if row in counted else ()
    spans = load_spans(reader, [row])[row.source, row.id]
    around, left_out = _around(reader, row, links, now=now)
    return row, FailureDetail(
        failure=show_failure(row),
        envs=row.envs_shown,
        teams=row.teams,
        version=row.version or None,
        repository=row.repository or None,
        commit_sha=row.commit_sha,
        tags=row.tags,
        received_at=row.received_at,
        not_computed=None if row in counted else NotComputed.SOURCE_OFF,
        spans=tuple(SpanShown(state=span.state.value, started_at=span.start, finished_at=span.end) for span in spans),
        active_time=active_time(spans, now=now),
        restored=_restored(row, spans),
        deployments=around,
        left_out=left_out,
        nothing=next((link for link in links if link.level is Level.NONE), None),
        sources=tuple(one.source for one in rows),
        pagerduty=find_pagerduty_incident(reader, id, visible=visible) if row.source == PAGERDUTY else None,
    )


def detail_json(detail: FailureDetail) -> dict[str, Json]:
    """A failure in the API's shape: its fields, and beside them what explains them."""
    whole: dict[str, object] = {field.name: getattr(detail.failure, field.name) for field in fields(FailureShown)}
    whole |= {field.name: getattr(detail, field.name) for field in fields(FailureDetail) if field.name != "failure"}
    whole["deployments"] = [_around_json(one) for one in detail.deployments]
    whole["deployments_left_out"] = whole.pop("left_out")
    nothing = whole.pop("nothing")
    whole["not_attributed"] = None if nothing is None else _link_json(detail.nothing)
    return {name: to_json(value, name=name) for name, value in whole.items()}


def _restored(row: FailureRow, spans: Sequence[Span]) -> Restored:
    reason = None
    if row.time_to_restore is None:
        # Of one that is over, but whose beginning nobody saw, only the first sight is known.
        over = row.source != INCIDENTS and row.finished_at is not None
        never = over or not any(span.state is State.ACTIVE for span in spans)
        reason = NoRestore.NEVER_ACTIVE if never else NoRestore.OPEN
    return Restored(how="active_periods" if row.source in (INCIDENTS, *FORGES) else "finished_minus_started", reason=reason)


def _around(
    reader: Reader, row: FailureRow, links: Iterable[Attribution], *, now: Instant
) -> tuple[tuple[Around, ...], int]:
    """The deployments around a failure, and how many more there are."""
    linked = {link.deployment.id: link for link in links if link.deployment is not None}
    services = {*row.services, *(link.deployment.service for link in linked.values() if link.deployment is not None)}
    until = min(LATEST, max(now, row.started_at) if row.finished_at is None else row.finished_at)
    period = {"from_at": max(0, row.started_at - BEFORE), "to_at": until}
    found = reader.fetch_in("deployments_around", _Near, sorted(services), **period)
    near = sorted((one for one in found if not row.envs or one.env in row.envs), key=lambda one: (one.finished_at, one.id))
    before = [one.id for one in near if one.finished_at <= row.started_at]
    during = [one.id for one in near if one.finished_at > row.started_at]
    mending = [link.deployment.mended.id for link in linked.values() if link.deployment and link.deployment.mended]
    chosen = dict.fromkeys([*before[-MOST:], *during[:MOST], *linked, *mending])
    shown = _load(reader, list(chosen), row, linked, until)
    return shown, len(set(before) | set(during)) - len(chosen.keys() & {*before, *during})


def _load(
    reader: Reader, ids: list[str], failure: FailureRow, linked: dict[str, Attribution], until: Instant
) -> tuple[Around, ...]:
    pending, shown = load_pending(reader), Shown(reader)
    rows = [row.under(shown) for row in reader.fetch_in("answer_deployments_by_id", DeploymentRow, ids)]
    rows = sorted((row for row in rows if row.counted(pending)), key=lambda row: (row.finished_at, row.id))
    remedies = load_remedies(reader, [row.id for row in rows])
    mends: dict[str, list[str]] = {}
    for id, target in sorted(reader.fetch_in("remediated_by", _pair, [row.id for row in rows])):
        mends.setdefault(id, []).append(target)
    return tuple(
        Around(
            deployment=show_deployment(row, remedy=remedies.get(row.id), pending=pending),
            when=_when(row.finished_at, failure.started_at, until),
            mends=tuple(mends.get(row.id, ())),
            link=linked.get(row.id),
        )
        for row in rows
    )


def _when(at: Instant, started_at: Instant, until: Instant) -> When:
    return "before" if at <= started_at else "during" if at <= until else "after"


def _around_json(one: Around) -> dict[str, Json]:
    shown = {field.name: to_json(getattr(one.deployment, field.name), name=field.name) for field in fields(DeploymentShown)}
    return {**shown, "when": one.when, "mends": list(one.mends), "attribution": _link_json(one.link)}


def _link_json(link: Attribution | None) -> dict[str, Json] | None:
    if link is None:
        return None
    return {
        "level": link.level.value,
        "confidence": link.level.confidence,
        "reason": link.level.reason,
        "basis": link.basis.value,
        "same_event": link.same_event,
        "distance": None if link.distance is None else seconds(link.distance),
        "evidence": [
            {
                "words": part.words,
                "at": None if part.at is None else rfc3339(part.at),
                "distance": None if part.distance is None else seconds(part.distance),
            }
            for part in link.evidence
        ],
    }


def _pair(first: str, second: str) -> tuple[str, str]:
    return first, second
