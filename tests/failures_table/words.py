"""Answers of the API in the words of the table, so that a difference reads like the table itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.failures_table.notation import Numbers
from tests.failures_table.room import Answers
from tests.failures_table.story import Played

FAILED = {True: "yes", False: "no", None: "unknown"}
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def expected_of(played: Played) -> list[str]:
    """A line per deployment and per line of numbers, as the document has them."""
    rows = [
        f"{row.name} | {row.type} | {row.failed} | {row.mended} | {' <br> '.join(sorted(played.real(one.strip()) for one in row.why))}"
        for row in played.case.rows
    ]
    return sorted(rows) + [_numbers(played, numbers) for numbers in played.case.numbers]


def _numbers(played: Played, told: Numbers) -> str:
    shares = {"all": told.failed, "excluding_rollbacks": told.excluding_rollbacks, "incidents": told.incidents}
    rates = {name: None if share is None or not share[1] else share[0] / share[1] for name, share in shares.items()}
    return _line(
        played.service(told.service), told.env, rates, told.rework, told.recovery, told.unrecovered, told.no_identity
    )


def _line(
    service: str, env: str | None, rates: Mapping[str, object], rework: tuple[int, int], recovery: str, unrecovered: int, nameless: int
) -> str:
    return f"{service} {env or '*'}: {rates}, rework {rework}, recovery {recovery}, unrecovered {unrecovered}, no identity {nameless}"


def observed_of(played: Played, ids: Mapping[tuple[int, str], str], answers: Answers) -> list[str]:
    """The same lines, as the API has them."""
    number = played.case.number
    names = {id: name for (case, name), id in ids.items() if case == number}
    mine = {id: row for id, row in answers.deployments.items() if row["service"].endswith(f"-{number}")}
    rows = [_row(row, names) for row in mine.values()]
    return sorted(rows) + [_measured(played, numbers, answers) for numbers in played.case.numbers]


def _row(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    mended = row["remediation"]
    after = "" if mended is None else f"{names.get(mended['id'], mended['id'])} after {duration(row['recovery_time'])}"
    why = " <br> ".join(sorted(_why(row, names)))
    return f"{names.get(row['id'], row['id'])} | {row['type']} | {FAILED[row['change_failure']]} | {after} | {why}"


def _why(row: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    for one in row["evidence"]:
        if one["deployment"] == row["id"]:
            if one["target"] is None:
                yield f'rework by {one["rule"]}: {one["field"]} "{one["value"]}"'
                continue
            original = names.get(one["original"], one["original"])
            original = f"#{original}" if original.isdecimal() and len(original) < 20 else original
            target = names.get(one["target"], one["target"])
            yield f'mends {target} by {one["rule"]}: {one["field"]} "{one["value"]}" → {original}'
    for one in row["near_misses"]:
        yield f'not by {one["rule"]}: {one["reason"]} "{one["value"]}"'
    yield from (f"flag {flag}" for flag in row["flags"])


def _measured(played: Played, told: Numbers, answers: Answers) -> str:
    service = played.service(told.service)
    rows = answers.metrics[service, told.env or "*"]
    rates = {name: row["change_failure_rate"]["value"] for name, row in rows.items()}
    whole = rows["all"]
    rework, recovery = whole["deployment_rework_rate"], whole["failed_deployment_recovery_time"]
    return _line(
        service, told.env, rates, (rework["count"], whole["deployments"]), duration(recovery["median"]), recovery["unrecovered"],
        whole["not_counted"].get("no_identity", 0),
    )  # fmt: skip


def duration(seconds: float | None) -> str:
    """In the words of the table: `1 d 2 h 5 min`, `none`."""
    if seconds is None:
        return "none"
    parts, left = [], round(seconds)
    for unit, size in UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"
