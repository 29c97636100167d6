"""The end in good order, the one owner of a SQLite file, and commands that work with a server and without one."""

import asyncio
import json
import os
import signal
import stat
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest

from bot.store.opening import OwnerLock, open_store
from tests.support.gitrepo import GitRepo
from tests.support.server import Served, github_headers, pull_request_body, served, until

IN_FLIGHT = 100


async def _burst(server: Served, begun: asyncio.Event) -> dict[str, int]:
    """Statuses by delivery id of requests that are sent at the same time; 0 where the connection broke."""
    answered: dict[str, int] = {}

    async def send(session: aiohttp.ClientSession, number: int) -> None:
        key, body = str(uuid.uuid4()), pull_request_body(number, title="x" * 20_000)
        headers = {name.replace("_", "-"): value for name, value in github_headers("pull_request", body, key=key).items()}
        try:
            async with session.post(f"http://127.0.0.1:{server.port}/webhooks/github", data=body, headers=headers) as answer:
                answered[key] = answer.status
                begun.set()
        except aiohttp.ClientError:
            answered[key] = 0

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(send(session, number) for number in range(1, IN_FLIGHT + 1)))
    return answered


async def test_sigterm_with_requests_in_flight(
    store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(store_url, tmp_path) as server:
        process = server.process
        assert process is not None
        begun = asyncio.Event()
        burst = asyncio.create_task(_burst(server, begun))
        await begun.wait()
        at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        answered = await burst
        status = await asyncio.to_thread(process.wait, 30)
        took = time.monotonic() - at
        server.process = None
        assert status == 0, server.log()
        assert took < 16
        listed = json.loads(server.run("deliveries", "list", "--limit", "1000", "--json").stdout)["data"]
        stored = {row["key"] for row in listed}
    acknowledged = {key for key, code in answered.items() if code in (200, 202)}
    assert acknowledged
    assert acknowledged <= stored
    with capsys.disabled():
        print(f"\nSIGTERM: {len(acknowledged)} of {len(answered)} acknowledged and stored, exit 0 after {took:.1f} s")


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_second_server_and_the_socket(store_url: str, tmp_path: Path) -> None:
    path = Path(store_url.removeprefix("sqlite:///"))
    with served(store_url, tmp_path) as server:
        second = Served(store_url, tmp_path)
        refused = second.run("serve")
        assert refused.returncode == 1
        assert refused.stderr.splitlines()[-1].startswith("Error: another process owns this store")
        assert "Traceback" not in refused.stderr
        socket = until(lambda: OwnerLock(path).held_by(), seconds=60)
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        assert socket.parent.stat().st_uid == os.getuid()
        assert server.ready() == 200
        assert server.stop()[0] == 0
        assert not socket.parent.exists()
        assert OwnerLock(path).held_by() is None


def test_commands_with_a_server_and_without(store_url: str, tmp_path: Path) -> None:
    repository = tmp_path / "shop"
    with GitRepo(repository) as repo:
        for number in range(5):
            repo.tag(f"v{number}", repo.commit(f"Change {number}"))

    def use(server: Served) -> None:
        key = server.run("keys", "create", "ci", "--scope", "read")
        assert key.returncode == 0, key.stderr
        synced = server.run("sync", str(repository), "--as", "https://github.com/acme/shop", "--json")
        assert synced.returncode == 0, synced.stderr
        assert json.loads(synced.stdout) == [{"repository": "github.com/acme/shop", "commits": 5}]
        backfilled = server.run("backfill", "--from-tags", "v*", "--service", "shop", "--json")
        assert backfilled.returncode == 0, backfilled.stderr
        assert json.loads(backfilled.stdout)["deployments"] == 5
        rebuilt = server.run("rebuild")
        assert (rebuilt.returncode, rebuilt.stdout) == (0, "derived 1 series and 0 pull requests again\n"), rebuilt.stderr

    with served(store_url, tmp_path, start=False) as server:
        use(server)
        missing = server.run("sync", str(tmp_path / "nowhere"))
        assert missing.returncode == 1
        assert "Traceback" not in missing.stderr
        server.start()
        use(server)
        assert server.run("keys", "list").stdout.count("active") == 2
        new = server.run("keys", "create", "reader", "--scope", "read").stdout.split()[0]
        assert server.ask("GET", "/api/v1/deliveries", Authorization=f"Bearer {new}").status == 200
        with ThreadPoolExecutor(2) as threads:
            reads = list(threads.map(lambda _: server.run("deployments", "--from", "2025-01-01", "--json"), range(2)))
        for read in reads:
            assert read.returncode == 0, read.stderr
            assert len(json.loads(read.stdout)["data"]) == 5
        assert server.stop()[0] == 0


def test_a_server_that_is_killed_leaves_the_store_to_the_next(store_url: str, tmp_path: Path) -> None:
    with served(store_url, tmp_path) as server:
        child = server.child()
        assert server.stop(signal.SIGKILL)[0] == -signal.SIGKILL
        until(lambda: _is_over(child), seconds=60)
        server.start()
        assert server.deliver("ping", b'{"zen": "."}').status == 202
        assert server.stop()[0] == 0


def _is_over(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_signal_while_it_starts_is_an_end_too(store_url: str, tmp_path: Path) -> None:
    store = open_store(store_url)
    store.migrate()
    store.close()
    # A socket's path must be short, and other servers have theirs elsewhere.
    with tempfile.TemporaryDirectory(dir="/tmp") as sockets:
        server = Served(store_url, tmp_path, settings={"TMPDIR": sockets})
        process = server.spawn()
        try:
            until(lambda: Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(), seconds=60)
            process.terminate()
            assert process.wait(20) == 0, server.log()
        finally:
            process.kill()
            process.wait()
        assert list(Path(sockets).glob("rollforward-*")) == []
