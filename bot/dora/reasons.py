"""The closed list of reasons why a value is absent or a thing was left out (semantics §9)."""

from enum import StrEnum, unique


@unique
class NotComputed(StrEnum):
    """Why a deployment has no lead time."""

    PENDING = "pending"
    FIRST_DEPLOYMENT = "first_deployment"
    PREDECESSOR_TOO_OLD = "predecessor_too_old"
    PREDECESSOR_COMMIT_UNKNOWN = "predecessor_commit_unknown"
    COMMIT_UNKNOWN = "commit_unknown"
    NO_GIT = "no_git"
    SOURCE_OFF = "source_off"
    SAME_COMMIT = "same_commit"
    MOVED_BACKWARDS = "moved_backwards"
    NO_MATCHING_COMMITS = "no_matching_commits"


@unique
class Dropped(StrEnum):
    """Why a candidate commit is not a change, or (`BAD_DATE`) why a change has no lead time."""

    MERGE = "merge"
    PATH = "path"
    PATHS_UNKNOWN = "paths_unknown"
    SQUASHED = "squashed"
    TRUNCATED = "truncated"
    BAD_DATE = "bad_date"


@unique
class NoStage(StrEnum):
    """Why a change lacks a stage of its lead time."""

    NO_PULL_REQUEST = "no_pull_request"
    MERGED_AFTER_DEPLOYMENT = "merged_after_deployment"
    NO_APPROVAL = "no_approval"
    COMMIT_AFTER_READY = "commit_after_ready"
    COMMIT_AFTER_APPROVAL = "commit_after_approval"
    NEGATIVE = "negative"
    NO_DURATION = "no_duration"
    BAD_DATE = "bad_date"


@unique
class NotRemediation(StrEnum):
    """Why a deployment that looked like a remediation is none."""

    NO_PREDECESSOR = "no_predecessor"
    UNKNOWN_ORIGINAL = "unknown_original"
    SAME_DEPLOYMENT = "same_deployment"
    RELAND = "reland"
    NO_IDENTITY = "no_identity"


@unique
class NoValue(StrEnum):
    """Why a group has no value for a metric."""

    NO_DEPLOYMENTS = "no_deployments"
    NO_CHANGES = "no_changes"
    NO_FAILURES = "no_failures"
    UNRECOVERED = "unrecovered"
    OPEN = "open"


@unique
class NoRestore(StrEnum):
    """Why a failure has no time to restore."""

    OPEN = "open"
    NEVER_ACTIVE = "never_active"
    """It is over (or stable), and nobody saw it active, or when it began."""
