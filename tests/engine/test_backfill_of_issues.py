"""Issues as failures from before: asked for by `rollforward backfill --issues`, when their source is turned on, and for new repositories."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.answers.sources import find_source
from bot.cli.main import main
from bot.dora.instants import HOUR
from bot.engine.operations import OperationError, run_operation
from bot.facts import errands
from bot.facts.errands import ISSUES, PULL_REQUESTS, find_errands
from bot.facts.hooks import load_hooks
from bot.facts.sources import select_source
from bot.forges.client import HookSeen
from bot.pipeline import repair
from bot.settings import Settings, load_settings
from bot.standins.faults import Fault, Status
from bot.standins.github import GitHub
from bot.store import Store
from bot.store.opening import open_store
from tests.engine.forge_double import ForgeDouble, Office
from tests.forges.github_room import ANN

RIGHTS = {"contents": "read", "metadata": "read", "issues": "read", "pull_requests": "read"}


@asynccontextmanager
async def told(store_url: str, folder: Path) -> AsyncIterator[tuple[Settings, GitHub]]:
    """A GitHub with two repositories, one incident and one bug each, an hour old."""
    forge = GitHub(folder / "forge", now=int(time.time()) - 3_600, strict_version=True, web_url="https://github.com")
    await forge.start()
    app = forge.create_app(hook_url="http://127.0.0.1:9/webhooks/github", permissions=RIGHTS, events=("issues", "push"))
    repositories = [forge.create_repository(f"acme/{name}", private=True) for name in ("shop", "docs")]
    for repository in repositories:
        repository.commit("main", {"README.md": "hello"}, message="Start", author=ANN)
        repository.issue("Typo", author=ANN, labels=["bug"])
        down = repository.issue("Down", author=ANN, labels=["incident"])
        forge.now += 600
        repository.close_issue(down, by=ANN)
    forge.install("acme", repositories)
    settings = load_settings({
        "DATABASE_URL": store_url, "DATA_DIR": str(folder / "data"), "SERVICE_DEFINITIONS": str(folder / "definitions"),
        "GITHUB_APP_ID": str(app.id), "GITHUB_PRIVATE_KEY": app.pem, "GITHUB_API_URL": forge.url,
        "CLONE_URLS": f"github.com={forge.url}",
    })  # fmt: skip
    try:
        yield settings, forge
    finally:
        await forge.stop()


def _quiet(_: str) -> None:
    pass


async def _enable(settings: Settings) -> None:
    asked = {"kind": "failures", "source": "github", "on": True, "retroactive": False, "labels": [], "types": []}
    await run_operation(settings, "sources.select", asked, progress=_quiet)


async def test_by_command(store_url: str, tmp_path: Path) -> None:
    async with told(store_url, tmp_path) as (settings, forge):
        with pytest.raises(OperationError, match="no source of issues is on"):
            await run_operation(settings, "backfill.issues", {}, progress=_quiet)
        await _enable(settings)
        forge.faults.append(Fault(match="GET /repos/acme/docs/issues", kind=Status(status=403)))
        refused = await run_operation(settings, "backfill.issues", {}, progress=_quiet)
        assert isinstance(refused, dict)
        assert (refused["repositories"], refused["issues"], refused["counted"]) == (2, 2, 1)
        assert list(refused["errors"]) == ["github.com/acme/docs"]
        forge.faults.clear()
        said: list[str] = []
        result = await run_operation(settings, "backfill.issues", {"repository": "acme/shop"}, progress=said.append)
        assert result == {"repositories": 1, "issues": 2, "errors": {}, "sources": ["github"], "kept": 1, "counted": 1}
        assert any("2 of 2 issues" in text for text in said), said
    store = open_store(store_url)
    try:
        shown = store.read(lambda reader: find_source(reader, "failures", "github"))
    finally:
        store.close()
    assert (shown.on, shown.first_selected_at) == (True, 0), "what was read counts"


def _waiting(store: Store, kind: str) -> list[str]:
    keys = [errands.errand_key(kind=kind, forge="github", repository_id=id, since=since) for id in (1, 2) for since in (None, 1)]
    return [one.key for one in store.read(lambda reader: find_errands(reader, keys))]


async def test_new_repositories_are_asked_for_issues_where_these_are_failures(store: Store) -> None:
    office = Office(store, ForgeDouble(counts={"acme/shop": 0}))
    await office.round()
    assert _waiting(store, PULL_REQUESTS) == ["pull_requests/github/1/"]
    assert _waiting(store, ISSUES) == []
    store.write(lambda writer: select_source(writer, "failures", "github", on=True, at=office.clock()))
    office.clock.now += HOUR
    await office.round()
    assert _waiting(store, ISSUES) == ["issues/github/1/"]
    assert [question for question in office.forges["github"].asked if question.startswith("issues")] == ["issues acme/shop"]


@pytest.mark.parametrize("on", [True, False])
async def test_where_deliveries_may_be_lost_issues_are_looked_for_too(store: Store, on: bool) -> None:
    forge = ForgeDouble(counts={"acme/shop": 0}, hook_list=(HookSeen(id="app", subject="GitHub App bot", state="forbidden"),))
    office = Office(store, forge)
    await office.round()
    if on:
        store.write(lambda writer: select_source(writer, "failures", "github", on=True, at=office.clock()))
    await repair.read_hooks(store, forge, now=office.clock() + repair.RECONCILE_EVERY)
    assert store.read(lambda reader: load_hooks(reader, "github"))[0].state == "forbidden"
    assert _waiting(store, ISSUES) == (["issues/github/1/since"] if on else [])


def test_what_the_command_takes() -> None:
    run = CliRunner().invoke(main, ["backfill", "--issues", "--forget"])
    assert (run.exit_code, "issues are not forgotten" in run.output) == (2, True)
    run = CliRunner().invoke(main, ["backfill", "--issues", "--pull-requests"])
    assert (run.exit_code, "say what to bring in" in run.output) == (2, True)
