"""DORA's bands by the year of the report; 2025 has no ladder. They are not monotone: in 2024 "high" fails more often than "medium".

A band is given for one metric, never for a whole team. Sources and what is uncertain: `docs/api.md`.
"""

from collections.abc import Mapping
from typing import Literal

from bot.dora.instants import DAY, HOUR

Year = Literal[2019, 2021, 2023, 2024]
BandMetric = Literal["deployment_frequency", "change_lead_time", "change_failure_rate", "failed_deployment_recovery_time"]
DEFAULT_YEAR: Year = 2024

_WEEK, _MONTH = 7 * DAY, 30 * DAY
_ANY = float("inf")

# The greatest value that still belongs to a band, in ascending order; frequency is turned into days between deployments.
_LADDER: Mapping[Year, Mapping[BandMetric, tuple[tuple[float, str], ...]]] = {
    2019: {
        "deployment_frequency": ((1, "elite"), (7, "high"), (30, "medium"), (_ANY, "low")),
        "change_lead_time": ((DAY, "elite"), (_WEEK, "high"), (_MONTH, "medium"), (_ANY, "low")),
        "change_failure_rate": ((0.15, "elite, high or medium"), (_ANY, "low")),
        "failed_deployment_recovery_time": ((HOUR, "elite"), (DAY, "high or medium"), (_ANY, "low")),
    },
    2021: {
        "deployment_frequency": ((1, "elite"), (30, "high"), (180, "medium"), (_ANY, "low")),
        "change_lead_time": ((HOUR, "elite"), (_WEEK, "high"), (6 * _MONTH, "medium"), (_ANY, "low")),
        "change_failure_rate": ((0.15, "elite"), (_ANY, "high, medium or low")),
        "failed_deployment_recovery_time": ((HOUR, "elite"), (DAY, "high"), (_WEEK, "medium"), (_ANY, "low")),
    },
    2023: {
        "deployment_frequency": ((1, "elite"), (7, "high"), (_ANY, "medium or low")),
        "change_lead_time": ((DAY, "elite"), (_WEEK, "high"), (_ANY, "medium or low")),
        "change_failure_rate": ((0.05, "elite"), (0.10, "high"), (0.15, "medium"), (_ANY, "low")),
        "failed_deployment_recovery_time": ((HOUR, "elite"), (DAY, "high"), (_WEEK, "medium"), (_ANY, "low")),
    },
    2024: {
        "deployment_frequency": ((1, "elite"), (7, "high"), (30, "medium"), (_ANY, "low")),
        "change_lead_time": ((DAY, "elite"), (_WEEK, "high"), (_MONTH, "medium"), (_ANY, "low")),
        "change_failure_rate": ((0.05, "elite"), (0.10, "medium"), (0.20, "high"), (_ANY, "low")),
        "failed_deployment_recovery_time": ((HOUR, "elite"), (DAY, "high or medium"), (_ANY, "low")),
    },
}
YEARS: tuple[Year, ...] = tuple(_LADDER)


def band(metric: BandMetric, value: float | None, *, year: Year = DEFAULT_YEAR) -> str | None:
    """The band of one metric: deployments per day, a share, or nanoseconds; `None` for an unknown value."""
    if value is None:
        return None
    if metric == "deployment_frequency":
        value = 1 / value if value > 0 else _ANY
    return next(name for bound, name in _LADDER[year][metric] if value <= bound)
