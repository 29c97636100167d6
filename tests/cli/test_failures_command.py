"""`rollforward failures`: the list of the API as table, CSV and JSON, on both engines."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli.main import main
from bot.dora.events import NewDeployment
from bot.dora.instants import SECOND
from bot.facts.deployments import record_deployment
from bot.facts.failures import record_failure
from bot.sources.failures import parse_failure
from bot.store import Store
from tests.sources.test_failures import STARTED, document


def test_failures_are_printed(store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for attributes in ({"severity": "High", "finished_at": STARTED + 90}, {"services": ["cart"], "started_at": STARTED + 5, "env": "Prod"}):
        new = parse_failure(document(**attributes))
        store.write(lambda writer, new=new: record_failure(writer, new, received_at=SECOND))
    for name, value in {"DATABASE_URL": store_url, "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)

    def said(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(main, ["failures", *arguments])
        assert done.exit_code == status, done.output
        return done.output

    first, second = said().splitlines()[2:]
    assert first.split()[:4] == ["2023-08-31T14:26:19Z", "cart", "–", "Prod"]
    assert "resolved" in second and " 1 min 30 s " in second
    assert "There are more than these 1: --limit takes up to 1,000" in said("--limit", "1") and "more" not in said("--limit", "2")
    (row,) = csv.DictReader(io.StringIO(said("--csv", "--severity", "high")))
    assert (row["services"], row["state"], row["time_to_restore"]) == ("shopist", "resolved", "90")
    answer = json.loads(said("--json", "--env", "prod", "--limit", "1"))
    assert [one["services"] for one in answer["data"]] == [["cart"]]
    assert answer["next"] is None
    for state, services in (("active", ["cart"]), ("resolved", ["shopist"]), ("stable", None)):
        assert [one["services"] for one in json.loads(said("--json", "--state", state))["data"]] == ([services] if services else [])
    assert "--state" in said("--state", "broken", status=2)
    assert "--limit" in said("--limit", "0", status=2)


def test_one_failure_is_printed_whole(store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = parse_failure(document(id="failure-of-the-tests", severity="High", finished_at=STARTED + 90, env="Prod"))
    store.write(lambda writer: record_failure(writer, new, received_at=SECOND))
    before = NewDeployment(
        id="just-before", service="shopist", env="prod", version="v7", repository_url="", repository="", commit_sha=None,
        started_at=(STARTED - 600) * SECOND, finished_at=(STARTED - 300) * SECOND, team="", tags=(), source="api",
    )  # fmt: skip
    store.write(lambda writer: record_deployment(writer, before, received_at=SECOND, receipt=1))
    for name, value in {"DATABASE_URL": store_url, "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)

    def said(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(main, ["failures", "show", *arguments])
        assert done.exit_code == status, done.output
        return done.output

    words = re.sub(r" +", " ", said("failure-of-the-tests"))
    for text in ("severity High", "time_to_restore 90", "active 2023-08-31T14:26:14Z 2023-08-31T14:27:44Z", "possible time just-before"):
        assert text in words, text
    assert json.loads(said("failure-of-the-tests", "--source", "API", "--json"))["deployments"][0]["when"] == "before"
    assert "there is no failure 'nobody'" in said("nobody", status=1)
    assert "of the source 'github'" in said("failure-of-the-tests", "--source", "github", status=1)
