"""What each permission and event of the App is good for: the manifest asks for them, the set-up page shows what is missing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

LEVELS: Final = MappingProxyType({"": 0, "read": 1, "write": 2, "admin": 3})


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """Something Rollforward does, and what it takes; `optional` ones the App need not have."""

    name: str
    enables: str
    permission: str
    level: str = "read"
    event: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureState:
    """A feature of one installation; `missing` says in words what it lacks."""

    feature: Feature
    missing: tuple[str, ...]

    @property
    def works(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


FEATURES: Final = (
    Feature(
        name="Commits and changed paths", enables="lead time, per service by its source patterns",
        permission="contents", event="push",
    ),
    Feature(
        name="Pull Request Information", enables="the stages of lead time; rollbacks recognised by their reverts",
        permission="pull_requests", event="pull_request",
    ),
    Feature(
        name="Reviews", enables="review time and merge time",
        permission="pull_requests", event="pull_request_review",
    ),
    Feature(
        name="Repository changes", enables="history that follows renames, transfers and new default branches",
        permission="metadata", event="repository",
    ),
    Feature(
        name="GitHub deployments", enables="deployments without a call from CI",
        permission="deployments", event="deployment_status",
    ),
    Feature(
        name="GitHub releases", enables="releases as deployments",
        permission="contents", event="release",
    ),
    Feature(
        name="Reports in pull requests", enables="a check run with the findings in edited definitions",
        permission="checks", level="write", optional=True,
    ),
    Feature(
        name="Issues as failures", enables="failures out of issues, by label or type",
        permission="issues", event="issues", optional=True,
    ),
)  # fmt: skip

PERMISSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {feature.permission: feature.level for feature in FEATURES if not feature.optional}
)
"""Without deployments: read GitHub refuses a manifest that subscribes to deployment_status."""
WITH_CHECKS: Final[Mapping[str, str]] = MappingProxyType({**PERMISSIONS, "checks": "write"})
EVENTS: Final = tuple(sorted({feature.event for feature in FEATURES if feature.event and not feature.optional}))
"""Events about installations come by themselves; a manifest that names them is refused."""


def feature_states(permissions: Mapping[str, str], events: Collection[str]) -> tuple[FeatureState, ...]:
    """What an installation with these rights and events can do."""
    return tuple(
        FeatureState(feature=feature, missing=tuple(_missing(feature, permissions, events))) for feature in FEATURES
    )


def covers(granted: str, needed: str) -> bool:
    """Whether a permission granted at one level is enough for another."""
    return LEVELS.get(granted, 0) >= LEVELS[needed]


def _missing(feature: Feature, permissions: Mapping[str, str], events: Collection[str]) -> list[str]:
    missing = []
    # Metadata is part of every installation, whether the list of its permissions says so or not.
    if feature.permission != "metadata" and not covers(permissions.get(feature.permission, ""), feature.level):
        missing.append(f"permission {feature.permission}: {feature.level}")
    if feature.event and feature.event not in events:
        missing.append(f"event {feature.event}")
    return missing
