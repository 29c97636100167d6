"""`rollforward doctor` names what is wrong with the forges, not only with this machine."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli.main import main
from bot.dora.instants import MINUTE
from bot.dora.telemetry import GitSeen, Sighting
from bot.facts.telemetry import record_sightings
from bot.store import Row, Writer
from bot.store.opening import open_store

NOW = 1_795_000_000_000_000_000
RIGHTS = {"contents": "read", "metadata": "read", "pull_requests": "read", "deployments": "read"}
EVENTS = ["push", "pull_request", "pull_request_review", "repository", "deployment_status", "release"]


def doctor(folder: Path, monkeypatch: pytest.MonkeyPatch, *, rights: dict[str, str], hook_state: str) -> tuple[int, str]:
    """Its exit status and what it says, with one installation and one hook in the store."""
    url = f"sqlite:///{folder}/store.db"
    installation: Row = ("7", "acme", "active", NOW, json.dumps(rights), json.dumps(EVENTS), NOW)

    def work(writer: Writer) -> None:
        writer.write_many("installation", [installation])
        writer.write_many("hook", [("github", "app", "GitHub App acme", hook_state, "", NOW, NOW, NOW, 0, 0)])

    store = open_store(url)
    try:
        store.migrate()
        store.write(work)
    finally:
        store.close()
    for name, value in {"DATABASE_URL": url, "DATA_DIR": str(folder), "SERVICE_DEFINITIONS": str(folder / "none")}.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["doctor"])
    return done.exit_code, done.output


def test_a_right_that_is_missing_and_a_hook_that_is_off_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, said = doctor(tmp_path, monkeypatch, rights={"metadata": "read", "contents": "read"}, hook_state="disabled")
    assert status == 1
    assert "WRONG  installation on acme: active; missing: Pull Request Information, Reviews" in said
    assert "WRONG  GitHub App acme: disabled" in said


def test_services_that_telemetry_shows_and_nobody_defined_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    try:
        store.migrate()
        git = GitSeen(NOW, b"\1" * 20, "github.com/acme/shop", "https://github.com/acme/shop")
        told = [
            Sighting(service=f"till-{n:02}", env="", version="v1", minutes=frozenset({NOW // MINUTE}), first_at=NOW, git=git) for n in range(12)
        ]
        store.write(lambda writer: record_sightings(writer, told, now=NOW))
    finally:
        store.close()
    _, said = doctor(tmp_path, monkeypatch, rights=RIGHTS, hook_state="active")
    assert "note   seen in telemetry, not defined: till-00, till-01, " in said
    assert "till-09 and 2 more (/definitions" in said


def test_what_is_in_order_is_said_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, said = doctor(tmp_path, monkeypatch, rights=RIGHTS, hook_state="active")
    assert status == 0, said
    assert "ok     installation on acme: active" in said
    assert "ok     GitHub App acme: active" in said
