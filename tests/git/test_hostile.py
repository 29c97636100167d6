"""Tokens that stay where they belong, and injections that do nothing."""

from pathlib import Path

import pytest

from bot import git
from bot.git.environment import environment
from bot.standins.faults import Fault, Redirect
from tests.git.asking import heads, snapshot
from tests.support.command_lines import command_lines
from tests.support.gitrepo import GitRepo
from tests.support.gitserver import git_server

CANARY = "glpat-CANARY-0123456789"


async def test_a_token_reaches_the_server_and_nobody_else(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    repo.commit("a", files=["a"])
    repo.close()
    with command_lines() as seen:
        async with git_server(tmp_path / "served") as server:
            server.token = CANARY
            remote = git.Remote(url=f"{server.url}/grp/sub/repo.git", token=CANARY)
            await git.fetch_all(mirror, remote)
            wrong = git.Remote(url=remote.url, token=CANARY + "x")
            with pytest.raises(git.RemoteRefusedError) as caught:
                await git.fetch_all(mirror, wrong)

    assert heads(mirror)
    assert any("git fetch" in command for command in seen), "the watcher saw git"
    assert not [command for command in seen if CANARY in command or "Authorization" in command]
    assert CANARY not in str(caught.value) + repr(remote) + repr(caught.value)
    assert not files_holding(mirror, CANARY)


def files_holding(folder: Path, text: str) -> list[str]:
    """The files below a folder in which `text` stands."""
    return [name for name in snapshot(folder) if text.encode() in Path(name).read_bytes()]


async def test_a_token_does_not_follow_a_redirect(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    repo.commit("a")
    repo.close()
    async with git_server(tmp_path / "served") as elsewhere, git_server(tmp_path / "served") as server:
        server.faults.append(Fault(match="", kind=Redirect(to=elsewhere.url)))
        with pytest.raises(git.RemoteError):
            await git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git", token=CANARY))
        assert elsewhere.requests == []
        await git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git"))
        assert elsewhere.requests
        assert not [seen for seen in elsewhere.requests if "authorization" in seen.headers]


def test_credentials_are_cut_from_what_git_says() -> None:
    assert git.clean("fatal: https://u:p@h/x and http://t@h", token="abc") == "fatal: https://h/x and http://h"
    assert git.clean("has sesame in it", token="sesame") == "has *** in it"


HOSTILE_URLS = [
    "--upload-pack=touch {canary}", "-u touch {canary}", "ext::sh -c touch% {canary}", "ext::touch {canary}",
    "file://{repo}", "file:///etc", "{repo}", "/etc", "../x", "fd::3", "fd::17/foo", "git://127.0.0.1/x", "ssh://-oProxyCommand=touch%20{canary}/x",
    "ssh://h/x", "git@h:x", "http://evil.example/x", "http://169.254.169.254/latest", "http://127.0.0.1.evil.example/x",
    "https://", "https://-h/x", "https://u:p@h/x", "https://h/x?y", "https://h/x#y", "https://h/x\n--upload-pack=touch {canary}",
    "https://h/ x", "https://h/\x00", "https://h:99999/x", "https://[::1/x", "ftp://h/x", "HTTP::x", "", "https://h\\@evil/x",
    "testgit::{repo}", "http://localhost.evil.example/x", "http://0.0.0.0/x", "http://user@127.0.0.1/x", "https://ünï.example/x",
]  # fmt: skip
HOSTILE_REFS = [
    "--upload-pack=touch {canary}", "-x", "--output={canary}", "refs/heads/../../config", "refs/heads/a b", "refs/heads/x\nrefs/heads/y",
    "refs/heads/x:refs/heads/y", "+refs/heads/x", "refs/heads/*", "refs/heads/-x", "refs/heads/x.lock", "refs/heads/x\0y", "HEAD", "main",
    "refs/heads/", "refs//heads/x", "refs/heads/x/", "/refs/heads/x", "refs/heads/@{{1}}", "refs/heads/x~1", "refs/heads/x^", "refs/heads/\\x",
    "refs/x", "refs/heads/.x", "refs/heads/x.", "$(touch {canary})", "`touch {canary}`", "refs/heads/;touch {canary}", "", "refs/heads/" + "x" * 2_000,
]  # fmt: skip
HOSTILE_REVISIONS = ["--output={canary}", "-p", "--exec=touch {canary}", "HEAD --output={canary}", ":/--output", "^HEAD", "@{{-1}}", "..", "x y", "$(touch {canary})"]


@pytest.mark.parametrize("url", HOSTILE_URLS)
async def test_hostile_urls_do_nothing(repo: GitRepo, mirror: Path, tmp_path: Path, url: str) -> None:
    repo.commit("a")
    repo.close()
    canary = tmp_path / "canary"
    before = snapshot(tmp_path)
    url = url.format(canary=canary, repo=repo.path)
    with pytest.raises(git.BadArgumentError):
        await git.fetch_all(mirror, git.Remote(url=url))
    with pytest.raises(git.BadArgumentError):
        await git.fetch_refs(mirror, git.Remote(url=url), ["refs/heads/main"])
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("ref", HOSTILE_REFS)
async def test_hostile_refs_do_nothing(repo: GitRepo, mirror: Path, tmp_path: Path, ref: str) -> None:
    repo.commit("a")
    repo.close()
    canary = tmp_path / "canary"
    before = snapshot(tmp_path)
    ref = ref.format(canary=canary)
    async with git_server(tmp_path / "served") as server:
        with pytest.raises(git.BadArgumentError):
            await git.fetch_refs(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git"), [ref])
        assert server.requests == []
    assert git.list_refs(mirror, [ref]) == []
    git.delete_refs(mirror, [ref])
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("revision", HOSTILE_REVISIONS)
def test_hostile_revisions_do_nothing(repo: GitRepo, tmp_path: Path, revision: str) -> None:
    repo.commit("a")
    repo.close()
    before = snapshot(tmp_path)
    assert git.rev_parse(repo.path, revision.format(canary=tmp_path / "canary")) is None
    assert snapshot(tmp_path) == before
    with pytest.raises(git.BadArgumentError):
        git.rev_parse(repo.path, revision + "\n--output=x")


async def test_a_hostile_remote_helper_or_hook_is_never_run(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    repo.commit("a")
    repo.close()
    canary = tmp_path / "canary"
    for name in ("post-update", "reference-transaction", "post-fetch", "pre-auto-gc", "post-rewrite"):
        hook = mirror / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {canary}\n")
        hook.chmod(0o755)
    async with git_server(tmp_path / "served") as server:
        await git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git"))
    assert heads(mirror)
    assert not canary.exists()


def test_reading_can_reach_no_network(repo: GitRepo, mirror: Path) -> None:
    assert environment(mirror)["GIT_ALLOW_PROTOCOL"] == "none"
    assert git.protocols_for("http://127.0.0.1:8000/x") == "http"
    assert git.protocols_for("http://[::1]/x") == "http"
    assert git.protocols_for("http://gitlab.internal:8080/x", plain_hosts=frozenset({"gitlab.internal:8080"})) == "http"
    with pytest.raises(git.ProtocolRefusedError):
        git.protocols_for("http://gitlab.internal:8081/x", plain_hosts=frozenset({"gitlab.internal:8080"}))
    assert git.protocols_for("https://github.com/a/b.git") == "https"


def test_no_variable_of_the_machine_reaches_git(monkeypatch: pytest.MonkeyPatch, repo: GitRepo, tmp_path: Path) -> None:
    sha = repo.commit("a")
    repo.close()
    for name, value in {
        "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere", "GIT_TRACE": str(tmp_path / "trace"), "GIT_EXTERNAL_DIFF": "false",
        "GIT_OBJECT_DIRECTORY": "/nowhere", "GIT_CONFIG_PARAMETERS": "'core.bare=maybe'", "GIT_EXEC_PATH": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)

    assert heads(repo.path) == {"refs/heads/main": sha}
    assert not (tmp_path / "trace").exists()
