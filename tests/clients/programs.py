"""The vendors' programs as processes, and the way there: a proxy instead of names in DNS."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.server import API_KEY, Served

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "build/clients/bin/python"
"""The environment of `requirements.lock`."""
SCRIPTS = Path(__file__).parent / "scripts"
DATADOG_CI = ROOT / "tests/npm/node_modules/.bin/datadog-ci"
SITE = "dora.test"


class NotInstalledError(Exception):
    """A client is not there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A process that ended."""

    status: int
    output: str
    """What it printed, errors included."""
    seconds: float

    def good(self) -> str:
        """Its output; AssertionError when it failed."""
        assert self.status == 0, self.output
        return self.output


@dataclass(kw_only=True)
class Tunnel:
    """A CONNECT proxy that leads every name to one port, so that no name needs to be in DNS."""

    target: int
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """The names that were asked for."""

    def serve(self, listener: socket.socket) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._lead, args=(client,), daemon=True).start()

    def _lead(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += (more := client.recv(4096))
                if not more:
                    return
            self.asked.append(head.split(b" ")[1].decode())
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                client.sendall(b"HTTP/1.1 200 Connection Established\r\n\r\n")
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def tunnel(target: int) -> Iterator[Tunnel]:
    """A running proxy to a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Tunnel(target=target, port=listener.getsockname()[1])
        thread = threading.Thread(target=made.serve, args=(listener,), daemon=True)
        thread.start()
        yield made
        # Closing a socket does not wake who waits in accept.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def run(command: list[str], environment: dict[str, str], *, cwd: Path, timeout: float = 60, stdin: str = "") -> Done:
    """Run a program that knows no more of this machine than it is told."""
    if not Path(command[0]).exists():
        raise NotInstalledError(f"{command[0]} is missing: run `bash .ci/services`, as `make test` does")
    begun = time.monotonic()
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment}, cwd=cwd, input=stdin, timeout=timeout,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return Done(status=done.returncode, output=done.stdout, seconds=time.monotonic() - begun)


@dataclass(frozen=True, kw_only=True, slots=True)
class DatadogCi:
    """The real `datadog-ci`, as a CI job would run it."""

    server: Served
    home: Path
    """Of its own: the client writes git's global settings."""
    proxy: Tunnel

    def __call__(self, *arguments: str, cwd: Path | None = None, timeout: float = 120, **told: str) -> Done:
        """Run it; an empty variable is one that is not set."""
        environment = self.environment() | told
        return run(
            [str(DATADOG_CI), *arguments], {name: value for name, value in environment.items() if value},
            cwd=cwd or self.home, timeout=timeout,
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        """The variables that point it here."""
        return {
            "HOME": str(self.home), "DD_SITE": SITE, "DD_API_KEY": API_KEY, "NODE_EXTRA_CA_CERTS": str(self.server.authority),
            "HTTPS_PROXY": f"http://127.0.0.1:{self.proxy.port}", "GIT_CONFIG_NOSYSTEM": "1",
        }  # fmt: skip


def run_script(name: str, *arguments: str, server: Served, timeout: float = 60, **told: str) -> Done:
    """Run one of `scripts/` where the vendors' Python clients are."""
    scheme = "http" if server.authority is None else "https"
    environment = {
        "SERVER": f"{scheme}://127.0.0.1:{server.port}", "KEY": API_KEY, "CA": str(server.authority or ""),
        "HOME": str(server.folder), "PYTHONWARNINGS": "error::DeprecationWarning:__main__",
    }  # fmt: skip
    return run([str(PYTHON), str(SCRIPTS / name), *arguments], environment | told, cwd=server.folder, timeout=timeout)
