"""`rollforward backfill --incidents-from`: what it wants to be told, before anything is asked."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli.main import main

URL = "https://api.example.com"
KEYS = {"DD_API_KEY": "one", "DD_APP_KEY": "two"}


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("--incidents-from", URL), {"DD_APP_KEY": "two"}, "DD_API_KEY is not set"),
        (("--incidents-from", URL), {"DD_API_KEY": "one", "DD_APP_KEY": " "}, "DD_APP_KEY is not set"),
        (("--incidents-from", URL), KEYS | {"DD_API_KEY": "one\ntwo"}, "holds characters that no key has"),
        (("--incidents-from", URL, "--env", "prod"), KEYS, "no other option limits them"),
        (("--incidents-from", URL, "--from-releases"), KEYS, "say what to bring in"),
        (("--from-releases", "--app-key-file", __file__), KEYS, "belong to --incidents-from"),
        (("--incidents-from", URL, "--api-key-file", "/no/such/file"), KEYS, "does not exist"),
    ],
)
def test_what_is_asked_for_wrongly_is_said(
    arguments: tuple[str, ...], environment: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    done = CliRunner().invoke(main, ["backfill", *arguments], env=environment)
    assert (done.exit_code, words in done.output) == (2, True), done.output


def test_a_url_that_is_none_is_refused_without_its_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        **KEYS, "DATABASE_URL": f"sqlite:///{tmp_path}/store.db", "DATA_DIR": str(tmp_path),
        "SERVICE_DEFINITIONS": str(tmp_path / "none"),
    }  # fmt: skip
    done = CliRunner().invoke(main, ["backfill", "--incidents-from", "https://ann:secret@api.example.com"], env=environment)
    assert (done.exit_code, "credentials do not belong into the URL" in done.output) == (1, True), done.output
    assert "secret" not in done.output
