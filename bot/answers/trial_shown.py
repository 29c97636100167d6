"""The shapes of what a trial of rules found, as API, page and command show it."""

from dataclasses import dataclass

from bot.answers.explain import EvidenceShown
from bot.dora.instants import Duration, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictShown:
    """What a deployment is under one set of rules; `rules` are those that decided."""

    type: str
    change_failure: bool | None
    mended_by: str | None
    recovery_time: Duration | None
    rules: tuple[str, ...]
    evidence: tuple[EvidenceShown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceShown:
    """A deployment that would be something else."""

    id: str
    service: str
    env: str | None
    version: str | None
    commit_sha: bytes | None
    finished_at: Instant
    today: VerdictShown
    proposed: VerdictShown


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMissShown:
    """What a rule nearly classified, and why it did not."""

    deployment: str
    service: str
    env: str | None
    version: str | None
    finished_at: Instant
    rule: str
    reason: str
    field: str
    value: str
    pull_request: int | None
    sha: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedShown:
    """Rules against what people said of deployments; a share is `None` with the reason where nothing can be said."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    precision: float | None
    no_precision: str | None
    recall: float | None
    no_recall: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTried:
    """A rule, how many deployments it decides today and as proposed, the latest of these, and how it alone agrees with people.

    `change` is new, changed, gone, or "" for a rule that stays.
    """

    kind: str
    id: str
    field: str
    pattern: str
    enabled: bool
    blame: str
    change: str
    today: int
    proposed: int
    last_at: Instant | None
    overrides: ComparedShown


@dataclass(frozen=True, slots=True, kw_only=True)
class RateShown:
    """Failed deployments of all, by the formula."""

    value: float | None
    failed: int
    deployments: int
    formula: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryShown:
    """Times from a failed deployment to what mended it, in nanoseconds."""

    median: float | None
    mean: float | None
    count: int
    unrecovered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReworkShown:
    """Unplanned deployments of all."""

    value: float | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsTried:
    """The metrics that rules can change, and what they count."""

    deployments: int
    rollbacks: int
    rollforwards: int
    change_failure_rate: RateShown
    failed_deployment_recovery_time: RecoveryShown
    deployment_rework_rate: ReworkShown


@dataclass(frozen=True, slots=True, kw_only=True)
class BothMetrics:
    """The metrics of one service (`None`: of all together) under both sets of rules."""

    service: str | None
    today: MetricsTried
    proposed: MetricsTried


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialAnswer:
    """Everything that was found. `differing` and `nearly` count what `differences` and `near_misses` list (at most `MOST_SHOWN` of)."""

    from_: Instant
    to: Instant
    days: int
    tried: tuple[str, ...]
    """The rules that differ from today's, or were chosen; none: today's rules were asked."""
    pending: int
    """Deployments that are about to be derived again: what they carried may change."""
    paths_searched: bool
    """Whether near misses were looked for among the commits that the path filter leaves out; only of one service."""
    metrics: BothMetrics
    services: tuple[BothMetrics, ...]
    differing: int
    differences: tuple[DifferenceShown, ...]
    nearly: int
    near_misses: tuple[NearMissShown, ...]
    overrides_today: ComparedShown
    overrides: ComparedShown
    rules: tuple[RuleTried, ...]
    yaml: str
