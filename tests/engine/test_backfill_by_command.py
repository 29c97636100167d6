"""`rollforward backfill --pull-requests` from an empty store: repositories, history, pull requests, squashed heads, derived."""

import time
from pathlib import Path

import pytest

from bot.engine.operations import OperationError, run_operation
from bot.settings import Settings, load_settings
from bot.standins.faults import Fault, Status
from bot.standins.github import GitHub, GitHubRepo
from tests.forges.github_room import ANN, BOB
from tests.support.server import rows


def _history(github: GitHub, path: str) -> GitHubRepo:
    repo = github.create_repository(path, private=True)
    repo.commit("main", {"README.md": "hello"}, message="Start", author=ANN)
    for n, how in enumerate(("squash", "merge", "rebase")):
        repo.commit(f"topic-{n}", {f"{n}.txt": "x"}, message=f"Change {n}", author=ANN)
        number = repo.open(f"topic-{n}", "main", title=f"Change {n}", author=ANN)
        repo.approve(number, by=BOB)
        repo.merge(number, how, by=BOB)  # type: ignore[arg-type]
    return repo


def _settings(store_url: str, folder: Path, github: GitHub) -> Settings:
    (app,) = github.world.apps.values()
    return load_settings({
        "DATABASE_URL": store_url, "DATA_DIR": str(folder / "data"), "SERVICE_DEFINITIONS": str(folder / "definitions"),
        "GITHUB_APP_ID": str(app.id), "GITHUB_PRIVATE_KEY": app.pem, "GITHUB_API_URL": github.url,
        "CLONE_URLS": f"github.com={github.url}",
    })  # fmt: skip


async def test_from_an_empty_store(store_url: str, tmp_path: Path) -> None:
    github = GitHub(tmp_path / "forge", now=int(time.time()) - 3_600, strict_version=True, web_url="https://github.com")
    await github.start()
    github.create_app(hook_url="http://127.0.0.1:9/webhooks/github")
    repos = [_history(github, f"acme/{name}") for name in ("shop", "docs", "secret")]
    github.install("acme", repos)
    settings = _settings(store_url, tmp_path, github)
    said: list[str] = []
    try:
        github.faults.append(Fault(match="GET /repos/acme/secret/pulls", kind=Status(status=403)))
        result = await run_operation(settings, "backfill.pull_requests", {"repository": None, "since": None}, progress=said.append)
        assert isinstance(result, dict)
        assert (result["repositories"], result["pull_requests"]) == (3, 6)
        assert list(result["errors"]) == ["github.com/acme/secret"]
        assert "not allowed" in result["errors"]["github.com/acme/secret"]
        assert any("6 of 6 pull requests" in text for text in said), said

        github.faults.clear()
        result = await run_operation(settings, "backfill.pull_requests", {"repository": "acme/shop", "since": 0}, progress=said.append)
        assert result == {"repositories": 1, "pull_requests": 3, "errors": {}}
        with pytest.raises(OperationError, match="nothing to read"):
            await run_operation(settings, "backfill.pull_requests", {"repository": "acme/none"}, progress=said.append)
    finally:
        await github.stop()
    kinds = rows(store_url, "SELECT kind, flag, count(*) FROM landing GROUP BY kind, flag ORDER BY kind")
    assert kinds == [("merge", "", 2), ("rebase", "", 2), ("squash", "", 2)]
    assert rows(store_url, "SELECT count(*) FROM introduced WHERE role = 'original'") == [(2,)], "heads of squashes are there"
    assert rows(store_url, 'SELECT ref, error FROM "fetch"') == []


async def test_without_credentials_it_says_what_is_missing(store_url: str, tmp_path: Path) -> None:
    settings = load_settings({
        "DATABASE_URL": store_url, "DATA_DIR": str(tmp_path / "data"), "SERVICE_DEFINITIONS": str(tmp_path / "definitions")
    })  # fmt: skip
    with pytest.raises(OperationError, match="GITLAB_TOKEN"):
        await run_operation(settings, "backfill.pull_requests", {}, progress=lambda _: None)
