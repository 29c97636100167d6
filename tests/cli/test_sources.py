"""`rollforward sources` says what counts, and changes it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli.main import main
from bot.dora.events import NewDeployment
from bot.facts.deployments import record_deployment
from bot.store import Writer
from bot.store.opening import open_store

EARLY = 1_700_000_000 * 10**9


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with one deployment by API and two by telemetry, one of them the same release."""
    url = f"sqlite:///{tmp_path}/store.db"
    for name, value in {"DATABASE_URL": url, "DATA_DIR": str(tmp_path), "SERVICE_DEFINITIONS": str(tmp_path / "none")}.items():
        monkeypatch.setenv(name, value)

    def work(writer: Writer) -> None:
        for at, (source, version) in enumerate([("api", "1"), ("apm", "1"), ("apm", "2")]):
            new = NewDeployment(
                id=f"deployment-{at:06}", service="shop", env="prod", version=version, repository_url="", repository="",
                commit_sha=None, started_at=EARLY + at, finished_at=EARLY + at, team="", tags=(), source=source,
            )  # fmt: skip
            record_deployment(writer, new, received_at=EARLY)

    store = open_store(url)
    store.migrate()
    store.write(work)
    store.close()
    return tmp_path


def run(*arguments: str) -> Result:
    """The command."""
    return CliRunner().invoke(main, ["sources", *arguments])


def listed(*arguments: str) -> dict[tuple[str, str], dict[str, object]]:
    """What `list` says."""
    found = json.loads(run("list", "--json", *arguments).output)
    return {(one["kind"], one["source"]): one for one in found}


def test_metrics_are_in_words_on_a_terminal_and_exact_elsewhere(folder: Path) -> None:
    asked = ["metrics", "--from", "2023-11-01", "--to", "2023-12-01"]
    assert CliRunner().invoke(main, ["rebuild"]).exit_code == 0
    said = CliRunner().invoke(main, asked).stdout
    assert " 1.9 per month " in said
    assert " 0 %" in said
    exact = json.loads(CliRunner().invoke(main, [*asked, "--json"]).stdout)
    assert exact["data"][0]["deployment_frequency"]["per_day"] == pytest.approx(0.0622, abs=1e-4)


def test_a_store_that_is_made_is_told_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{folder}/another.db")
    made = CliRunner().invoke(main, ["keys", "create", "ci"])
    assert made.stderr.splitlines()[0] == f"new store at {folder}/another.db"
    assert "new store" not in CliRunner().invoke(main, ["keys", "create", "ci"]).stderr


def test_the_list_says_what_is_on_and_how_much_counts(folder: Path) -> None:
    found = listed()
    assert [key for key, one in found.items() if one["on"]] == [
        ("deployments", "api"), ("failures", "api"), ("failures", "pagerduty"), ("failures", "incidents"),
    ]  # fmt: skip
    assert found["deployments", "apm"] == {
        "kind": "deployments", "source": "apm", "on": False, "first_selected_at": None, "kept": 2, "counted": 0, "merged": 0,
        "issues": None,
    }  # fmt: skip
    assert found["deployments", "api"]["counted"] == 1
    table = run("list", "--kind", "deployments").output
    assert table.splitlines()[2].split() == ["deployments", "api", "on", "the", "beginning", "1", "1", "0"]
    assert run().output == run("list").output, "the list is what the bare command says"


def test_enabled_it_counts_from_now_on_or_everything(folder: Path) -> None:
    done = run("enable", "apm")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("apm is on for deployments and counts from 20")
    assert done.output.endswith("0 of 2 deployments that are kept count (--retroactive counts all of them).\n")
    again = run("enable", "apm", "--retroactive")
    assert again.output == (
        "apm is on for deployments and counts from the beginning: 1 of 2 deployments that are kept count, "
        "1 more are the same release as another source's.\n"
    )
    off = run("disable", "apm")
    assert off.output == "apm is off for deployments: 0 of 2 deployments that are kept count.\n"
    shown = json.loads(run("enable", "apm", "--json").output)
    assert (shown["first_selected_at"], shown["counted"], shown["merged"]) == ("1970-01-01T00:00:00Z", 1, 1)


def test_failures_have_sources_of_their_own(folder: Path) -> None:
    assert run("disable", "pagerduty", "--kind", "failures").exit_code == 0
    assert listed("--kind", "failures")["failures", "pagerduty"]["on"] is False
    assert listed()["deployments", "api"]["on"] is True


def test_an_unknown_source_is_named_with_those_that_there_are(folder: Path) -> None:
    done = run("enable", "pagerduty")
    assert done.exit_code == 2
    assert "there is no source 'pagerduty' of deployments; there are api, github, gitlab, webhook, tags, apm" in done.output


def test_which_issues_are_failures_is_chosen_and_told(folder: Path) -> None:
    found = listed("--kind", "failures")
    assert found["failures", "github"]["issues"] == {"labels": ["incident"], "types": []}
    assert found["failures", "gitlab"]["issues"] == {"labels": ["incident"], "types": ["incident"]}
    done = run("enable", "github", "--failures", "--label", "Outage", "--label", "sev1", "--type", "Bug")
    assert done.stderr.startswith("warning: nothing can come from github yet: `rollforward setup github` makes an App")
    assert done.exit_code == 0, done.output
    assert done.output.endswith("Failures are its issues of type bug, and issues labelled outage or sev1.\n")
    assert run("enable", "github", "--kind", "failures").output.endswith("labelled outage or sev1.\n"), "not said again it stays"
    assert listed()["failures", "github"]["issues"] == {"labels": ["outage", "sev1"], "types": ["bug"]}
    assert "issues of type incident, and issues labelled incident" in run("list").output


@pytest.mark.parametrize("arguments", [("github", "--label", "x"), ("api", "--failures", "--label", "x")])
def test_labels_choose_nothing_but_issues(folder: Path, arguments: tuple[str, ...]) -> None:
    done = run("enable", *arguments)
    assert done.exit_code == 2
    assert "--label and --type choose issues: github and gitlab have some, with --kind failures" in done.output


def test_an_empty_label_is_none(folder: Path) -> None:
    assert run("enable", "github", "--failures", "--label", " ").exit_code == 2
