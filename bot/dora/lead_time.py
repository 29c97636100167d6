"""The lead time of a change and its five stages (semantics §4)."""

from dataclasses import dataclass

from bot.dora.instants import Duration
from bot.dora.reasons import Dropped, NoStage

STAGES = ("time_to_pr_ready", "review_time", "merge_time", "time_to_deploy", "deploy_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLeadTime:
    """Durations in nanoseconds; an absent one is `None` and `absent` (in the order of `STAGES`) says why."""

    total: Duration | None
    bad_date: Dropped | None
    stages: tuple[Duration | None, ...]
    absent: tuple[NoStage | None, ...]
