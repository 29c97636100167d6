"""Record what people correct; nothing of it is ever changed, so that the facts are the audit trail."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bot.dora.deployments import Series
from bot.dora.instants import Instant
from bot.dora.overrides import UNSET, Override, RemediationType, Unset, Word
from bot.facts.marks import CLASSIFICATION, mark_series
from bot.store import Reader, Writer

__all__ = ["UNSET", "Override", "Recorded", "Unset", "find_latest", "load_audit", "load_overrides", "load_series_overrides", "record_override"]

_FAILURE = {None: "removed", True: "true", False: "false"}
_SAID = {text: value for value, text in _FAILURE.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A correction as it was recorded: who said what, when, and why ("" when nobody says)."""

    override: Override
    received_at: Instant
    receipt: int
    by: str
    reason: str

    @property
    def said_of_failure(self) -> str | None:
        """true, false, removed; `None` when it does not speak of that."""
        failure = self.override.change_failure
        return None if isinstance(failure, Unset) else _FAILURE[failure]

    @property
    def said_of_remediation(self) -> str | None:
        """Type and id, removed; `None` when it does not speak of that."""
        kind, id = self.override.remediation_type, self.override.remediation_id
        if isinstance(kind, Unset):
            return None
        return f"{kind} {id}" if kind is not None else "removed"

    @property
    def word(self) -> Word:
        """As the derivation folds it."""
        return (self.received_at, self.receipt), self.by, self.override


class _Place(NamedTuple):
    id: str
    service: str
    env: str


def record_override(
    writer: Writer, override: Override, *, received_at: Instant, receipt: int, by: str, reason: str = ""
) -> None:
    """Record a correction, and mark the series of the deployment and of those that were or are said to have mended it."""
    said = load_overrides(writer, [override.deployment_id])
    mending = [one.override.remediation_id for one in said] + [override.remediation_id]
    touched = {override.deployment_id, *(one for one in mending if isinstance(one, str))}
    places = writer.fetch_in("deployments_placed", _Place, sorted(touched))
    kind = override.remediation_type
    row = (
        override.deployment_id, received_at, receipt, by, reason,
        None if isinstance(override.change_failure, Unset) else _FAILURE[override.change_failure],
        None if isinstance(kind, Unset) else kind or "removed",
        override.remediation_id if isinstance(override.remediation_id, str) and isinstance(kind, str) else "",
    )
    writer.write_many("deployment_override", [row], on_conflict="keep")
    for series in sorted({Series(service=one.service, env=one.env) for one in places}):
        mark_series(writer, series, from_at=0, stage=CLASSIFICATION)


def load_overrides(reader: Reader, ids: Iterable[str]) -> list[Recorded]:
    """All corrections of these deployments, in the order of their receipts."""
    found = reader.fetch_in("overrides_of", _recorded, sorted(set(ids)))
    return sorted(found, key=lambda one: (one.received_at, one.receipt, one.override.deployment_id))


def load_audit(reader: Reader, deployment_id: str) -> Sequence[Recorded]:
    """The audit trail of one deployment, in the order in which it counts."""
    return load_overrides(reader, [deployment_id])


def load_series_overrides(reader: Reader, series: Series) -> list[Recorded]:
    """All corrections of the deployments of a series, and of those (of any series) that one of them is said to have mended."""
    return reader.fetch("series_overrides", _recorded, service=series.service, env=series.env)


def find_latest(reader: Reader, service: str, env: str, version: str) -> str | None:
    """The id of the most recently finished deployment of a version; `None` when there is none. Names compare case-insensitively."""
    series = {"service": service.strip().casefold(), "env": env.strip().casefold()}
    return next(iter(reader.fetch("latest_of_version", str, version=version, **series)), None)


def _recorded(
    deployment_id: str, received_at: Instant, receipt: int, by: str, reason: str, failure: str | None, kind: str | None,
    remediation_id: str,
) -> Recorded:  # fmt: skip
    named: RemediationType | None = "rollback" if kind == "rollback" else "rollforward" if kind == "rollforward" else None
    override = Override(
        deployment_id=deployment_id,
        change_failure=UNSET if failure is None else _SAID[failure],
        remediation_type=UNSET if kind is None else named,
        remediation_id=UNSET if kind is None else remediation_id or None,
    )
    return Recorded(override=override, received_at=received_at, receipt=receipt, by=by, reason=reason)
