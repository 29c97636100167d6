"""What the set-up page and `rollforward setup --status` say: installations and what they enable, hooks, the last delivery."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bot.answers.health import HookHealth, Trouble, correspondence_in_trouble, hook_health
from bot.answers.sources import SourceShown, list_sources
from bot.dora.instants import DAY, Instant
from bot.facts.switches import reports_enabled
from bot.forges.github.features import FeatureState, feature_states
from bot.store import Reader

LOOKED_BACK = 30 * DAY
"""An older delivery is as good as none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationShown:
    """An installation of the GitHub App: its rights, and what works by them."""

    id: str
    account: str
    state: str
    repositories: int
    features: tuple[FeatureState, ...]


class LastDelivery(NamedTuple):
    """The newest delivery of a source."""

    event: str
    received_at: Instant
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeShown:
    """How one forge reaches us: its hooks (those in trouble first), its last delivery within 30 days, and whether the bot
    may speak there."""

    hooks: tuple[HookHealth, ...]
    last: LastDelivery | None
    reports: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupShown:
    """All that was set up, as the store knows it."""

    installations: tuple[InstallationShown, ...]
    github: ForgeShown
    gitlab: ForgeShown
    sources: tuple[SourceShown, ...]
    troubles: tuple[Trouble, ...]
    """Questions and messages that failed when they were last tried."""


class _Installation(NamedTuple):
    id: str
    account: str
    state: str
    permissions: str
    events: str


def load_setup(reader: Reader, *, now: Instant) -> SetupShown:
    """What is set up now."""
    repositories = dict(reader.fetch("setup_repositories", _counted))
    rows = reader.fetch("setup_installations", _Installation)
    hooks = hook_health(reader, now)
    return SetupShown(
        installations=tuple(_installation(row, repositories) for row in rows if row.state != "deleted"),
        github=_forge(reader, "github", hooks, now=now),
        gitlab=_forge(reader, "gitlab", hooks, now=now),
        sources=list_sources(reader),
        troubles=tuple(correspondence_in_trouble(reader)),
    )


def _installation(row: _Installation, repositories: Mapping[str, int]) -> InstallationShown:
    return InstallationShown(
        id=row.id,
        account=row.account,
        state=row.state,
        repositories=repositories.get(row.id, 0),
        features=feature_states(json.loads(row.permissions), json.loads(row.events)),
    )


def _forge(reader: Reader, forge: str, hooks: Sequence[HookHealth], *, now: Instant) -> ForgeShown:
    last = reader.fetch("setup_last_delivery", LastDelivery, source=forge, from_at=max(0, now - LOOKED_BACK))
    own = sorted((hook for hook in hooks if hook.forge == forge), key=lambda hook: (not hook.quiet, hook.subject, hook.id))
    return ForgeShown(
        hooks=tuple(own), last=last[0] if last else None, reports=reports_enabled(reader, forge)
    )


def _counted(installation_id: str, count: int) -> tuple[str, int]:
    return installation_id, count
