"""The GitLab stand-in over git's own protocol."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.standins.gitlab import GitLab
from bot.standins.repository import git_environment
from tests.standins.gitlab_faces import ANA, BOB, NOON

DEEP = "/".join(["top", *(f"s{n}" for n in range(1, 21)), "leaf"])


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[GitLab]:
    forge = GitLab(tmp_path / "forge", now=NOON, root="/gitlab")
    await forge.start()
    yield forge
    await forge.stop()


async def git(*arguments: str, token: str = "", user: str = "whoever") -> tuple[int, str]:
    """(exit code, what git prints)."""
    environment = git_environment()
    if token:
        environment |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "credential.helper",
            "GIT_CONFIG_VALUE_0": f"!f() {{ echo username={user}; echo password={token}; }}; f",
        }
    process = await asyncio.create_subprocess_exec(
        "git", *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_cloning_wants_read_repository_and_finds_every_depth(forge: GitLab, tmp_path: Path) -> None:
    project = forge.create_repository(DEEP, private=True)
    project.commit("main", {"a": "1\n"}, message="Begin", author=ANA)
    head = project.commit("topic", {"b": "1\n"}, message="Step", author=ANA)
    number = project.open("topic", "main", title="A topic", author=ANA)
    project.merge(number, "squash", by=BOB)
    url = f"{forge.url}/{DEEP}.git"
    here = str(tmp_path / "clone")
    reader, api = forge.create_token("read_repository").value, forge.create_token("read_api").value
    hidden = forge.create_token("read_repository", levels={project.id: 0}).value

    assert await git("clone", "-q", "--bare", url, here, token=reader) == (0, "")
    code, said = await git("-C", here, "fetch", "-q", "origin", f"+refs/merge-requests/{number}/head:refs/keep/1", token=reader)
    assert (code, said) == (0, "")
    assert await git("-C", here, "rev-parse", "refs/keep/1", "main") == (0, f"{head}\n{project.git.head('main')}\n")
    for token, status in ((api, "403"), (hidden, "not found")):
        code, said = await git("clone", "-q", url, str(tmp_path / "other"), token=token)
        assert code and status in said
    code, said = await git("clone", "-q", url, str(tmp_path / "other"), token="wrong")
    assert code and "Authentication failed" in said


async def test_an_old_path_leads_on_and_public_projects_ask_for_nothing(forge: GitLab, tmp_path: Path) -> None:
    project = forge.create_repository("acme/shop")
    project.commit("main", {"a": "1\n"}, message="Begin", author=ANA)
    project.transfer("umbrella/retail")
    assert (await git("clone", "-q", f"{forge.url}/acme/shop.git", str(tmp_path / "one")))[0] == 0
    assert (await git("clone", "-q", f"{forge.url}/Umbrella/Retail/SHOP.git", str(tmp_path / "two")))[0] == 0
