"""Compares what the public API says with the hand-worked table, and waits until it has settled."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from bot.demo.deliveries import iso
from bot.demo.expected import STAGES, WINDOW, Facts, Row, Table, expected_facts, squashes, text
from bot.demo.organisation import DemoError, Organisation
from bot.demo.player import Api, say
from bot.demo.story import CANARY, UNKNOWN

PAUSE = 0.5
GRACE = 12.0
"""Seconds a difference may last after nothing is pending any more: what is derived again does not say so everywhere."""
METRICS: Mapping[str, tuple[str, ...]] = {
    "deployments": ("deployments",),
    "per_day": ("deployment_frequency", "per_day"),
    "days_with_deployment": ("deployment_frequency", "days_with_deployment"),
    "median_gap": ("deployment_frequency", "median_gap"),
    "commits": ("change_lead_time", "commits"),
    "redeployed": ("change_lead_time", "redeployed"),
    "median": ("change_lead_time", "median"),
    "p75": ("change_lead_time", "p75"),
    "p90": ("change_lead_time", "p90"),
    "failed": ("change_failure_rate", "failed"),
    "failure_rate": ("change_failure_rate", "value"),
    "recovery_median": ("failed_deployment_recovery_time", "median"),
    "recovered": ("failed_deployment_recovery_time", "count"),
    "unrecovered": ("failed_deployment_recovery_time", "unrecovered"),
    "failures": ("failures", "count"),
    "restored": ("time_to_restore", "count"),
    "restore_median": ("time_to_restore", "median"),
    "open": ("time_to_restore", "open"),
    "rework": ("deployment_rework_rate", "count"),
    "rework_rate": ("deployment_rework_rate", "value"),
    **{f"{stage} {what}": ("change_lead_time", "stages", stage, what) for stage in STAGES for what in ("median", "commits")},
}
"""Where each number of the table stands in the answer of /api/v1/metrics."""
INCIDENTS = [("formula", "incidents")]


class Differences(DemoError):
    """The answers are not those of the table."""


async def check(api: Api, organisation: Organisation, table: Table, *, withheld: bool, deadline: float) -> int:
    """Wait until the server has settled, compare, return how many facts agree; raises Differences with all that do not."""
    end = time.monotonic() + deadline
    await _settled(api, organisation, table, end)
    expected = expected_facts(table, organisation, withheld=withheld)
    grace = min(end, time.monotonic() + GRACE)
    while True:
        observed = await observed_facts(api, organisation, table, withheld=withheld)
        different = differences(expected, observed)
        if not different:
            return len(expected)
        if time.monotonic() > grace:
            raise Differences("\n".join([f"{len(different)} differences from docs/demo.md:", *different]))
        await asyncio.sleep(PAUSE)


def differences(expected: Facts, observed: Facts) -> list[str]:
    """One line for each fact that differs, in the order of the table."""
    names = [*expected, *(name for name in observed if name not in expected)]
    return [
        f"  {name}: expected {expected.get(name, 'nothing')}, got {observed.get(name, 'nothing')}"
        for name in names
        if expected.get(name) != observed.get(name)
    ]


async def _settled(api: Api, organisation: Organisation, table: Table, end: float) -> None:
    """Wait until every delivery is done, both repositories are synced and no deployment is pending."""
    told = ""
    while waiting := await _unsettled(api, organisation, table):
        if time.monotonic() > end:
            raise DemoError(f"gave up waiting: {waiting}")
        if waiting != told:
            say(f"  waiting: {waiting}")
            told = waiting
        await asyncio.sleep(PAUSE)


async def _unsettled(api: Api, organisation: Organisation, table: Table) -> str:
    """What is still to be waited for, in words; empty when nothing is."""
    if await api.status("/readyz") != 200:
        return "the server is not ready"
    undone = [row for row in await api.everything("/api/v1/deliveries") if row["state"] in {"received", "failed"}]
    if undone:
        return f"{len(undone)} deliveries to be processed"
    states = {row["repository"]: row for row in await api.everything("/api/v1/repositories")}
    for built in (organisation.shop, organisation.ledger):
        row = states.get(built.spec.id)
        state = "unknown" if row is None else str(row.get("state"))
        if state != "synced":
            error = f" ({row['error']})" if row is not None and row.get("error") else ""
            return f"{built.spec.id} is {state}{error}"
    rows = _ours(await api.everything("/api/v1/deployments"), organisation, table)
    pending = sum(row["not_computed"] == "pending" for row in rows.values())
    return f"{pending} deployments pending" if pending else ""


async def observed_facts(api: Api, organisation: Organisation, table: Table, *, withheld: bool) -> Facts:
    """What the API says of the organisation, as facts."""
    rows = _ours(await api.everything("/api/v1/deployments"), organisation, table)
    keys = {str(row["id"]): key for key, row in rows.items()}
    facts: Facts = {}
    flagless = []
    for key, row in rows.items():
        facts |= _deployment(key, row, keys, _commits(organisation, row))
        changes = await api.everything(f"/api/v1/deployments/{row['id']}/changes")
        facts |= _changes(key, changes, _commits(organisation, row))
        explained = await api.get(f"/api/v1/deployments/{row['id']}/explain")
        facts[f"{key} evidence"] = _evidence(explained, keys)
        if key in table.near_misses:
            facts[f"{key} near miss"] = _near_miss(explained, table.near_misses[key])
        if withheld and any(deployment == key for deployment, _ in squashes(table)) and not explained.get("flags"):
            flagless.append(key)
        _no_secrets(key, row, changes, explained)
    if flagless:
        facts["not flagged"] = " ".join(flagless)
    names = {name for name in table.metrics if name != "all"}
    period = [("from", iso(organisation.base + WINDOW[0])), ("to", iso(organisation.base + WINDOW[1]))]
    by_service = [*period, ("group_by", "service")]
    for name, row in _groups(await api.get("/api/v1/metrics", by_service), await api.get("/api/v1/metrics", period)):
        if name in names or name == "all":
            facts |= _metrics(name, row, table, withheld=withheld)
    incidents = await api.get("/api/v1/metrics", by_service + INCIDENTS), await api.get("/api/v1/metrics", period + INCIDENTS)
    for name, row in _groups(*incidents):
        if name in names or name == "all":
            facts[f"{name} incident_rate"] = text(_at(row, ("change_failure_rate", "value")))
    return facts | await _failures(api, organisation, table, keys)


async def _failures(api: Api, organisation: Organisation, table: Table, keys: Mapping[str, str]) -> Facts:
    """What is said of each failure of the table, and of any other of its services."""
    wanted = {(row["began"], *cast(list[str], row["services"])): key for key, row in table.failures.items()}
    services = {str(row["service"]) for row in table.deployments.values()}
    facts: Facts = {}
    for row in await api.everything("/api/v1/failures"):
        named = sorted(cast(list[str], row["services"]))
        if services.isdisjoint(named):
            continue
        key = wanted.get((int(_instant(str(row["started_at"]))) - organisation.base, *named)) or f"unexpected {row['id']}"
        detail = await api.get(f"/api/v1/failures/{row['id']}")
        facts |= {f"{key} {name}": text(row[name]) for name in ("severity", "state", "time_to_restore")}
        near = [(keys.get(str(one["id"])), one["attribution"]) for one in cast(Sequence[Row], detail["deployments"])]
        told = sorted(f"{name} {cast(Row, link)['level']}" for name, link in near if link)
        facts[f"{key} near"] = "; ".join(told) or "none"
    return facts


def _ours(rows: Sequence[Row], organisation: Organisation, table: Table) -> dict[str, Row]:
    """The rows of the table's services by key; a row that is not in the table gets a key nobody expects."""
    wanted = {_identity(row["service"], row["env"], cast(int, row["finished"])): key for key, row in table.deployments.items()}
    services = {str(row["service"]) for row in table.deployments.values()}
    found: dict[str, Row] = {}
    for row in reversed(rows):
        if str(row["service"]).lower() in services:
            finished = int(_instant(str(row["finished_at"]))) - organisation.base
            identity = _identity(row["service"], row["env"], finished)
            found[wanted.get(identity) or f"unexpected {identity}"] = row
    return found


def _identity(service: object, env: object, finished: int) -> str:
    return f"{service}/{env or 'none'}/{finished}".lower()


def _instant(written: str) -> float:
    return datetime.fromisoformat(written).astimezone(UTC).timestamp()


def _commits(organisation: Organisation, row: Row) -> dict[str, str]:
    """Keys by sha of the repository the deployment names; the made-up sha is "?"."""
    known = {built.spec.id: built for built in (organisation.shop, organisation.ledger)}
    built = known.get(str(row["repository"]))
    shas = {} if built is None else {sha: key for key, sha in built.shas.items()}
    return shas | {UNKNOWN: "?"}


def _deployment(key: str, row: Row, keys: Mapping[str, str], commits: Mapping[str, str]) -> Facts:
    def named(id: object) -> str:
        return "none" if id is None else keys.get(str(id), str(id))

    remediation = cast(Mapping[str, object] | None, row["remediation"])
    sha = row["commit_sha"]
    return {
        f"{key} version": text(row["version"]),
        f"{key} predecessor": named(row["predecessor"]),
        f"{key} not_computed": text(row["not_computed"]),
        f"{key} type": text(row["type"]),
        f"{key} commit": "none" if sha is None else commits.get(str(sha), str(sha)),
        f"{key} change_failure": text(row["change_failure"]),
        f"{key} recovery_time": text(row["recovery_time"]),
        f"{key} remediation": f"{named(remediation['id'])} {remediation['type']}" if remediation else "none",
    }


def _changes(key: str, changes: Sequence[Row], commits: Mapping[str, str]) -> Facts:
    facts: Facts = {f"{key} changes": str(sum(bool(change["kept"]) for change in changes))}
    for change in changes:
        commit = commits.get(str(change["sha"]), str(change["sha"]))
        if not change["kept"]:
            facts[f"{key} {commit}"] = f"dropped: {change['reason']}"
            continue
        facts[f"{key} {commit}"] = "kept again" if change["redeployed"] else "kept"
        original_of = change["original_of"]
        facts[f"{key} {commit} original_of"] = "none" if original_of is None else commits.get(str(original_of), "?")
        facts[f"{key} {commit} pull_request"] = text(change["pull_request"])
        facts[f"{key} {commit} change_lead_time"] = text(change["change_lead_time"])
        stages = cast(Mapping[str, object], change["stages"])
        absent = cast(Mapping[str, str], change.get("absent") or {})
        for name in STAGES:
            value = stages.get(name)
            facts[f"{key} {commit} {name}"] = text(absent.get(name) if value is None else value)
    return facts


def _evidence(explained: Row, keys: Mapping[str, str]) -> str:
    """The rules that made this deployment a remediation; what others found about it is theirs."""
    rows = cast(Sequence[Mapping[str, str]], explained.get("evidence") or [])
    own = [row for row in rows if row.get("deployment", explained["id"]) == explained["id"]]
    return "; ".join(f"{row['rule']} mends {keys.get(row['target'], row['target'])}" for row in own) or "none"


def _near_miss(explained: Row, expected: str) -> str:
    """The expected one if it is among those that are told (other rules may have seen the same), else all of them."""
    rows = cast(Sequence[Mapping[str, str]], explained.get("near_misses") or [])
    told = sorted({f"{row['rule']} {row['reason']}" for row in rows})
    return expected if expected in told else "; ".join(told) or "none"


def _no_secrets(key: str, *answers: object) -> None:
    """No answer may hold a password out of a repository URL, nor where a repository was fetched from."""
    written = json.dumps(answers)
    for forbidden in (CANARY, "127.0.0.1"):
        if forbidden in written:
            raise Differences(f"an answer about {key} holds {forbidden!r}")


def _groups(grouped: Row, whole: Row) -> list[tuple[str, Row]]:
    groups = [
        (str(cast(Mapping[str, object], row["group"])["service"]).lower(), row) for row in cast(Sequence[Row], grouped["data"])
    ]
    return [*groups, *(("all", row) for row in cast(Sequence[Row], whole["data"]))]


def _metrics(name: str, row: Row, table: Table, *, withheld: bool) -> Facts:
    expected = expected_names(table, name, withheld=withheld)
    facts = {f"{name} {what}": text(_at(row, path)) for what, path in METRICS.items() if what in expected}
    not_counted = cast(Mapping[str, int], row["not_counted"])
    for reason in cast(Mapping[str, int], table.metrics[name]["not_counted"]):
        facts[f"{name} not_counted {reason}"] = text(not_counted.get(reason, 0))
    return facts


def expected_names(table: Table, name: str, *, withheld: bool) -> set[str]:
    """The numbers that are compared for a group: without the heads those of the changes are not."""
    changed = {"commits", "redeployed", "median", "p75", "p90"}
    left_out = {what for what in METRICS if what in changed or " " in what} if withheld else set()
    return set(METRICS) - left_out if name in table.metrics else set()


def _at(row: Row, path: Sequence[str]) -> object:
    value: object = row
    for name in path:
        value = cast(Mapping[str, object], value)[name]
    return value
