"""Write only what differs: derived rows that did not change are not touched."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from bot.store import Row, Value, Writer

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedTable:
    """A derived table as the difference needs it: the columns of its key come first, `delete` is a named statement over them."""

    name: str
    key: tuple[str, ...]
    delete: str


DEPLOYMENT = DerivedTable(name="deployment", key=("id",), delete="bury_deployment")
FAILURE = DerivedTable(name="failure", key=("id", "source"), delete="delete_inferred_failure")
CHANGE_SET = DerivedTable(name="change_set", key=("deployment_id",), delete="delete_change_set")
CHANGE = DerivedTable(name="change", key=("deployment_id", "sha"), delete="delete_change")
CLASSIFICATION = DerivedTable(name="classification", key=("deployment_id",), delete="delete_classification")
REMEDIATION = DerivedTable(name="remediation", key=("deployment_id", "target"), delete="delete_remediation")
LANDING = DerivedTable(name="landing", key=("repository_id", "number"), delete="delete_landing")
INTRODUCED = DerivedTable(name="introduced", key=("repository_id", "sha", "number", "role"), delete="delete_introduced")
REBASED = DerivedTable(name="rebased", key=("repository_id", "sha", "number"), delete="delete_rebased")
FLAG = DerivedTable(name="pull_request_flag", key=("repository_id", "number"), delete="delete_pull_request_flag")
LINK_READ = DerivedTable(name="link_read", key=("stage", "reader", "repository_id", "about"), delete="delete_link_read")


class Edit(NamedTuple):
    """One row to write, or (`row` is `None`) the key to delete; a tuple, because a rebuild makes very many."""

    table: DerivedTable
    key: tuple[Value, ...]
    row: Row | None


def difference(table: DerivedTable, old: Iterable[Row], new: Iterable[Row]) -> list[Edit]:
    """What turns `old` into `new`, in key order."""
    width = len(table.key)
    before = {row[:width]: row for row in map(tuple, old)}
    after = {row[:width]: row for row in map(tuple, new)}
    gone = [Edit(table, key, None) for key in before if key not in after]
    come = [Edit(table, key, row) for key, row in after.items() if before.get(key) != row]
    return gone + come


def slices(edits: Sequence[T], *, rows: int) -> Iterator[Sequence[T]]:
    """Edits, or other rows to write, in transactions' worth."""
    for start in range(0, len(edits), rows):
        yield edits[start : start + rows]


def apply(writer: Writer, edits: Sequence[Edit]) -> None:
    """Write edits, deletions first."""
    tables = {edit.table.name: edit.table for edit in edits}
    for name, table in sorted(tables.items()):
        keys = [dict(zip(table.key, edit.key, strict=True)) for edit in edits if edit.table is table and edit.row is None]
        rows = [edit.row for edit in edits if edit.table is table and edit.row is not None]
        if keys:
            writer.execute_many(table.delete, keys)
        if rows:
            writer.write_many(name, rows, on_conflict="replace")
