"""What `make demo` runs: a git server, Rollforward as a child process on it, the play and the check."""

import asyncio
import contextlib
import os
import shlex
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator
from pathlib import Path

from bot.demo.folder import SECRETS, secret_file
from bot.demo.organisation import DemoError
from bot.demo.player import Api
from bot.standins.git_server import GitServer

DEFINITIONS = Path(__file__).with_name("service_definitions")
HOST = "127.0.0.1"
PULL_HEADS = ("refs/pull", "refs/merge-requests")
START = 60.0
STOP = 25.0


def server_folder(folder: Path) -> Path:
    """Where the demo's server keeps its data, the store that commands read."""
    return folder / "server"


def invitation(folder: Path, url: str) -> str:
    """What to do with the demo while it is open: look, ask at the command line, and correct something."""
    command = f"DATA_DIR={shlex.quote(str(server_folder(folder)))} rollforward"
    return f"""
  The dashboard: {url}/
  The command line: {command} metrics --group-by service
  A key, for what asks for one: {command} keys create me
  Ctrl-C stops it.
"""


def server_environment(folder: Path, *, port: int, git_url: str, hosts: tuple[str, ...]) -> dict[str, str]:
    """What the server is told: where to keep its data, the demo's secrets by file, where to clone each host from."""
    github, gitlab, key = (str(secret_file(folder, name).resolve()) for name in SECRETS.values())
    inherited = {name: value for name, value in os.environ.items() if name not in _DECIDED}
    return inherited | {
        "HOST": HOST,
        "PORT": str(port),
        "DATA_DIR": str(server_folder(folder).resolve()),
        "SERVICE_DEFINITIONS": str(DEFINITIONS),
        "GITHUB_WEBHOOK_SECRET_FILE": github,
        "GITLAB_WEBHOOK_SECRET_FILE": gitlab,
        "API_KEYS_FILE": key,
        "GITLAB_URL": "https://gitlab.example.com",
        "CLONE_URLS": ",".join(f"{host}={git_url}" for host in hosts),
        "DASHBOARD": "public",
    }


_DECIDED = {"BASE_URL", "TLS_CERT", "TLS_KEY", "GITHUB_WEBHOOK_SECRET", "GITLAB_WEBHOOK_SECRET", "API_KEYS", "GITLAB_SIGNING_TOKEN"}
"""Settings of the caller that would contradict the demo's own."""


@contextlib.asynccontextmanager
async def git_server(root: Path, *, port: int, withhold_pulls: bool) -> AsyncIterator[GitServer]:
    """A git server for as long as it is used."""
    server = GitServer(root, withheld=PULL_HEADS if withhold_pulls else ())
    try:
        await server.start(port)
    except OSError as error:
        raise DemoError(f"port {port} cannot be used for the git server: {error.strerror}") from error
    try:
        yield server
    finally:
        await server.stop()


def refuse_taken(port: int) -> None:
    """Raise DemoError if somebody listens on the port already."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise DemoError(f"port {port} cannot be used ({reason}); choose another one, like PORT=8081 make demo") from error


@contextlib.asynccontextmanager
async def rollforward(folder: Path, environment: dict[str, str]) -> AsyncIterator[Process]:
    """`serve` as a child in a session of its own (Ctrl-C reaches the demo alone, which then stops it); its log goes to a file."""
    log = folder / "server.log"
    with log.open("wb") as sink:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "serve",
            stdin=DEVNULL, stdout=sink, stderr=STDOUT, env=environment, start_new_session=True,
        )  # fmt: skip
    try:
        yield child
    finally:
        await _stop(child)


async def ready(api: Api, child: Process, folder: Path) -> None:
    """Wait until the server is ready; raises DemoError with the end of its log if it dies or takes too long."""
    loop = asyncio.get_running_loop()
    end = loop.time() + START
    while await api.status("/readyz") != 200:
        if child.returncode is not None:
            raise DemoError(f"the server ended with status {child.returncode}:\n{_tail(folder / 'server.log')}")
        if loop.time() > end:
            raise DemoError(f"the server is not ready after {START:.0f} s:\n{_tail(folder / 'server.log')}")
        await asyncio.sleep(0.1)


def stop_signal() -> asyncio.Event:
    """Is set from now on by Ctrl-C and SIGTERM, which end nothing by themselves any more."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def stopped(stop: asyncio.Event, child: Process) -> None:
    """Wait until it is set; raises DemoError if the server ends by itself."""
    while not stop.is_set():
        if child.returncode is not None:
            raise DemoError(f"the server ended with status {child.returncode}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5)


async def _stop(child: Process) -> None:
    if child.returncode is None:
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), STOP)
    except TimeoutError:
        child.kill()
        await child.wait()


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
