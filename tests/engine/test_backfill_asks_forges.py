"""`rollforward backfill --from-releases` and `--from-forge-deployments` ask the forge for what webhooks did not tell."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from bot.engine.operations import OperationError, run_operation
from bot.settings import Settings, load_settings
from bot.standins.faults import Fault, Status
from bot.standins.github import GitHub
from bot.standins.gitlab import GitLab
from bot.store import Store
from tests.forges.github_room import ANN
from tests.forges.gitlab_room import ANA
from tests.pipeline.inference_room import deployments

RIGHTS = {"contents": "read", "pull_requests": "read", "metadata": "read", "deployments": "read"}


def _settings(store_url: str, folder: Path, **more: str) -> Settings:
    return load_settings({
        "DATABASE_URL": store_url, "DATA_DIR": str(folder / "data"), "SERVICE_DEFINITIONS": str(folder / "definitions"), **more
    })  # fmt: skip


async def _github(folder: Path) -> GitHub:
    """acme/shop: a tag with a release, deployed to production after a failed try, and to staging."""
    forge = GitHub(folder / "forge", now=int(time.time()) - 86_400, strict_version=True, web_url="https://github.com")
    await forge.start()
    forge.create_app(hook_url="http://127.0.0.1:9/webhooks/github", permissions=RIGHTS)
    repo = forge.create_repository("acme/shop", private=True)
    sha = repo.commit("main", {"README.md": "hello"}, message="Start", author=ANN)
    repo.tag("v1", sha, by=ANN)
    forge.now += 60
    repo.release("v1")
    for environment, states in (("production", ("failure", "success")), ("staging", ("success", "inactive"))):
        forge.now += 60
        number = repo.deploy(sha, environment, state=states[0])
        forge.now += 60
        repo.deployment_status(number, states[1])
    forge.install("acme", [repo])
    return forge


async def _run(settings: Settings, kind: str, **asked: Any) -> dict[str, Any]:
    arguments = {"kind": kind, "service": "shop", "env": "", "repository": "acme/shop", "since": None, **asked}
    result = await run_operation(settings, "backfill", json.loads(json.dumps(arguments)), progress=lambda _: None)
    assert isinstance(result, dict)
    return result


async def test_github_is_asked(store: Store, store_url: str, tmp_path: Path) -> None:
    forge = await _github(tmp_path)
    (app,) = forge.world.apps.values()
    settings = _settings(
        store_url, tmp_path, GITHUB_APP_ID=str(app.id), GITHUB_PRIVATE_KEY=app.pem, GITHUB_API_URL=forge.url,
        CLONE_URLS=f"github.com={forge.url}",
    )  # fmt: skip
    try:
        await run_operation(settings, "backfill.pull_requests", {"repository": None, "since": None}, progress=lambda _: None)
        said = await _run(settings, "forge_deployments")
        assert (said["forge_deployments"], said["told_by"]) == (2, "github was asked")
        shown = deployments(store)
        assert [(one.env, one.source, one.commit is None) for one in shown] == [("production", "github", False), ("staging", "github", False)]
        assert shown[1].finished - shown[0].finished == pytest.approx(1), "the success after a failure, and the first one"
        said = await _run(settings, "releases", env="production")
        assert (said["releases"], said["source"]) == (1, "tags")
        assert next((one.version, one.source) for one in deployments(store)) == ("v1", "tags")

        forge.faults.append(Fault(match="GET /repos/acme/shop/releases", kind=Status(status=403)))
        assert "did not tell" in (await _run(settings, "releases"))["told_by"]
    finally:
        await forge.stop()


async def test_gitlab_is_asked(store: Store, store_url: str, tmp_path: Path) -> None:
    forge = GitLab(tmp_path / "forge", now=int(time.time()) - 86_400)
    await forge.start()
    try:
        shop = forge.create_repository("acme/shop")
        shop.commit("main", {"README.md": "hello"}, message="Begin", author=ANA)
        shop.tag("v1", shop.git.resolve("main") or "", by=ANA)
        shop.release("v1")
        for state in ("failure", "success"):
            forge.now += 60
            shop.deploy(shop.git.resolve("main") or "", "production", state=state)
        token = forge.create_token("api").value
        settings = _settings(store_url, tmp_path, GITLAB_URL=forge.url, GITLAB_TOKEN=token)
        await run_operation(settings, "sync", {"remotes": [f"{forge.url}/acme/shop"], "name": None}, progress=lambda _: None)
        said = await _run(settings, "forge_deployments")
        assert (said["forge_deployments"], said["told_by"]) == (1, "gitlab was asked")
        assert (await _run(settings, "releases"))["releases"] == 1
        assert sorted((one.env, one.version, one.source) for one in deployments(store)) == [
            ("", "v1", "tags"), ("production", "", "gitlab"),
        ]  # fmt: skip
    finally:
        await forge.stop()


async def test_without_credentials_it_says_where_its_facts_come_from(store: Store, store_url: str, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="no such repository is synced"):
        await _run(_settings(store_url, tmp_path), "releases")
    forge = await _github(tmp_path)
    try:
        settings = _settings(store_url, tmp_path, CLONE_URLS=f"github.com={forge.url}")
        (repo,) = forge.world.repositories.values()
        repo.private = False
        await run_operation(settings, "sync", {"remotes": ["https://github.com/acme/shop"], "name": None}, progress=lambda _: None)
        for kind in ("releases", "forge_deployments"):
            with pytest.raises(OperationError, match=r"0 .* known\); github could not be asked .no credentials."):
                await _run(settings, kind)
    finally:
        await forge.stop()
