"""The chain of one deployment: who says whether it failed, what may have mended it, and the failures that stand near it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.answers.attribution import failures_of_deployment
from bot.answers.deployments import DeploymentShown, show_deployments
from bot.answers.explain import CorrectionShown, Explanation
from bot.answers.failures import FailureShown, load_failures, show_failure
from bot.answers.rows import DeploymentRow, load_pending
from bot.dora.attribution import Attribution
from bot.dora.deployments import Series
from bot.dora.overrides import corrections_of
from bot.facts.keys import key_names
from bot.facts.marks import CHANGES, CLASSIFICATION, series_key
from bot.facts.names import Shown
from bot.facts.overrides import load_overrides
from bot.store import Reader

MOST_LATER, MOST_FAILURES = 50, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What stands around a deployment's outcome.

    `said` is the person's word in force; `later` are deployments of its series that may have mended it; `pending`: it is about to be
    classified again; `key_names` says whose keys these are, by their ids.
    """

    said: CorrectionShown | None
    later: tuple[DeploymentShown, ...]
    failures: tuple[tuple[Attribution, FailureShown], ...]
    pending: bool
    key_names: Mapping[str, str]


def load_chain(reader: Reader, row: DeploymentRow, found: Explanation, *, visible: frozenset[str]) -> Chain:
    """The chain of a deployment that was explained; failures as who may see these services alone (all, if none) sees them."""
    return Chain(
        said=_said(reader, row, found),
        later=_later(reader, row),
        failures=_failures(reader, row.id, visible),
        pending=_pending(reader, row),
        key_names=key_names(reader),
    )


def _said(reader: Reader, row: DeploymentRow, found: Explanation) -> CorrectionShown | None:
    """The newest word of the correction in force, with what all of them come to."""
    told = load_overrides(reader, [row.id, *(one.id for one in found.merged)])
    correction = corrections_of((one.word for one in told), {one.id: row.id for one in found.merged}).get(row.id)
    if correction is None:
        return None
    newest = next(shown for one, shown in zip(told, found.overrides, strict=True) if one.word[0] == correction.order)
    named = f"{correction.remediation_type} {correction.remediation_id}" if correction.remediation_type else None
    return replace(newest, change_failure="true" if correction.failed else "false", remediation=named)


def _later(reader: Reader, row: DeploymentRow) -> tuple[DeploymentShown, ...]:
    ids = reader.fetch("later_in_series", str, service=row.service, env=row.env, from_at=row.finished_at, n=MOST_LATER + 1)
    pending, shown = load_pending(reader), Shown(reader)
    rows = [one.under(shown) for one in reader.fetch_in("answer_deployments_by_id", DeploymentRow, ids) if one.id != row.id]
    rows = sorted((one for one in rows if one.counted(pending)), key=lambda one: (one.finished_at, one.started_at, one.id))
    return show_deployments(reader, rows)


def _failures(reader: Reader, id: str, visible: frozenset[str]) -> tuple[tuple[Attribution, FailureShown], ...]:
    found = []
    for link in failures_of_deployment(reader, id)[:MOST_FAILURES]:
        row = next(one for one in load_failures(reader, link.failure.id, visible=visible) if one.source == link.failure.source)
        found.append((link, show_failure(row)))
    return tuple(found)


def _pending(reader: Reader, row: DeploymentRow) -> bool:
    key = series_key(Series(service=row.service, env=row.env))
    return any(reader.fetch("mark_pending", int, stage=stage, key=key)[0] for stage in (CHANGES, CLASSIFICATION))
