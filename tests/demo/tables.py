"""Reads the hand-worked tables of docs/demo.md into the shape of bot/demo/expected.json."""

import re
from pathlib import Path

DOC = Path(__file__).parents[2] / "docs" / "demo.md"
STAGES = ("time_to_pr_ready", "review_time", "merge_time", "time_to_deploy", "deploy_time")
NONE = "–"


def tables(heading: str) -> list[list[dict[str, str]]]:
    """The tables under a heading, each row a dict by column; the first column of an unnamed header is "key"."""
    text = DOC.read_text(encoding="utf-8")
    section = re.split(r"(?m)^## ", text.split(f"\n## {heading}\n", 1)[1])[0]
    found: list[list[dict[str, str]]] = []
    for block in re.findall(r"(?m)(?:^\|.*\|\n)+", section + "\n"):
        head, _, *rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.strip().splitlines()]
        found.append([dict(zip([name or "key" for name in head], row, strict=True)) for row in rows])
    return found


def moment(text: str) -> int:
    day, clock = text.split(" ")
    hours, minutes = clock.split(":")
    return int(day) * 86_400 + int(hours) * 3_600 + int(minutes) * 60


def duration(text: str) -> int:
    hours, minutes, *seconds = text.split(":")
    return int(hours) * 3_600 + int(minutes) * 60 + (int(seconds[0]) if seconds else 0)


def or_none(text: str) -> str | None:
    return None if text == NONE else text


def number(text: str) -> int | None:
    return None if text == NONE else int(text.lstrip("!"))


def stage(text: str) -> int | str:
    return duration(text) if re.match(r"\d", text) else text


def stages(row: dict[str, str]) -> dict[str, int | str]:
    return dict(zip(STAGES, (stage(row[name]) for name in ("to ready", "review", "merge", "to deploy", "deploy")), strict=True))


def dropped(text: str) -> dict[str, list[str]]:
    groups = [] if text == NONE else text.split("; ")
    return {reason: sorted(keys.split()) for reason, keys in (group.split(": ") for group in groups)}


def deployment(row: dict[str, str]) -> dict[str, object]:
    kept = [] if row["kept"] == NONE else row["kept"].split()
    return {
        "service": row["service"],
        "env": or_none(row["env"]),
        "version": or_none(row["version"]),
        "commit": or_none(row["commit"]),
        "started": moment(row["started"]),
        "finished": moment(row["finished"]),
        "predecessor": or_none(row["predecessor"]),
        "kept": sorted(key.rstrip("*") for key in kept),
        "redeployed": sorted(key.rstrip("*") for key in kept if key.endswith("*")),
        "dropped": dropped(row["dropped"]),
        "not_computed": or_none(row["not computed"]),
        "type": row["type"],
        "change_failure": {"yes": True, "no": False, "unknown": None}[row["failed"]],
        "remediation": or_none(row["remediation"]),
        "recovery_time": None if row["recovery"] == NONE else duration(row["recovery"]),
    }


def change(row: dict[str, str]) -> dict[str, object]:
    return {
        "deployment": row["deployment"],
        "commit": row["commit"].rstrip("*"),
        "original_of": or_none(row.get("stands behind", NONE)),
        "pull_request": number(row["pull request"]),
        "change_lead_time": duration(row["lead time"]),
        "stages": stages(row),
    }


def failure(row: dict[str, str]) -> dict[str, object]:
    return {
        "services": row["services"].split(),
        "env": row["env"],
        "severity": row["severity"],
        "version": or_none(row["version"]),
        "began": moment(row["began"]),
        "ended": None if row["ended"] == NONE else moment(row["ended"]),
        "state": row["state"],
        "time_to_restore": None if row["time to restore"] == NONE else duration(row["time to restore"]),
        "near": row["near"],
    }


def metrics(
    row: dict[str, str], stage_row: dict[str, str], reasons: dict[str, str], failures: dict[str, str]
) -> dict[str, object]:
    medians = [stage_row[name].split(" of ") for name in ("to ready", "review", "merge", "to deploy", "deploy")]
    return {
        "deployments": int(row["deployments"]),
        "days_with_deployment": int(row["days with one"]),
        "median_gap": duration(row["median gap"]),
        "commits": int(row["changes"]),
        "redeployed": int(row["redeployed"]),
        "median": duration(row["median lead time"]),
        "p75": duration(row["p75"]),
        "p90": duration(row["p90"]),
        "stages": {name: [duration(value), int(n)] for name, (value, n) in zip(STAGES, medians, strict=True)},
        "failed": int(row["failed"]),
        "recovery_median": None if row["recovery median"] == NONE else duration(row["recovery median"]),
        "recovered": int(row["recovered"]),
        "unrecovered": int(row["unrecovered"]),
        "rework": int(row["rework"]),
        "failures": int(failures["failures"]),
        "restored": int(failures["restored"]),
        "restore_median": None if failures["median time to restore"] == NONE else duration(failures["median time to restore"]),
        "open": int(failures["open"]),
        "incidents": [int(n) for n in failures["by incidents"].split("/")],
        "not_counted": {name: int(n) for name, n in (part.split(" ") for part in reasons["reasons"].split(", "))},
    }


def expected_by_hand() -> dict[str, object]:
    deployments, evidence, near_misses = tables("Deployments")
    (changes,) = tables("Changes, lead times and stages")
    (failures,) = tables("Failures")
    totals, stage_rows, reasons, failure_rows = tables("Metrics of the whole period")
    (withheld,) = tables("Heads withheld")
    return {
        "deployments": {row["key"]: deployment(row) for row in deployments},
        "evidence": {row["deployment"]: {"mends": row["mends"], "rule": row["rule"]} for row in evidence},
        "near_misses": {row["deployment"]: f"{row['rule']} {row['reason']}" for row in near_misses},
        "changes": [change(row) for row in changes],
        "failures": {row["key"]: failure(row) for row in failures},
        "metrics": {
            row["service"]: metrics(row, *others)
            for row, *others in zip(totals, stage_rows, reasons, failure_rows, strict=True)
        },
        "withheld": [change(row) for row in withheld],
    }
