"""The hand-worked table (`docs/demo.md`) as facts: short texts under short names, to be compared line by line."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from bot.demo.organisation import Organisation

TABLE = Path(__file__).with_name("expected.json")
STAGES = ("time_to_pr_ready", "review_time", "merge_time", "time_to_deploy", "deploy_time")
DAYS = 90
WINDOW = (-90 * 86_400 + 3_600, 3_600)
"""The whole period, in seconds from the base date: exactly 90 days, from the end of the first deployment on."""

Facts = dict[str, str]
Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The table as it is written; instants are seconds from the base date, commits and deployments are keys."""

    deployments: Mapping[str, Row]
    evidence: Mapping[str, Mapping[str, str]]
    near_misses: Mapping[str, str]
    changes: tuple[Row, ...]
    failures: Mapping[str, Row]
    metrics: Mapping[str, Row]
    withheld: tuple[Row, ...]


def load_table() -> Table:
    """The table beside this module."""
    raw = json.loads(TABLE.read_text(encoding="utf-8"))
    return Table(
        deployments=raw["deployments"],
        evidence=raw["evidence"],
        near_misses=raw["near_misses"],
        changes=tuple(raw["changes"]),
        failures=raw["failures"],
        metrics=raw["metrics"],
        withheld=tuple(raw["withheld"]),
    )


def squashes(table: Table) -> set[tuple[str, str]]:
    """(deployment, squashed commit) of every row that originals replaced."""
    return {
        (key, squashed)
        for key, row in table.deployments.items()
        for squashed in cast(Mapping[str, list[str]], row["dropped"]).get("squashed", [])
    }


def expected_facts(table: Table, organisation: Organisation, *, withheld: bool) -> Facts:
    """Everything the public API is expected to say, in the words of `observed_facts`."""
    facts: Facts = {}
    changes = _changes(table, withheld=withheld)
    for key, row in table.deployments.items():
        _deployment(facts, table, key, row)
        dropped = cast(Mapping[str, list[str]], row["dropped"])
        for reason, commits in dropped.items():
            if not (withheld and reason == "squashed"):
                facts |= {f"{key} {commit}": f"dropped: {reason}" for commit in commits}
        mine = [change for change in changes if change["deployment"] == key]
        facts[f"{key} changes"] = str(len(mine))
        for change in mine:
            _change(facts, row, change, withheld=withheld)
    for key, row in table.failures.items():
        for name in ("severity", "state", "time_to_restore", "near"):
            facts[f"{key} {name}"] = text(row[name])
    for name, row in table.metrics.items():
        facts |= {f"{name} {what}": value for what, value in _metrics(row, withheld=withheld)}
    return facts


def _changes(table: Table, *, withheld: bool) -> list[Row]:
    """The kept rows; without the heads the squashed commits stand for the originals."""
    if not withheld:
        return list(table.changes)
    stay = [change for change in table.changes if (change["deployment"], change["original_of"]) not in squashes(table)]
    return [*stay, *table.withheld]


def _deployment(facts: Facts, table: Table, key: str, row: Row) -> None:
    for name in ("version", "predecessor", "not_computed", "type"):
        facts[f"{key} {name}"] = text(row[name])
    facts[f"{key} commit"] = text(row["commit"])
    facts[f"{key} change_failure"] = text(row["change_failure"])
    facts[f"{key} recovery_time"] = text(row["recovery_time"])
    mender = row["remediation"]
    facts[f"{key} remediation"] = f"{mender} {table.deployments[str(mender)]['type']}" if mender else "none"
    evidence = table.evidence.get(key)
    if key in table.near_misses:
        facts[f"{key} near miss"] = table.near_misses[key]
    facts[f"{key} evidence"] = f"{evidence['rule']} mends {evidence['mends']}" if evidence else "none"


def _change(facts: Facts, deployment: Row, change: Row, *, withheld: bool) -> None:
    key, commit = change["deployment"], str(change["commit"])
    redeployed = cast(list[str], deployment["redeployed"])
    again = commit in redeployed or (withheld and f"{key} {commit}" == "P7 s5")
    facts[f"{key} {commit}"] = "kept again" if again else "kept"
    facts[f"{key} {commit} original_of"] = text(change["original_of"])
    facts[f"{key} {commit} pull_request"] = text(change["pull_request"])
    facts[f"{key} {commit} change_lead_time"] = text(change["change_lead_time"])
    stages = cast(Mapping[str, int | str], change["stages"])
    for name in STAGES:
        facts[f"{key} {commit} {name}"] = text(stages[name])


def _metrics(row: Row, *, withheld: bool) -> Iterator[tuple[str, str]]:
    deployments, failed, rework = (cast(int, row[name]) for name in ("deployments", "failed", "rework"))
    yield "deployments", text(deployments)
    yield "per_day", text(deployments / DAYS)
    for name in ("days_with_deployment", "median_gap", "failed", "recovery_median", "recovered", "unrecovered", "rework"):
        yield name, text(row[name])
    for name in ("failures", "restored", "restore_median", "open"):
        yield name, text(row[name])
    failures, compared = cast(tuple[int, int], row["incidents"])
    yield "incident_rate", text(failures / compared if compared else None)
    yield "failure_rate", text(failed / deployments)
    yield "rework_rate", text(rework / deployments)
    for reason, count in cast(Mapping[str, int], row["not_counted"]).items():
        yield f"not_counted {reason}", text(count)
    if withheld:
        return  # fewer changes, other lead times: the table works them out row by row
    for name in ("commits", "redeployed", "median", "p75", "p90"):
        yield name, text(row[name])
    for name, (median, count) in cast(Mapping[str, tuple[int, int]], row["stages"]).items():
        yield f"{name} median", text(median)
        yield f"{name} commits", text(count)


def text(value: object) -> str:
    """A value as both sides write it; numbers to a millionth."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return str(value)
