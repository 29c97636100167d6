"""`rollforward setup gitlab`, as a person gives it, against a GitLab."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bot.cli.main import main
from bot.standins.gitlab import GitLab, Project
from tests.forges.gitlab_room import ANA, standing

BASE = "https://bot.example.com"
SECRET = "a-secret-of-the-setup-tests"


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[GitLab]:
    async with standing(tmp_path / "forge") as forge:
        yield forge


@pytest.fixture
def projects(forge: GitLab) -> list[Project]:
    return [forge.create_repository(path) for path in ("my-org/group/a", "my-org/group/sub/deeper/b", "my-org/group/sub/c")]


class Shell:
    """A folder with settings."""

    def __init__(self, forge: GitLab, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.environ = {
            "DATA_DIR": str(folder / "data"), "SERVICE_DEFINITIONS": str(folder), "GITLAB_URL": forge.url, "BASE_URL": BASE,
            "GITLAB_TOKEN": forge.create_token("api").value, "GITLAB_WEBHOOK_SECRET": SECRET,
        }  # fmt: skip

    async def give(self, *arguments: str, **settings: str) -> Result:
        """The set-up command's end."""
        return await self.run("setup", "gitlab", *arguments, **settings)

    async def run(self, *command: str, **settings: str) -> Result:
        """Any command's end; in a thread: the stand-in serves in this one."""
        environ = {**self.environ, **settings}
        return await asyncio.to_thread(
            CliRunner().invoke, main, command, env={name: value or None for name, value in environ.items()}  # type: ignore[arg-type]
        )

    def hooks(self) -> list[tuple[Any, ...]]:
        """The table's rows."""
        with sqlite3.connect(self.folder / "data" / "rollforward.db") as store:
            return store.execute("SELECT forge, id, subject, state FROM hook ORDER BY subject").fetchall()


@pytest.fixture
def shell(forge: GitLab, tmp_path: Path) -> Shell:
    return Shell(forge, tmp_path / "here")


async def test_a_group_is_registered_and_remembered(forge: GitLab, projects: list[Project], shell: Shell) -> None:
    done = await shell.give("--group", "my-org/group")
    assert done.exit_code == 0, done.output
    assert [line.split() for line in done.stdout.splitlines()] == [["created", one.path] for one in projects]
    assert f"{BASE}/webhooks/gitlab" in done.stderr
    assert [(one.hooks[0].url, one.hooks[0].token) for one in projects] == [(f"{BASE}/webhooks/gitlab", SECRET)] * 3
    assert shell.hooks() == [
        ("gitlab", f"project/{one.id}/{one.hooks[0].id}", one.path, "active") for one in sorted(projects, key=lambda one: one.path)
    ]
    again = await shell.give("--group", "my-org/group", "--json")
    told = json.loads(again.stdout)
    assert [one["done"] for one in told["hooks"]] == ["unchanged"] * 3
    assert told["refused"] == []
    gone = await shell.give("--project", projects[0].path, "--remove")
    assert (gone.exit_code, projects[0].hooks) == (0, [])
    assert [row[3] for row in shell.hooks()] == ["gone", "active", "active"]
    assert SECRET not in done.output + again.output + gone.output


async def test_who_refuses_is_named(forge: GitLab, projects: list[Project], shell: Shell) -> None:
    token = forge.create_token("api", levels={projects[1].id: 30}).value
    done = await shell.give("--group", "my-org/group", GITLAB_TOKEN=token)
    assert done.exit_code == 1
    assert f"not so: {projects[1].path}" in done.stderr
    assert [bool(one.hooks) for one in projects] == [True, False, True]
    assert token not in done.output


async def test_a_dry_run_changes_nothing(forge: GitLab, projects: list[Project], shell: Shell) -> None:
    reader = forge.create_token("read_api").value
    done = await shell.give("--group", "my-org/group", "--dry-run", GITLAB_TOKEN=reader)
    assert done.exit_code == 0, done.output
    assert done.stdout.count("created") == 3
    assert not any(one.hooks for one in projects)
    assert shell.hooks() == []


@pytest.mark.parametrize(
    ("settings", "arguments", "status", "said"),
    [
        ({"GITLAB_TOKEN": ""}, ("--system",), 1, "set GITLAB_TOKEN"),
        ({"GITLAB_WEBHOOK_SECRET": ""}, ("--system",), 1, "set GITLAB_WEBHOOK_SECRET"),
        ({"BASE_URL": ""}, ("--system",), 1, "set BASE_URL"),
        ({}, ("--group", "no/such"), 1, "Group"),
        ({}, (), 2, "Name where"),
    ],
)
async def test_what_is_missing_is_said(
    projects: list[Project], shell: Shell, settings: dict[str, str], arguments: tuple[str, ...], status: int, said: str
) -> None:
    done = await shell.give(*arguments, **settings)
    assert done.exit_code == status
    assert said in done.stderr


async def test_the_token_needs_the_scope_api(forge: GitLab, projects: list[Project], shell: Shell) -> None:
    done = await shell.give("--group", "my-org/group", GITLAB_TOKEN=forge.create_token("read_api", "read_repository").value)
    assert done.exit_code == 1
    assert "needs a GITLAB_TOKEN with the scope api; this one has read_api, read_repository" in done.stderr


async def test_sync_reads_by_api_what_git_may_not(forge: GitLab, shell: Shell) -> None:
    shop = forge.create_repository("my-org/group/sub/shop", private=True)
    for at in range(3):
        shop.commit("main", {"a": f"{at}"}, message=f"Change {at}", author=ANA)
    reader = forge.create_token("read_api").value
    done = await shell.run("sync", f"{forge.url}/my-org/group/sub/shop", "--json", GITLAB_TOKEN=reader)
    assert done.exit_code == 0, done.output
    [one] = json.loads(done.stdout)
    assert (one["repository"], one["commits"]) == (f"{forge.url.removeprefix('http://').removesuffix('/gitlab')}/my-org/group/sub/shop", 3)
    assert reader not in done.output
