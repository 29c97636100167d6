"""The demo for real: processes, HTTP, git; twice, rebuilt from nothing, and with the pull requests' heads withheld."""

import asyncio
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import aiohttp
import psycopg
import pytest

from bot.answers.fingerprint import fingerprint_lines
from bot.demo.expected import load_table, squashes
from bot.demo.folder import base_date, own_secrets
from bot.demo.launch import git_server, ready, rollforward, server_environment
from bot.demo.organisation import build_organisation
from bot.demo.player import Api
from bot.store.opening import open_store

HOSTS = ("github.com", "gitlab.example.com")
DERIVED = ("landing", "introduced", "rebased", "pull_request_flag", "link_read", "change_set", "change", "classification", "remediation")
REMOTES = ("https://github.com/acme/shop", "https://gitlab.example.com/platform/payments/core/ledger")


@pytest.fixture(scope="session")
def states() -> dict[str, set[str]]:
    """What each engine ended with: whichever comes second is compared with the first."""
    return {}


async def test_twice_and_again_from_nothing(engine: str, store_url: str, tmp_path: Path, states: dict[str, set[str]]) -> None:
    first = await demo(tmp_path, store_url)
    assert first.returncode == 0, first.stderr
    assert " 0 known; " in first.stderr
    assert "facts agree" in first.stderr
    once = state(store_url)

    second = await demo(tmp_path, store_url)
    assert second.returncode == 0, second.stderr
    assert "demo: 0 webhooks were new" in second.stderr
    assert difference(once, state(store_url)) == ""

    shutil.rmtree(tmp_path / "demo" / "server" / "mirrors")
    forget_what_was_derived(store_url)
    assert difference(once, state(store_url))
    async with git_server(tmp_path / "demo" / "git", port=0, withhold_pulls=False) as git:
        environment = told(tmp_path, store_url, port=0, git_url=git.url)
        for command in (("sync", *REMOTES), ("rebuild",)):
            done = await run("bot", *command, cwd=tmp_path, environment=environment)
            assert done.returncode == 0, done.stderr
    assert difference(once, state(store_url)) == ""

    for other in states.values():
        assert difference(other, once) == "", "the engines disagree"
    states[engine] = once


async def test_withheld_heads_change_exactly_the_squashes(store_url: str, tmp_path: Path) -> None:
    agreed = await demo(tmp_path, store_url, "--withhold-pulls")
    assert agreed.returncode == 0, agreed.stderr

    # The same store against the table of the full heads: a difference is told, and makes the demo fail.
    async with AsyncExitStack() as stack:
        git = await stack.enter_async_context(git_server(tmp_path / "demo" / "git", port=0, withhold_pulls=True))
        port = free_port()
        folder, url = tmp_path / "demo", f"http://127.0.0.1:{port}"
        child = await stack.enter_async_context(rollforward(folder, told(tmp_path, store_url, port=port, git_url=git.url)))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await ready(Api(session, url, own_secrets(folder)), child, folder)
        secrets = [
            f"--{name}-file={folder / 'secrets' / file}"
            for name, file in (
                ("github-secret", "github-webhook-secret"), ("gitlab-secret", "gitlab-webhook-secret"), ("api-key", "api-key"),
            )
        ]  # fmt: skip
        differing = await run("bot.demo", "--url", url, "--data", str(folder), "--check", "--deadline=8", *secrets, cwd=tmp_path)
    assert differing.returncode == 1, differing.stderr
    lines = re.findall(r"(?m)^  (\S+) (\S+)(?: \S+)*: expected (.*), got (.*)$", differing.stderr)
    deployments = {name for name, *_ in lines} & set(load_table().deployments)
    assert deployments == {name for name, _ in squashes(load_table())}
    kept = {(name, commit) for name, commit, expected, got in lines if (expected, got) == ("dropped: squashed", "kept")}
    assert kept == squashes(load_table()) - {("P7", "s5")}


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
async def test_it_stays_until_it_is_stopped_and_leaves_nobody_behind(tmp_path: Path, signal_number: signal.Signals) -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot.demo", "--data", str(tmp_path / "demo"), cwd=tmp_path,
        env=os.environ | {"PORT": str(port)}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(120):
        while b"The dashboard" not in (line := await process.stdout.readline()):
            assert line, "the demo ended by itself"
        assert f"http://127.0.0.1:{port}/".encode() in line
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/healthz") as response:
            assert response.status == 200
        process.send_signal(signal_number)
        assert await process.wait() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert environments_with(f"DATA_DIR={tmp_path / 'demo' / 'server'}") == []


def environments_with(note: str) -> list[Path]:
    """Processes that still live with that in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if note.encode() in path.read_bytes():
                found.append(path)
    return found


async def test_a_taken_port_is_said_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {"PORT": str(taken.getsockname()[1]), "DEMO_EXIT": "1"}
        refused = await run("bot.demo", "--data", str(tmp_path / "demo"), cwd=tmp_path, environment=environment)
    assert refused.returncode == 1
    assert re.search(r"demo: port \d+ cannot be used \(Address already in use\); choose another", refused.stderr)
    assert "Traceback" not in refused.stderr


async def demo(folder: Path, store_url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`make demo DEMO_EXIT=1` on a port of its own each time."""
    environment = {"PORT": str(free_port()), "DEMO_EXIT": "1", "DATABASE_URL": store_url}
    return await run("bot.demo", "--data", str(folder / "demo"), *options, cwd=folder, environment=environment)


async def run(
    module: str, *arguments: str, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", module, *arguments], cwd=cwd, env={**os.environ, **(environment or {})},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def told(folder: Path, store_url: str, *, port: int, git_url: str) -> dict[str, str]:
    build_organisation(folder / "demo" / "git", base_date(folder / "demo"))
    return server_environment(folder / "demo", port=port, git_url=git_url, hosts=HOSTS) | {"DATABASE_URL": store_url}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def state(store_url: str) -> set[str]:
    """What the fingerprint hashes, a line each, but for instants of receipt: each play calls anew, and some events say not when they were."""
    store = open_store(store_url)
    try:
        lines = store.read(fingerprint_lines)
    finally:
        store.close()
    return {_without_receipt(line) for line in lines}


def _without_receipt(line: str) -> str:
    if line.startswith(("fingerprint_deployments ", "fingerprint_failures ", "fingerprint_states ")):
        return re.sub(r", \d+\]$", "]", line)
    return re.sub(r'^(fingerprint_names \["[^"]+"), \d+', r"\1", line)


def difference(before: set[str], after: set[str]) -> str:
    """Empty when they are equal, else both sides of what changed."""
    return "\n".join([*(f"- {line}" for line in sorted(before - after)), *(f"+ {line}" for line in sorted(after - before))])


def forget_what_was_derived(store_url: str) -> None:
    statements = [f"DELETE FROM {table}" for table in DERIVED]
    if store_url.startswith("sqlite:"):
        with sqlite3.connect(store_url.removeprefix("sqlite:///")) as sqlite:
            for statement in statements:
                sqlite.execute(statement)
        sqlite.close()
        return
    with psycopg.connect(store_url) as postgres:
        for statement in statements:
            postgres.execute(statement)
