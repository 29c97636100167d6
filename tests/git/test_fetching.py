"""Fetching: full, narrow, refused, slow and broken."""

import asyncio
import os
from pathlib import Path

import pytest

from bot import git
from bot.standins.faults import Delay, Fault, Status
from tests.git.asking import children_running_in, entries, heads, snapshot
from tests.support.gitrepo import GitRepo, git_bytes
from tests.support.gitrepo import git as run_git
from tests.support.gitserver import git_server


async def test_a_full_fetch_follows_branches_and_keeps_tags(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    first = repo.commit("a", files={"a": "secret contents\n"})
    repo.tag("v1", first, tagged_at=1_767_700_000)
    gone = repo.commit("gone", branch="gone", parents=[first])
    repo.branch("refs/pull/1/head", gone)
    repo.close()
    async with git_server(tmp_path / "served") as server:
        remote = git.Remote(url=f"{server.url}/grp/sub/repo.git")
        assert await git.fetch_all(mirror, remote) == git.Fetched()
        assert heads(mirror) == {"refs/heads/main": first, "refs/heads/gone": gone, "refs/tags/v1": first}
        assert await git.remote_default_branch(remote, mirror) == "main"

        repo.delete("gone")
        repo.delete("refs/tags/v1")
        forced = repo.commit("forced", parents=[], files=["other"])
        repo.close()
        await git.fetch_all(mirror, remote)

    assert heads(mirror) == {"refs/heads/main": forced, "refs/tags/v1": first}, "branches go, tags stay"
    assert git.existing_commits(mirror, [bytes.fromhex(gone)]), "a commit that lost its branch stays"
    blobs = git_bytes(mirror, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").split()
    assert b"blob" not in blobs
    assert entries(mirror)[first].paths == [b"a"]
    assert server.url not in (mirror / "config").read_text()


async def test_a_narrow_fetch_brings_what_it_names(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    first = repo.commit("a")
    head = repo.commit("head", branch="other", parents=[first])
    repo.branch("refs/pull/12/head", head)
    repo.branch("refs/merge-requests/3/head", head)
    repo.close()
    async with git_server(tmp_path / "served") as server:
        remote = git.Remote(url=f"{server.url}/grp/sub/repo.git")
        assert await git.fetch_refs(mirror, remote, ["refs/heads/main"]) == git.Fetched()
        assert server.git.packs == 2, "one to list, one to fetch"
        assert heads(mirror) == {"refs/heads/main": first}

        found = await git.fetch_refs(mirror, remote, ["refs/pull/12/head", "refs/pull/13/head", "refs/merge-requests/3/head"])
        assert found.missing == ("refs/pull/13/head",)
        assert heads(mirror).keys() == {"refs/heads/main", "refs/pull/12/head", "refs/merge-requests/3/head"}

        server.git.withheld = ("refs/pull",)
        repo.delete("main")
        found = await git.fetch_refs(mirror, remote, ["refs/heads/main", "refs/pull/12/head"])
        assert set(found.missing) == {"refs/heads/main", "refs/pull/12/head"}
        assert await git.fetch_refs(mirror, remote, []) == git.Fetched()
    assert heads(mirror).keys() == {"refs/merge-requests/3/head"}


async def test_thousands_of_refs_in_one_fetch(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    first = repo.commit("a")
    names = [f"refs/pull/{i}/head" for i in range(2_000)]
    repo.close()
    run_git(repo.path, "update-ref", "--stdin", stdin="".join(f"create {name} {first}\n" for name in names).encode())
    async with git_server(tmp_path / "served") as server:
        found = await git.fetch_refs(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git"), names)

    assert found.missing == ()
    assert len(git.list_refs(mirror)) == 2_000


async def test_a_ref_in_the_way_is_told_as_such(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    first = repo.commit("a")
    repo.branch("topic", first)
    repo.close()
    async with git_server(tmp_path / "served") as server:
        remote = git.Remote(url=f"{server.url}/grp/sub/repo.git")
        await git.fetch_all(mirror, remote)
        repo.delete("topic")
        below = repo.commit("b", branch="topic/below", parents=[first])
        repo.close()
        with pytest.raises(git.RefConflictError):
            await git.fetch_refs(mirror, remote, ["refs/heads/topic/below"])
        await git.fetch_all(mirror, remote)

    assert heads(mirror) == {"refs/heads/main": first, "refs/heads/topic/below": below}


async def test_a_server_that_cannot_filter_sends_everything(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    repo.commit("a", files=["a"])
    repo.close()
    async with git_server(tmp_path / "served") as server:
        server.git.offers_filter = False
        found = await git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git"))

    assert found == git.Fetched(filtered=False)
    assert len(entries(mirror)) == 1


async def test_a_pack_above_the_cap_is_refused(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    repo.commit("big", files={"noise": os.urandom(300_000)})
    repo.close()
    async with git_server(tmp_path / "served") as server:
        server.git.offers_filter = False
        with pytest.raises(git.TooLargeError):
            await git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git", max_pack=100_000))

    assert heads(mirror) == {}
    assert not [name for name in snapshot(mirror) if "tmp_" in name]


@pytest.mark.parametrize(
    ("faults", "token", "error"),
    [
        *(([Fault(match="", kind=Status(status=status))], "", error) for status, error in (
            (500, git.RemoteError), (503, git.RemoteError), (404, git.RemoteNotFoundError),
            (401, git.RemoteRefusedError), (403, git.RemoteRefusedError),
        )),
        ([], "sesame-open", git.RemoteRefusedError),
    ],
)  # fmt: skip
async def test_failures_have_names(
    repo: GitRepo, mirror: Path, tmp_path: Path, faults: list[Fault], token: str, error: type[git.GitError]
) -> None:
    repo.commit("a")
    repo.close()
    async with git_server(tmp_path / "served") as server:
        remote = git.Remote(url=f"{server.url}/grp/sub/repo.git")
        server.faults.extend(faults)
        server.token = token
        with pytest.raises(error) as caught:
            await git.fetch_all(mirror, remote)
        assert type(caught.value) is error
        server.faults.clear()
        server.token = ""
        await git.fetch_all(mirror, remote)
    assert len(heads(mirror)) == 1


async def test_a_dead_host_is_unreachable(mirror: Path) -> None:
    with pytest.raises(git.RemoteError) as caught:
        await git.fetch_all(mirror, git.Remote(url="http://127.0.0.1:1/a/b.git"))
    assert caught.value.slug == "unreachable"


async def test_a_slow_server_is_left_and_nothing_runs_on(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    repo.commit("a")
    repo.close()
    async with git_server(tmp_path / "served") as server:
        server.faults.append(Fault(match="", kind=Delay(seconds=30)))
        with pytest.raises(git.GitTimeoutError):
            await git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git", timeout=0.3))
        assert not children_running_in(mirror)

        task = asyncio.create_task(git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git")))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not children_running_in(mirror)
