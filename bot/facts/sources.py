"""Turn data sources on and off, and say which are on."""

from typing import NamedTuple

from bot.dora.deployments import Series
from bot.dora.instants import Instant
from bot.dora.sources import EventKind, Selection, Switch, select
from bot.facts.marks import mark_series
from bot.store import Reader, Writer


class _Row(NamedTuple):
    name: str
    selected_from: Instant | None
    is_on: int
    told_at: Instant
    receipt: int

    @property
    def switch(self) -> Switch:
        return Switch(on=bool(self.is_on), selected_from=self.selected_from)


def select_source(
    writer: Writer, kind: EventKind, name: str, *, on: bool, retroactive: bool = False, at: Instant, receipt: int = 0
) -> Switch:
    """Turn a source on from `at` on (`retroactive`: with all that is kept), or off; its series are derived again. Returns its state.

    The first selection stays, whenever somebody says it; of several words the latest `(at, receipt)` is the state.
    """
    writer.lock("source_switch", kind, name)
    rows = {row.name: row for row in writer.fetch("source_switches", _Row, kind=kind)}
    known = rows.get(name)
    before = known.switch if known else Selection(kind=kind).switch(name)
    newest = known is None or (at, receipt) >= (known.told_at, known.receipt)
    told = (at, receipt) if newest or known is None else (known.told_at, known.receipt)
    after = select(before, on=on, at=0 if retroactive else at, newest=newest)
    series = writer.fetch("series_with_source", _series, source=name) if kind == "deployments" and after != before else []
    writer.write_many("source_switch", [(kind, name, after.selected_from, int(after.on), *told)], on_conflict="replace")
    for one in series:
        mark_series(writer, one, from_at=0)
    return after


def load_selection(reader: Reader, kind: EventKind) -> Selection:
    """The state of the sources of one kind."""
    return Selection(kind=kind, switches={row.name: row.switch for row in reader.fetch("source_switches", _Row, kind=kind)})


def _series(service: str, env: str) -> Series:
    return Series(service=service, env=env)
