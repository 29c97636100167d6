"""Comparing with the table, the data folder and the secrets: what the demo does when something is not as it should be."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.demo.__main__ import main
from bot.demo.check import differences
from bot.demo.deliveries import Secrets
from bot.demo.expected import expected_facts, load_table, text
from bot.demo.folder import SECRETS, base_date, compare_with_first_play, given_secret, own_secrets, secret_file
from bot.demo.organisation import DemoError, Organisation, build_organisation


def test_every_kind_of_difference_is_a_line(organisation: Organisation) -> None:
    expected = expected_facts(load_table(), organisation, withheld=False)
    observed = dict(expected)
    assert differences(expected, observed) == []
    observed["P2 type"] = "rollback"
    del observed["G2 a1"]
    observed["X9 type"] = "standard"
    assert differences(expected, observed) == [
        "  P2 type: expected standard, got rollback",
        "  G2 a1: expected kept, got nothing",
        "  X9 type: expected nothing, got standard",
    ]


def test_withheld_facts_differ_in_the_squashes_alone(organisation: Organisation) -> None:
    whole = expected_facts(load_table(), organisation, withheld=False)
    withheld = expected_facts(load_table(), organisation, withheld=True)
    assert (whole["K2 s2"], withheld["K2 s2"]) == ("dropped: squashed", "kept")
    assert withheld["P7 s5"] == "kept again"
    assert "K2 e1" not in withheld
    unchanged = {name for name in whole if whole[name] == withheld.get(name)}
    assert {name for name in whole if name.split()[0] in {"P2", "P9", "K3", "W9", "G3"}} <= unchanged


@pytest.mark.parametrize(
    ("value", "written"), [(None, "none"), (True, "yes"), (3, "3"), (3.0, "3"), (1 / 8, "0.125"), (2 / 14, "0.142857"), ("x", "x")]
)
def test_values_are_written_the_same_on_both_sides(value: object, written: str) -> None:
    assert text(value) == written


def test_the_base_date_is_kept(tmp_path: Path) -> None:
    first = base_date(tmp_path)
    assert timedelta(0) <= datetime.now(UTC) - timedelta(hours=1) - datetime.combine(first, datetime.min.time(), UTC) < timedelta(days=1)
    (tmp_path / "base-date").write_text("2026-03-01\n")
    assert base_date(tmp_path).isoformat() == "2026-03-01"
    (tmp_path / "base-date").write_text("soon\n")
    with pytest.raises(DemoError, match="holds no date"):
        base_date(tmp_path)


def test_another_base_date_is_refused_where_a_history_stands(tmp_path: Path) -> None:
    (tmp_path / "base-date").write_text("2026-03-01\n")
    build_organisation(tmp_path / "git", base_date(tmp_path))
    (tmp_path / "base-date").write_text("2026-03-02\n")
    with pytest.raises(DemoError, match="another history"):
        build_organisation(tmp_path / "git", base_date(tmp_path))


def test_secrets_are_made_once_and_belong_to_their_owner(tmp_path: Path) -> None:
    made = own_secrets(tmp_path)
    assert own_secrets(tmp_path) == made
    assert len({made.github, made.gitlab, made.api_key}) == 3
    for name in SECRETS.values():
        assert stat.S_IMODE(secret_file(tmp_path, name).stat().st_mode) == 0o600
    assert made.github not in repr(made)


def test_secrets_come_from_files_or_environment_never_from_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "secret"
    path.write_text("from-a-file-for-certain, the-older-one\n")
    assert given_secret({"NAME": "from-environment"}, "NAME", path) == "from-a-file-for-certain"
    assert given_secret({"NAME_FILE": str(path)}, "NAME", None) == "from-a-file-for-certain"
    assert given_secret({"NAME": "new,old"}, "NAME", None) == "new"
    with pytest.raises(DemoError, match="no NAME"):
        given_secret({}, "NAME", None)
    with pytest.raises(DemoError, match="No such file"):
        given_secret({}, "NAME", tmp_path / "none")
    assert main(["--github-secret", "s3cret"]) == 2
    assert "unrecognized arguments: --github-secret" in capsys.readouterr().err


def test_a_deployment_keeps_its_id_from_play_to_play(tmp_path: Path) -> None:
    compare_with_first_play(tmp_path, "http://here", {"deployment P1": "a"})
    compare_with_first_play(tmp_path, "http://here", {"deployment P1": "a"})
    with pytest.raises(DemoError, match="deployment P1: a at first, now b"):
        compare_with_first_play(tmp_path, "http://here", {"deployment P1": "b"})
    assert json.loads((tmp_path / "deployment-ids.json").read_text()) == {"deployment P1": "a"}


def test_nobody_there_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_WEBHOOK_SECRET", "GITLAB_WEBHOOK_SECRET", "API_KEYS"):
        monkeypatch.setenv(name, "x" * 20)
    assert main(["--url", "http://127.0.0.1:9", "--data", str(tmp_path)]) == 1
    assert "demo: http://127.0.0.1:9 cannot be reached" in capsys.readouterr().err


def test_what_is_shown_of_secrets() -> None:
    assert "abc" not in repr(Secrets(github="abc", gitlab="abc", api_key="abc"))
