"""Deletions: what is deleted stays so, whatever is sent under its id before or after, until it is sent with a new id."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from bot.dora.deployments import Series
from bot.dora.instants import Instant
from bot.facts.marks import INFERENCE, mark, mark_deployment
from bot.store import Reader, Writer

Kind = Literal["deployment", "failure", "incident"]


class Standing(NamedTuple):
    """Where a deployment stands, whether it is gone, and which receipt said so last."""

    service: str
    env: str
    started_at: Instant
    finished_at: Instant
    gone: int
    inferred_from: str
    received_at: Instant
    receipt: int

    @property
    def series(self) -> Series:
        """The series it is part of."""
        return Series(service=self.service, env=self.env)


def find_standing(reader: Reader, id: str) -> Standing | None:
    """Where a deployment stands, gone or not; `None` when nobody ever sent it."""
    return next(iter(reader.fetch("deployment_standing", Standing, id=id)), None)


def record_deletion(
    writer: Writer, kind: Kind, id: str, *, received_at: Instant, receipt: int = 0, by: str = ""
) -> bool:
    """Delete what has this id, or will have; whether it was there (of failures: whether they were not deleted yet).

    A deployment disappears with all that was derived of it; other kinds are hidden by `is_deleted`.
    """
    known = writer.fetch("tombstone", _pair, kind=kind, id=id)
    standing = find_standing(writer, id) if kind == "deployment" else None
    if not known or known[0] > (received_at, receipt):
        writer.write_many("tombstone", [(kind, id, received_at, receipt, by)], on_conflict="replace")
    if kind != "deployment":
        return not known
    if standing is None or standing.gone:
        return False
    writer.execute("bury_deployment", id=id)
    mark_deployment(writer, standing.series, started_at=standing.started_at, finished_at=standing.finished_at)
    if standing.inferred_from:
        # A derivation that is under way has not seen this, and must not bring it back.
        mark(writer, stage=INFERENCE, key=standing.inferred_from, from_at=0)
    return True


def is_deleted(reader: Reader, kind: Kind, id: str) -> bool:
    """Whether this id was deleted."""
    return bool(reader.fetch("tombstone", _pair, kind=kind, id=id))


def load_deleted(reader: Reader, kind: Kind, ids: Iterable[str]) -> frozenset[str]:
    """Those of these ids that were deleted."""
    return frozenset(reader.fetch_in("tombstones", str, sorted(set(ids)), kind=kind))


def _pair(received_at: Instant, receipt: int) -> tuple[Instant, int]:
    return received_at, receipt
