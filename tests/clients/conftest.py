"""A server over TLS that the tests of a module share: each test has services and repositories of its own."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.programs import SITE, DatadogCi, tunnel
from tests.support.server import Served, served

PREFIX = "/team"
"""Everything is served below it too."""


@pytest.fixture(scope="module")
def store_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the store below the module's server; modules that care for the engine say their own."""
    yield f"sqlite:///{tmp_path_factory.mktemp('store')}/test.db"


@pytest.fixture(scope="module")
def house(store_of_module: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server, on https alone, with a certificate that its own command made."""
    with https_server(store_of_module, tmp_path_factory.mktemp("house"), BASE_URL=f"https://{SITE}{PREFIX}") as server:
        yield server


@contextlib.contextmanager
def https_server(url: str, folder: Path, **settings: str) -> Iterator[Served]:
    """A server that speaks https under `api.dora.test`, `sourcemap-intake.dora.test` and 127.0.0.1."""
    with served(url, folder, start=False, **settings) as server:
        names = ("--name", "localhost", "--name", "127.0.0.1")
        made = server.run("certs", "--site", SITE, *names, "--out", str(folder / "certs"), "--json")
        assert made.returncode == 0, made.stderr
        paths = json.loads(made.stdout)
        server.settings |= {"TLS_CERT": paths["certificate"], "TLS_KEY": paths["key"]}
        server.authority = Path(paths["ca"])
        server.start()
        yield server


@pytest.fixture
def datadog_ci(house: Served, tmp_path: Path) -> Iterator[DatadogCi]:
    """The real `datadog-ci` with a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    with tunnel(house.port) as proxy:
        yield DatadogCi(server=house, home=home, proxy=proxy)
