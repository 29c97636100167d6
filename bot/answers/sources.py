"""The data sources: which are on since when, and how much of what is kept counts."""

from collections import Counter
from dataclasses import dataclass
from itertools import chain

from bot.dora.instants import Instant
from bot.dora.sources import SOURCES, EventKind, counts
from bot.facts.sources import load_selection
from bot.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceShown:
    """A source of one kind of event. `first_selected_at` is 0 when everything counts that is kept, `None` before the first selection.

    `merged` are the deployments for which another source's stands; they are kept and not counted.
    """

    kind: EventKind
    source: str
    on: bool
    first_selected_at: Instant | None
    kept: int
    counted: int
    merged: int


def list_sources(reader: Reader, kind: EventKind | None = None) -> tuple[SourceShown, ...]:
    """All sources of one kind, or of both, in the order in which they are trusted."""
    kinds: tuple[EventKind, ...] = ("deployments", "failures") if kind is None else (kind,)
    return tuple(chain.from_iterable(_sources(reader, one) for one in kinds))


def find_source(reader: Reader, kind: EventKind, source: str) -> SourceShown:
    """One source that there is."""
    return next(one for one in list_sources(reader, kind) if one.source == source)


def _sources(reader: Reader, kind: EventKind) -> list[SourceShown]:
    selection = load_selection(reader, kind)
    kept: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    merged: Counter[str] = Counter()
    for source, instant, into in reader.stream(f"answer_kept_{kind}", _event):
        kept[source] += 1
        merged[source] += into is not None
        counted[source] += into is None and counts(selection, source, instant)
    return [
        SourceShown(
            kind=kind, source=source, on=(switch := selection.switch(source)).on, first_selected_at=switch.selected_from,
            kept=kept[source], counted=counted[source], merged=merged[source],
        )
        for source in SOURCES[kind]
    ]


def _event(source: str, instant: Instant, merged_into: str | None) -> tuple[str, Instant, str | None]:
    return source, instant, merged_into
