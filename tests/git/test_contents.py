"""File contents: of a few files at the root, within bounds, and only when they are asked for."""

import os
from pathlib import Path

import pytest

from bot import git
from tests.support.gitrepo import GitRepo, git_bytes
from tests.support.gitserver import git_server

NAMES = ("service.datadog.yaml", "entity.datadog.yaml")


async def test_the_contents_of_one_file_are_fetched(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    tip = repo.commit("a", files={"service.datadog.yaml": "hello\n", "secret": "other\n", "deeper/entity.datadog.yaml": "x\n"})
    repo.close()
    async with git_server(tmp_path / "served") as server:
        server.token = "sesame-open"
        remote = git.Remote(url=f"{server.url}/grp/sub/repo.git", token="sesame-open")
        await git.fetch_all(mirror, remote)
        found = git.root_files(mirror, bytes.fromhex(tip), NAMES)
        assert list(found) == ["service.datadog.yaml"]
        (blob,) = found.values()
        before = len(server.requests)
        assert git.read_blob(mirror, blob, limit=100) is None
        assert len(server.requests) == before, "reading never fetches"

        await git.fetch_blobs(mirror, remote, [blob], limit=100_000)

    assert git.read_blob(mirror, blob, limit=100) == b"hello\n"
    kinds = git_bytes(mirror, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").split()
    assert kinds.count(b"blob") == 1


async def test_large_files_are_not_read(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    tip = repo.commit("a", files={NAMES[0]: os.urandom(300_000), NAMES[1]: b"\0" * 3_000_000})
    repo.close()
    async with git_server(tmp_path / "served") as server:
        remote = git.Remote(url=f"{server.url}/grp/sub/repo.git")
        await git.fetch_all(mirror, remote)
        found = git.root_files(mirror, bytes.fromhex(tip), NAMES)
        with pytest.raises(git.TooLargeError):
            await git.fetch_blobs(mirror, remote, [found[NAMES[0]]], limit=100_000)
        assert git.read_blob(mirror, found[NAMES[0]], limit=100_000) is None
        await git.fetch_blobs(mirror, remote, [found[NAMES[1]]], limit=100_000)

    with pytest.raises(git.TooLargeError, match="3,000,000 bytes"):
        git.read_blob(mirror, found[NAMES[1]], limit=100_000)


def test_links_folders_and_modules_are_no_files(repo: GitRepo) -> None:
    repo.commit("a", files={"x": "target"})
    repo.close()
    blob = git_bytes(repo.path, "rev-parse", "main:x").strip().decode()
    tree = git_bytes(repo.path, "rev-parse", "main^{tree}").strip().decode()
    rows = f"120000 blob {blob}\tservice.datadog.yaml\n040000 tree {tree}\tentity.datadog.yaml\n100755 blob {blob}\tplain\n"
    made = git_bytes(repo.path, "mktree", stdin=rows.encode()).strip().decode()
    tip = git_bytes(repo.path, "-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", made, "-m", "x").strip().decode()
    assert git.root_files(repo.path, bytes.fromhex(tip), [*NAMES, "plain"]) == {"plain": bytes.fromhex(blob)}
