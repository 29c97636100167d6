"""Secrets stay where they belong: in no log, command line, file, page, or row, and at no other host, also when things go wrong."""

import asyncio
import subprocess
from base64 import b64encode
from pathlib import Path

from aiohttp import web

from bot.standins.faults import Fault, LyingLink, Redirect, Status, Truncate
from bot.standins.github import GitHub
from bot.standins.gitlab.forge import GitLab
from tests.e2e.forge_story import ALICE, land
from tests.e2e.forges import GITLAB_SECRET, github_settings, gitlab_settings, new_github, new_gitlab, work_left
from tests.support.command_lines import command_lines
from tests.support.server import API_KEY, Served, served, until

PAGES = ("/", "/setup", "/repositories", "/deliveries", "/definitions", "/rules", "/metrics", "/readyz", "/api/v1/repositories",
         "/api/v1/deliveries", "/api/v1/pull-requests", "/no/such/page", "/api/v1/metrics?from=yesterday")  # fmt: skip


async def test_no_secret_is_seen_anywhere(store_url: str, engine: str, tmp_path: Path) -> None:
    github, gitlab = new_github(tmp_path), new_gitlab(tmp_path, root="/gitlab")
    elsewhere = Elsewhere()
    await github.start()
    await gitlab.start()
    await elsewhere.start()
    with served(store_url, tmp_path, start=False) as server:
        github.create_app(hook_url=f"http://127.0.0.1:{server.port}/webhooks/github")
        server.settings = github_settings(github) | gitlab_settings(gitlab, "read_api", "read_repository")
        shop = github.create_repository("acme/shop", private=True)
        ledger = gitlab.create_repository("acme/core/ledger", private=True)
        gitlab.add_hook(ledger, f"http://127.0.0.1:{server.port}/webhooks/gitlab", token=GITLAB_SECRET)
        github.install("acme", [shop])
        with command_lines() as seen:
            await asyncio.to_thread(server.start)
            for forge, repo in ((github, shop), (gitlab, ledger)):
                repo.commit("main", {"README.md": "text\n"}, message="Begin", author=ALICE)
                land(forge, repo, 1, "squash")
            await github.deliver()
            await gitlab.deliver()
            await asyncio.to_thread(until, lambda: not work_left(server.url), seconds=60, pause=0.2)
            await go_wrong(github, gitlab, elsewhere, server)
            pages = await asyncio.to_thread(read_pages, server)
        secrets = secrets_of(github, gitlab, server)
        assert len(secrets) >= 6
        lines = {"command lines": "\n".join(sorted(seen)).encode()}
        assert found(secrets, lines) == []
        assert found(secrets, pages) == []
        assert found(secrets, {"another host": elsewhere.heard}) == []
        await asyncio.to_thread(server.stop)
    files = await asyncio.to_thread(files_below, tmp_path)
    assert any(name.endswith("config") for name in files) and any(name.endswith("log") for name in files)
    for places in (lines, pages, files):
        assert found({"what is no secret": b"acme/"}, places), "the test looked at nothing"
    if engine == "postgres":
        files["the database"] = await asyncio.to_thread(dump, store_url)
    assert found(secrets, files) == []
    await github.stop()
    await gitlab.stop()
    await elsewhere.stop()


class Elsewhere:
    """Another host, to which a lying forge sends its clients."""

    def __init__(self) -> None:
        self.heard = b""
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._hear)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self.runner.cleanup()

    async def _hear(self, request: web.Request) -> web.Response:
        self.heard += f"{request.method} {request.path_qs} {dict(request.headers)}\n".encode() + await request.read()
        return web.Response(status=404)


async def go_wrong(github: GitHub, gitlab: GitLab, elsewhere: Elsewhere, server: Served) -> None:
    """Errors, redirects and foreign links for both APIs and both git servers, then tokens that are good no more."""
    remotes = ("https://github.com/acme/shop", f"{gitlab.url}/acme/core/ledger.git")
    for kind in (Status(status=500), Redirect(to=elsewhere.url), LyingLink(to=elsewhere.url), Truncate()):
        github.faults.append(Fault(match=".*", kind=kind, times=6))
        gitlab.faults.append(Fault(match=".*", kind=kind, times=6))
        await asyncio.to_thread(server.run, "sync", *remotes)
        github.faults.clear()
        gitlab.faults.clear()
    for token in gitlab.tokens.values():
        token.revoked = True
    for granted in github.access.tokens.values():
        granted.expires = 0
    done = await asyncio.to_thread(server.run, "sync", *remotes)
    assert done.returncode == 1, done.stdout
    bad = await asyncio.to_thread(server.ask, "POST", "/webhooks/gitlab", b"{}", X_Gitlab_Token=GITLAB_SECRET + "x", X_Gitlab_Event="Push Hook")
    assert bad.status == 401


def read_pages(server: Served) -> dict[str, bytes]:
    """What the server shows, with a key and without."""
    shown = {}
    for path in PAGES:
        shown[path] = server.ask("GET", path, Authorization=f"Bearer {API_KEY}").body
        shown[f"{path} without a key"] = server.ask("GET", path).body
    for command in (("sources",), ("deliveries",), ("setup", "github", "--status")):
        done = server.run(*command)
        shown[" ".join(command)] = (done.stdout + done.stderr).encode()
    assert b"acme/shop" in shown["/repositories"]
    return shown


def secrets_of(github: GitHub, gitlab: GitLab, server: Served) -> dict[str, bytes]:
    """What must not be seen, by name; git sends a token in a disguise of its own."""
    tokens = {"the App's secret": server.settings["GITHUB_WEBHOOK_SECRET"], "GitLab's secret": GITLAB_SECRET, "the API key": API_KEY}
    tokens |= {f"an installation's token {n}": value for n, value in enumerate(github.access.tokens)}
    tokens |= {"GitLab's token": server.settings["GITLAB_TOKEN"]}
    plain = {name: value.encode() for name, value in tokens.items()}
    key = server.settings["GITHUB_PRIVATE_KEY"].splitlines()
    plain |= {"the App's key": key[5].encode()}
    users = ("x-access-token", "oauth2")
    basic = {f"{name} for {user}": b64encode(f"{user}:{value}".encode()) for name, value in tokens.items() for user in users}
    return plain | basic


def found(secrets: dict[str, bytes], places: dict[str, bytes]) -> list[str]:
    """Which secret is seen where."""
    return [f"{name} in {place}" for place, text in places.items() for name, secret in secrets.items() if secret in text]


def files_below(folder: Path) -> dict[str, bytes]:
    """What the server wrote, without what the forges keep."""
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in {"github", "gitlab"}
    }


def dump(url: str) -> bytes:
    """The database as text."""
    return subprocess.run(["pg_dump", url], capture_output=True, check=True).stdout
