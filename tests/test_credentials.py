"""What the set-up stores: readable by its owner alone, in force at once, shown nowhere."""

import json
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.credentials import Credentials, CredentialsError, GithubApp
from bot.settings import Secret, load_settings

PEM = "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0LWtleS1vZi10aGUtdGVzdHM=\n-----END RSA PRIVATE KEY-----\n"
APP = GithubApp(
    id="33001",
    private_key=Secret(PEM.encode()),
    webhook_secrets=(Secret(b"stored-secret-0123456789"),),
    slug="rollforward-acme",
    client_id="Iv1.1",
    html_url="https://github.com/apps/rollforward-acme",
    created_at=1_790_000_000,
)


def credentials(data: Path, **environ: str) -> Credentials:
    return Credentials(load_settings({"DATA_DIR": str(data), **environ}))


def test_what_one_stores_another_reads_without_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server, setup = credentials(data), credentials(data)
    assert server.github_app() is None and server.github_secrets() == ()
    setup.store_github_app(APP)
    assert server.github_app() == APP
    assert server.github_secrets() == APP.webhook_secrets
    rotated = replace(APP, webhook_secrets=(Secret(b"rotated-secret-012345678"),))
    setup.store_github_app(rotated)
    assert server.github_secrets() == rotated.webhook_secrets
    (data / "github-app.json").unlink()
    assert server.github_app() is None and server.github_secrets() == ()


def test_a_file_that_did_not_change_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = credentials(tmp_path)
    kept.store_github_app(APP)
    first = kept.github_app()
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("read again"))
    assert kept.github_app() is first


def test_settings_win_for_the_app_and_extend_the_secrets(tmp_path: Path) -> None:
    credentials(tmp_path).store_github_app(APP)
    own = credentials(
        tmp_path, GITHUB_APP_ID="7", GITHUB_PRIVATE_KEY=PEM.replace("c2V", "b3d"),
        GITHUB_WEBHOOK_SECRET="set-secret-0123456789a,set-secret-0123456789b",
    )  # fmt: skip
    app = own.github_app()
    assert app is not None and (app.id, app.slug) == ("7", "")
    assert b"b3d" in app.private_key
    assert own.github_secrets() == (
        b"set-secret-0123456789a", b"set-secret-0123456789b", b"stored-secret-0123456789",
    )  # fmt: skip
    half = credentials(tmp_path, GITHUB_APP_ID="7")
    assert half.github_app() == APP, "an id without a key opens nothing"
    same = credentials(tmp_path, GITHUB_APP_ID="33001", GITHUB_PRIVATE_KEY=PEM.replace("c2V", "b3d")).github_app()
    assert same is not None and same.slug == APP.slug


def test_nobody_else_can_read_it_at_any_moment(tmp_path: Path) -> None:
    """Whatever the umask: every file that is ever seen in the folder is its owner's alone."""
    data, seen, done = tmp_path / "data", set[int](), threading.Event()

    def watch() -> None:
        while not done.is_set():
            for entry in list(os.scandir(data)) if data.exists() else ():
                try:
                    seen.add(stat.S_IMODE(entry.stat().st_mode))
                except FileNotFoundError:
                    continue

    watcher, before = threading.Thread(target=watch), os.umask(0)
    watcher.start()
    try:
        for _ in range(50):
            credentials(data).store_github_app(APP)
            credentials(data).probe()
            credentials(data).state_key()
    finally:
        done.set()
        watcher.join()
        os.umask(before)
    assert seen == {0o600}
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert sorted(path.name for path in data.iterdir()) == ["github-app.json", "setup.key"], "nothing is left behind"


def test_nothing_of_it_is_shown(tmp_path: Path) -> None:
    kept = credentials(tmp_path)
    kept.store_github_app(APP)
    shown = f"{APP!r} {kept!r} {kept.github_app()!r} {kept.github_secrets()!r} {[f'{one}' for one in kept.github_secrets()]}"
    (tmp_path / "github-app.json").write_text(json.dumps({"app_id": 1, "private_key": PEM}))
    with capture_logs() as logged:
        assert kept.github_app() is None, "damaged"
    shown += repr(logged)
    assert "stored App cannot be used" in shown
    assert "c2VjcmV0" not in shown and "stored-secret" not in shown


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    kept = credentials(tmp_path / "data")
    for ask in (lambda: kept.store_github_app(APP), kept.probe, kept.state_key):
        with pytest.raises(CredentialsError) as caught:
            ask()
        assert "c2VjcmV0" not in str(caught.value)


def test_all_who_ask_for_the_state_key_get_the_same(tmp_path: Path) -> None:
    found: set[bytes] = set()
    threads = [threading.Thread(target=lambda: found.add(credentials(tmp_path).state_key())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1
    (tmp_path / "setup.key").write_bytes(b"short")
    with pytest.raises(CredentialsError, match="damaged"):
        credentials(tmp_path).state_key()
