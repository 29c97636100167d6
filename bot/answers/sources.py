"""The data sources: which are on since when, and how much of what is kept counts."""

from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from bot.dora.instants import LATEST, Instant
from bot.dora.issues import INSTALLED, IssueSelection
from bot.dora.sources import SOURCES, EventKind
from bot.facts.issue_selections import load_issue_selection
from bot.facts.sources import load_selection
from bot.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceShown:
    """A source of one kind of event. `first_selected_at` is 0 when everything counts that is kept, `None` before the first selection.

    `merged` are the deployments for which another source's stands; they are kept and not counted. `issues` says which of a forge's
    issues are failures, where they are the source.
    """

    kind: EventKind
    source: str
    on: bool
    first_selected_at: Instant | None
    kept: int
    counted: int
    merged: int
    issues: IssueSelection | None


class _Numbers(NamedTuple):
    kept: int
    merged: int
    counted: int


def list_sources(reader: Reader, kind: EventKind | None = None) -> tuple[SourceShown, ...]:
    """All sources of one kind, or of both, in the order in which they are trusted."""
    kinds: tuple[EventKind, ...] = ("deployments", "failures") if kind is None else (kind,)
    return tuple(chain.from_iterable(_sources(reader, one) for one in kinds))


def find_source(reader: Reader, kind: EventKind, source: str) -> SourceShown:
    """One source that there is."""
    return next(one for one in list_sources(reader, kind) if one.source == source)


def _sources(reader: Reader, kind: EventKind) -> list[SourceShown]:
    selection = load_selection(reader, kind)
    found = []
    for source in SOURCES[kind]:
        switch = selection.switch(source)
        # None of a source that is off: nothing happens that late.
        from_at = switch.selected_from if switch.on and switch.selected_from is not None else LATEST
        (numbers,) = reader.fetch(f"answer_kept_{kind}", _Numbers, source=source, from_at=from_at)
        found.append(
            SourceShown(
                kind=kind, source=source, on=switch.on, first_selected_at=switch.selected_from,
                kept=numbers.kept, counted=int(numbers.counted), merged=numbers.merged,
                issues=load_issue_selection(reader, source) if kind == "failures" and source in INSTALLED else None,
            )
        )
    return found
