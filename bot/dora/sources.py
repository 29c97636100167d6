"""Which events count: those of data sources that are on, from the first selection of each source on (semantics §2, sources)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bot.dora.instants import Instant

EventKind = Literal["deployments", "failures"]

DEPLOYMENT_SOURCES = ("api", "github", "gitlab", "webhook", "tags", "apm")
"""Whose instants are taken where several saw one release: the first."""
FAILURE_SOURCES = ("api", "pagerduty", "incidents", "github", "gitlab")
SOURCES: Mapping[EventKind, tuple[str, ...]] = {"deployments": DEPLOYMENT_SOURCES, "failures": FAILURE_SOURCES}
ON_AT_INSTALLATION: Mapping[EventKind, frozenset[str]] = {
    "deployments": frozenset({"api"}),
    "failures": frozenset({"api", "pagerduty", "incidents"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """The state of one source. Events count from `selected_from` on (0: all that are kept); `None` when it was never selected."""

    on: bool
    selected_from: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The state of the sources of one kind of event; those that nobody touched are as installed."""

    kind: EventKind
    switches: Mapping[str, Switch] = field(default_factory=dict)

    def switch(self, source: str) -> Switch:
        """The state of a source; an unknown one is off."""
        installed = source in ON_AT_INSTALLATION[self.kind]
        return self.switches.get(source) or Switch(on=installed, selected_from=0 if installed else None)

    def counts_from(self, source: str) -> Instant | None:
        """From when on events of a source count; `None` while it is off."""
        switch = self.switch(source)
        return switch.selected_from if switch.on else None


def counts(selection: Selection, source: str, instant: Instant) -> bool:
    """Whether an event of that source and instant (a deployment's `finished_at`, a failure's `started_at`) counts."""
    first = selection.counts_from(source)
    return first is not None and instant >= first


def select(switch: Switch, *, on: bool, at: Instant, newest: bool) -> Switch:
    """The switch after somebody turned it at `at` (0: retroactively): off and on again keeps the first selection.

    `newest` says whether nobody turned it later; the state is that of the latest word.
    """
    first = switch.selected_from
    if on:
        first = at if first is None else min(first, at)
    return Switch(on=on if newest else switch.on, selected_from=first)
