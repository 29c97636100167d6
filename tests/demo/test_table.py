"""The hand-worked table: document, machine twin and story say the same, and its sums come out."""

import json
import statistics
from collections import Counter
from itertools import pairwise

import pytest

from bot.demo.expected import TABLE, load_table
from bot.demo.failures import FAILURES
from bot.demo.story import DEPLOYMENTS
from tests.demo.tables import STAGES, expected_by_hand, moment, tables

RULES = {"P5": "rollback", "P9": "hotfix-label", "W3": "rollback", "W7": "revert-sha", "G4": "revert-mr", "T3": "revert-mr"}


def test_document_and_machine_table_agree() -> None:
    assert json.loads(TABLE.read_text(encoding="utf-8")) == expected_by_hand()


def test_the_story_sends_the_deployments_of_the_table() -> None:
    sent = {
        spec.key: (spec.service, spec.env or None, spec.version or None, spec.commit or None, moment(spec.started), moment(spec.finished))
        for spec in DEPLOYMENTS
    }
    table = load_table().deployments
    columns = ("service", "env", "version", "commit", "started", "finished")
    assert sent == {key: tuple(row[name] for name in columns) for key, row in table.items()}


def test_the_page_that_opens_first_shows_a_failure_and_its_recovery() -> None:
    """The overview shows production, the last 30 days: whoever is new here should not see empty cards."""
    shown = {key: row for key, row in load_table().deployments.items() if row["env"] in ("prod", "production") and row["finished"] >= -29 * 86_400}
    assert {key: row["remediation"] for key, row in shown.items() if row["change_failure"]} == {"G3": "G4", "T2": "T3"}
    assert {"G4", "T3"} <= shown.keys()


def test_the_evidence_names_the_remediations_of_the_table() -> None:
    table = load_table()
    assert {key: row["rule"] for key, row in table.evidence.items()} == RULES
    mended = {row["mends"]: key for key, row in table.evidence.items() if table.deployments[row["mends"]]["remediation"] == key}
    assert mended == {key: row["remediation"] for key, row in table.deployments.items() if row["remediation"]}
    assert set(table.evidence) == {key for key, row in table.deployments.items() if row["type"] != "standard"}


def test_five_stages_add_up_to_the_lead_time() -> None:
    table = load_table()
    complete = 0
    for change in (*table.changes, *table.withheld):
        stages = [change["stages"][name] for name in STAGES]
        if all(isinstance(stage, int) for stage in stages):
            assert sum(stages) == change["change_lead_time"], change
            complete += 1
    assert complete == 44


def test_kept_commits_and_rows_of_changes_agree() -> None:
    table = load_table()
    rows = Counter((row["deployment"], row["commit"]) for row in table.changes)
    assert rows == Counter((key, commit) for key, row in table.deployments.items() for commit in row["kept"])


@pytest.mark.parametrize("service", ["checkout", "catalog", "web", "ledger", "statements", "all"])
def test_metrics_follow_from_the_rows(service: str) -> None:
    table = load_table()
    rows = {key: row for key, row in table.deployments.items() if service in ("all", row["service"])}
    changes = [change for change in table.changes if change["deployment"] in rows]
    lead_times = sorted(change["change_lead_time"] for change in changes)
    finished = sorted(row["finished"] for row in rows.values())
    recoveries = [row["recovery_time"] for row in rows.values() if row["change_failure"]]
    tenths = statistics.quantiles(lead_times, n=20, method="inclusive")
    reasons = Counter(str(row["not_computed"]) for row in rows.values() if row["not_computed"])
    reasons.update("no_identity" for row in rows.values() if row["change_failure"] is None)
    assert table.metrics[service] == {
        "deployments": len(rows),
        "days_with_deployment": len({instant // 86_400 for instant in finished}),
        "median_gap": statistics.median(later - sooner for sooner, later in pairwise(finished)),
        "commits": len(changes),
        "redeployed": sum(len(row["redeployed"]) for row in rows.values()),
        "median": tenths[9],
        "p75": tenths[14],
        "p90": pytest.approx(tenths[17]),
        "stages": {name: _median_and_count(changes, name) for name in STAGES},
        "failed": len(recoveries),
        "recovery_median": statistics.median(recoveries) if recoveries else None,
        "recovered": len(recoveries),
        "unrecovered": 0,
        "rework": sum(row["type"] != "standard" for row in rows.values()),
        **_failures(service, rows),
        "not_counted": dict(reasons),
    }


def _failures(service: str, rows: dict[str, object]) -> dict[str, object]:
    told = [row for row in load_table().failures.values() if service == "all" or service in row["services"]]
    restores = [row["time_to_restore"] for row in told if row["time_to_restore"] is not None]
    named = {name for row in told for name in row["services"]}
    return {
        "failures": len(told),
        "restored": len(restores),
        "restore_median": statistics.median(restores) if restores else None,
        "open": len(told) - len(restores),
        "incidents": [len(told), sum(row["service"] in named for row in rows.values())],
    }


def test_the_story_tells_the_failures_of_the_table() -> None:
    told = {
        spec.key: (sorted(spec.services), spec.env, spec.severity, spec.version or None, moment(spec.began), spec.ended and moment(spec.ended))
        for spec in FAILURES
    }
    table = load_table().failures
    columns = ("services", "env", "severity", "version", "began", "ended")
    assert told == {key: tuple(row[name] or ("" if name == "ended" else None) for name in columns) for key, row in table.items()}
    assert all(row["time_to_restore"] == row["ended"] - row["began"] for row in table.values() if row["ended"] is not None)


def _median_and_count(changes: list[object], name: str) -> list[float]:
    values = [value for change in changes if isinstance(value := change["stages"][name], int)]
    return [statistics.median(values), len(values)]


def test_withheld_rows_stand_for_the_squashed_commits() -> None:
    table = load_table()
    squashed = {(key, commit) for key, row in table.deployments.items() for commit in row["dropped"].get("squashed", [])}
    assert {(row["deployment"], row["commit"]) for row in table.withheld} == squashed


def test_every_reason_a_deployment_can_have_without_being_wrong_occurs() -> None:
    reasons = {row["not_computed"] for row in load_table().deployments.values()}
    assert reasons >= {
        "first_deployment", "predecessor_too_old", "commit_unknown", "no_git", "same_commit", "moved_backwards", "no_matching_commits",
    }  # fmt: skip


def test_the_document_counts_its_own_tables() -> None:
    commits = [row["commit"] for table in (*tables("github.com/acme/shop"), *tables("gitlab.example.com/platform/payments/core/ledger")) for row in table if "commit" in row]
    assert len(commits) == len(set(commits))
