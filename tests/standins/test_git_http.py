"""Git over HTTP from the fake GitHub, asked by git itself, and the faults that both doors can play."""

import asyncio
import json
from base64 import b64encode
from pathlib import Path

import aiohttp
import pytest

from bot.standins import faults
from bot.standins.faults import Fault
from bot.standins.github import GitHub, GitHubRepo
from bot.standins.repository import git_environment
from tests.standins.conftest import ANN, BEN


@pytest.fixture
def shop(github: GitHub) -> GitHubRepo:
    github.create_app(hook_url="http://127.0.0.1:9/hook")
    shop = github.create_repository("acme/shop", private=True)
    shop.commit("main", {"a": "1\n"}, message="Start", author=ANN)
    shop.commit("work", {"b": "2\n"}, message="Work", author=BEN)
    shop.open("work", "main", title="Work", author=BEN)
    shop.delete_branch("work", by=BEN)
    return shop


async def git(*arguments: str, token: str = "", cwd: Path | None = None) -> tuple[int, str]:
    """Exit code and what it said; the token goes by the environment."""
    header = "Authorization: Basic " + b64encode(f"x-access-token:{token}".encode()).decode()
    extra = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.extraHeader", "GIT_CONFIG_VALUE_0": header}
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        cwd=cwd,
        env=git_environment() | (extra if token else {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_a_private_repository_is_cloned_with_a_token_only(
    github: GitHub, shop: GitHubRepo, tmp_path: Path
) -> None:
    installation = github.install("acme", [shop])
    token = github.access.grant(installation, None, None).value
    narrow = github.access.grant(installation, None, {"pull_requests": "read"}).value
    url = f"{github.url}/acme/shop.git"

    code, said = await git("ls-remote", url)
    assert (code, "could not read Username" in said) == (128, True)
    assert (await git("ls-remote", url, token="ghs_wrong"))[0] == 128
    code, said = await git("ls-remote", url, token=narrow)
    assert (code, "403" in said) == (128, True)
    code, said = await git("ls-remote", url, token=token)
    assert {line.split()[1] for line in said.splitlines()} >= {"HEAD", "refs/heads/main", "refs/pull/1/head"}

    assert await git(
        "clone", "--quiet", "--bare", "--filter=blob:none", url, "here.git", token=token, cwd=tmp_path
    ) == (0, "")
    head = shop.git.refs("refs/pull/")["1/head"]
    fetched = await git("fetch", "--quiet", "origin", head, token=token, cwd=tmp_path / "here.git")
    assert fetched == (0, "")
    assert await git("log", "-1", "--format=%an %s", head, cwd=tmp_path / "here.git") == (0, "Ben Birch Work\n")

    shop.rename("store")
    code, said = await git("ls-remote", url, "HEAD", token=token)
    assert (code, shop.git.head("main") in said) == (0, True)
    github.apps.suspend(installation)
    assert (await git("ls-remote", url, token=token))[0] == 128


async def test_a_public_repository_needs_no_token_and_hides_what_is_withheld(github: GitHub, tmp_path: Path) -> None:
    shop = github.create_repository("acme/open")
    shop.commit("main", {"a": "1\n"}, message="Start", author=ANN)
    shop.git.set_ref("refs/pull/1/head", shop.git.head("main"))
    url = f"{github.url}/acme/open.git"
    assert (await git("clone", "--quiet", url, "here", cwd=tmp_path))[0] == 0
    assert (tmp_path / "here/a").read_text() == "1\n"
    assert github.git.packs == 2  # v2 asks for the refs by a POST too
    assert "refs/pull/1/head" in (await git("ls-remote", url))[1]
    github.git.withheld = ("refs/pull",)
    assert "refs/pull" not in (await git("ls-remote", url))[1]
    assert (await git("ls-remote", f"{github.url}/acme/none.git"))[0] == 128
    assert (await git("push", url, "main:other", cwd=tmp_path / "here"))[0] != 0


async def test_faults_play_in_order_and_run_out(github: GitHub) -> None:
    github.faults += [
        Fault(match="GET /rate_limit", kind=faults.too_many_requests(7), times=1),
        Fault(match="^GET /rate", kind=faults.secondary_limit(), times=1),
        Fault(match="rate_limit", kind=faults.primary_limit(github.now + 60), times=1),
        Fault(match="rate_limit", kind=faults.Redirect(to="http://127.0.0.1:9"), times=1),
        Fault(match="rate_limit", kind=faults.LyingLink(to="http://127.0.0.1:9"), times=1),
        Fault(match="rate_limit", kind=faults.Truncate(), times=1),
    ]
    seen = []
    async with aiohttp.ClientSession() as session:
        for _ in range(7):
            async with session.get(f"{github.url}/rate_limit?x=1", allow_redirects=False) as answer:
                seen.append(
                    (
                        answer.status,
                        {name.lower(): value for name, value in answer.headers.items()},
                        await answer.text(),
                    )
                )
    assert [status for status, _, _ in seen] == [429, 403, 403, 302, 200, 200, 200]
    assert seen[0][1]["retry-after"] == "7"
    assert "secondary rate limit" in seen[1][2]
    assert (seen[2][1]["x-ratelimit-remaining"], seen[2][1]["x-ratelimit-reset"]) == ("0", str(github.now + 60))
    assert seen[3][1]["location"] == "http://127.0.0.1:9/rate_limit?x=1"
    assert seen[4][1]["link"] == '<http://127.0.0.1:9/rate_limit?page=2>; rel="next"'
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(seen[5][2])
    assert json.loads(seen[6][2])["rate"]["limit"] == 5_000
    assert [(one.method, one.path_qs, one.at) for one in github.requests] == [
        ("GET", "/rate_limit?x=1", github.now)
    ] * 7


async def test_slow_and_torn_answers(github: GitHub) -> None:
    github.faults += [
        Fault(match="rate_limit", kind=faults.Truncate(torn=True), times=1),
        Fault(match="rate_limit", kind=faults.Dribble(pause=0.02, size=100), times=1),
        Fault(match="rate_limit", kind=faults.Delay(seconds=0.1), times=1),
    ]
    clock = asyncio.get_running_loop().time
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientPayloadError):
            async with session.get(f"{github.url}/rate_limit") as answer:
                await answer.read()
        for least in (0.04, 0.09):
            begun = clock()
            async with session.get(f"{github.url}/rate_limit") as answer:
                assert (await answer.json())["rate"]["limit"] == 5_000
            assert clock() - begun > least
