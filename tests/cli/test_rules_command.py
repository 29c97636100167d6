"""`rollforward rules`: the rules in force, and others on trial, on both engines and beside a running server."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli.main import main
from bot.store import Store
from tests.support.trials import play

Said = Callable[..., str]
ONE = "id: urgent\nfield: pr_label\npattern: '^urgent$'\n"


@pytest.fixture
def said(store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    """What a command says about the story, while the store is open elsewhere too."""
    play(store, time.time_ns(), failed={"S6": True})
    for name, value in {"DATABASE_URL": store_url, "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(main, ["rules", *arguments])
        assert done.exit_code == status, done.output
        return done.stdout if status == 0 else done.output

    return run


def test_one_rule_is_tried_on_what_is_stored(said: Said, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(ONE)
    text = said("test", "--rule", "one.yaml", "--days", "30")
    lines = text.splitlines()
    assert lines[0] == (
        "Of 9 deployments in the last 30 days it would call 1 more a rollforward and 1 more failed; change failure rate 44.4 % → 55.6 %."
    )
    (mender,) = [line for line in lines if line.endswith(" S3")]
    assert "urgent: urgent → S2" in mender
    assert any("urgent (new)" in line for line in lines)
    assert any(line.split()[3:6] == ["urgent", "case", "pr_label"] for line in lines)
    assert "case: the text differs in upper and lower case alone" in text
    found = json.loads(said("test", "--rule", "one.yaml", "--days", "30", "--json"))
    assert [one["id"] for one in found["differences"]] == ["S3", "S2"]
    assert found["metrics"]["proposed"]["change_failure_rate"]["failed"] == 5


def test_a_whole_file_is_held_against_todays_rules(said: Said, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("version: 1\nstatic: []\noptions: {rollback: literal}\n")
    found = json.loads(said("test", "--rule", "rules.yaml", "--days", "30", "--json"))
    assert [rule["id"] for rule in found["rules"] if rule["change"] == "gone"] == [
        "hotfix-label", "hotfix-title", "hotfix-branch", "incident-label",
    ]  # fmt: skip
    assert [(one["id"], one["proposed"]["type"], one["proposed"]["change_failure"]) for one in found["differences"]] == [
        ("S2", "standard", False), ("S1", "standard", False),
    ]  # fmt: skip


def test_without_a_file_todays_rules_are_asked(said: Said) -> None:
    text = said("test", "--days", "30")
    assert text.startswith("Today's rules see 2 rollbacks and 1 rollforward in 9 deployments of the last 30 days; change failure rate 44.4 %.")
    assert "then" not in text.split("Near misses")[0]
    assert "recall" in text


def test_a_service_that_nobody_knows_is_refused_with_those_that_are_near(said: Said) -> None:
    for command in ("test", "list"):
        assert "There is no service 'shpo'; did you mean shop?" in said(command, "--service", "Shpo", status=1)
        assert "There is no service 'qqq'." in said(command, "--service", "qqq", status=1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id: x\nfield: pr_label\npattern: 'a(?=b)'\n", "bad.yaml:3:10: error: position 2: lookahead"),
        ("id: x\nfield: label\npattern: a\n", "bad.yaml:2:8: error:"),
        ("version: 1\nlinked: [{id: x, field: version, pattern: a}]\n", "bad.yaml:2:43: error: a linked rule holds exactly one variable"),
        ("a: [", "bad.yaml:2:1: error: not YAML"),
    ],
)
def test_mistakes_are_told_as_validate_tells_them(said: Said, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    assert told in said("test", "--rule", "bad.yaml", status=1)


def test_the_rules_in_force_are_listed(said: Said) -> None:
    lines = said("list", "--days", "30").splitlines()
    assert lines[2].split()[:5] == ["–", "rollback", "–", "–", "2"]
    assert lines[2].split()[5].endswith("Z"), "when the last one finished"
    (hotfix,) = [line.split() for line in lines if "hotfix-label" in line]
    assert hotfix[-2] == "1"
    assert json.loads(said("list", "--json"))["options"]["rollback"] == "strict"
    assert "--days" in said("list", "--days", "0", status=2)
