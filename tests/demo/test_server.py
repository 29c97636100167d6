"""The demo's git server, seen by the real git client."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.demo.launch import git_server
from bot.demo.organisation import Organisation
from bot.standins.git_server import GitServer
from bot.standins.repository import git_environment


@pytest.fixture
async def server(organisation: Organisation) -> AsyncIterator[GitServer]:
    async with git_server(organisation.root, port=0, withhold_pulls=False) as server:
        yield server


@pytest.fixture
async def withholding(organisation: Organisation) -> AsyncIterator[GitServer]:
    async with git_server(organisation.root, port=0, withhold_pulls=True) as server:
        yield server


async def client(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**git_environment(), "GIT_NO_LAZY_FETCH": "1", **more}
    return await asyncio.to_thread(
        subprocess.run, ["git", *arguments], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.parametrize("suffix", ["", ".git"])
async def test_blobless_clone_has_all_paths(server: GitServer, organisation: Organisation, tmp_path: Path, suffix: str) -> None:
    url = f"{server.url}/platform/payments/core/ledger{suffix}"
    cloned = await client("clone", "--quiet", "--bare", "--filter=blob:none", url, str(tmp_path / "clone"))
    assert cloned.returncode == 0, cloned.stderr
    assert not cloned.stderr
    log = await client("-C", str(tmp_path / "clone"), "log", "--format=%H", "--no-renames", "--name-only", "main")
    assert organisation.ledger.shas["l5"] in log.stdout
    assert "src/transfer.py" in log.stdout
    missing = await client("-C", str(tmp_path / "clone"), "rev-list", "--objects", "--missing=print", "main")
    assert "?" in missing.stdout


async def test_pull_request_heads_can_be_fetched(server: GitServer, organisation: Organisation, tmp_path: Path) -> None:
    bare = str(tmp_path / "clone")
    await client("clone", "--quiet", "--bare", f"{server.url}/acme/shop.git", bare)
    fetched = await client("-C", bare, "fetch", "--quiet", "origin", "refs/pull/2/head:refs/pull/2/head")
    assert fetched.returncode == 0, fetched.stderr
    head = await client("-C", bare, "rev-parse", "refs/pull/2/head")
    assert head.stdout.strip() == organisation.shop.shas["e3"]


@pytest.mark.parametrize("protocol", ["0", "2"])
async def test_withheld_heads_cannot_be_had_by_name_nor_by_sha(
    withholding: GitServer, organisation: Organisation, tmp_path: Path, protocol: str
) -> None:
    url, bare = f"{withholding.url}/acme/shop.git", str(tmp_path / "clone")
    version = ("-c", f"protocol.version={protocol}")
    cloned = await client(*version, "clone", "--quiet", "--bare", "--filter=blob:none", url, bare)
    assert cloned.returncode == 0, cloned.stderr
    listed = await client(*version, "ls-remote", url)
    assert "refs/heads/main" in listed.stdout
    assert "refs/pull/" not in listed.stdout
    for wanted in ("refs/pull/2/head", organisation.shop.shas["e3"]):
        fetched = await client(*version, "-C", bare, "fetch", "--quiet", "origin", wanted)
        assert fetched.returncode != 0
    gone = await client("-C", bare, "cat-file", "-e", organisation.shop.shas["e3"])
    assert gone.returncode != 0


async def test_nobody_can_push(server: GitServer, organisation: Organisation) -> None:
    pushed = await client("-C", str(organisation.shop.directory), "push", f"{server.url}/acme/shop.git", "main:refs/heads/evil")
    assert pushed.returncode != 0
    assert not (organisation.shop.directory / "refs/heads/evil").exists()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/acme/nothing.git/info/refs?service=git-upload-pack", 404),
        ("/../../etc/info/refs?service=git-upload-pack", 404),
        ("/acme/%2e%2e/%2e%2e/etc/info/refs?service=git-upload-pack", 404),
        ("/acme/shop.git/info/refs?service=git-receive-pack", 403),
        ("/acme/shop.git/info/refs", 403),
        ("/acme/shop.git/git-receive-pack", 404),
        ("/acme/shop.git/HEAD", 404),
        ("/acme/shop.git/git-upload-pack", 405),
    ],
)
async def test_it_serves_nothing_else(server: GitServer, path: str, status: int) -> None:
    async with aiohttp.ClientSession() as session, session.get(server.url + path) as response:
        assert response.status == status


async def test_nobodys_git_configuration_counts(server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "gitconfig"
    broken.write_text("[transfer]\n\thideRefs = refs/heads\n")
    monkeypatch.setitem(os.environ, "GIT_CONFIG_GLOBAL", str(broken))
    listed = await client("ls-remote", f"{server.url}/acme/shop.git")
    assert "refs/heads/main" in listed.stdout
