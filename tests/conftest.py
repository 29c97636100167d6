"""Fixtures for every test, and the account of tests per store engine.

`store` runs a test on both engines. A test for one engine says `@pytest.mark.parametrize("engine", ["sqlite"])` and stands in
`engine_exceptions.txt` with its reason; otherwise the session fails when the engines' tests differ.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from bot.store import Store
from bot.store.opening import open_store
from tests.engines import ENGINES, Cluster, MissingPostgresError, migrated_file

# Every server and command that a test starts would compile hundreds of files anew, which is half of its time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

settings.register_profile("house", deadline=None)
settings.load_profile("house")  # How long an example takes says more of a busy machine than of the code.

_SETTINGS = """
    HOST PORT DATABASE_URL DATA_DIR SERVICE_DEFINITIONS BASE_URL TLS_CERT TLS_KEY API_KEYS DASHBOARD LEAD_TIME_MAX_GAP_DAYS
    LEAD_TIME_MAX_COMMITS TELEMETRY_SILENCE_MINUTES TELEMETRY_OPEN DEFAULT_TIMEZONE PRODUCTION_ENVS KEEP_BODIES_DAYS
    KEEP_FAILED_DAYS KEEP_KEYS_DAYS CLONE_URLS
"""
_SETTING_GROUPS = ("GITHUB_", "GITLAB_", "PAGERDUTY_", "ROLLFORWARD_", "DEMO_")
_LONGEST = (
    "tests/clients/", "tests/e2e/", "tests/endurance/", "tests/engine/test_one_owner", "tests/engine/test_poison",
    "tests/failures_table/", "tests/pipeline/test_any_order",
)  # fmt: skip
_EXCEPTIONS = Path(__file__).with_name("engine_exceptions.txt")
_RAN_KEY = pytest.StashKey[dict[str, tuple[str, str]]]()
_TABLE_KEY = pytest.StashKey[list[str]]()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for name in os.environ:
        if name.removesuffix("_FILE") in _SETTINGS.split() or name.startswith(_SETTING_GROUPS):
            monkeypatch.delenv(name)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the store's engine: sqlite, postgres."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A private PostgreSQL server."""
    try:
        found = Cluster()
    except MissingPostgresError as error:
        pytest.skip(str(error))
    try:
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture
def store_url(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a store of this test's own, for tests that start processes."""
    if engine == "sqlite":
        yield f"sqlite:///{tmp_path / 'store' / 'test.db'}"
        return
    postgres: Cluster = request.getfixturevalue("cluster")
    name = postgres.take()
    yield postgres.url(name)
    postgres.give_back(name)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An open, migrated, empty store."""
    if store_url.startswith("sqlite"):
        migrated_file(Path(store_url.removeprefix("sqlite:///")))
    opened = open_store(store_url)
    try:
        opened.migrate()
        yield opened
    finally:
        opened.close()


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests wait for disks, servers and clocks for a third of their time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, whatever the order else: one that begins at the end keeps one process busy and the others idle."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))


def pytest_configure(config: pytest.Config) -> None:
    """Keep the account where the reports come together: tests may run in several processes."""
    config.stash[_RAN_KEY] = {}
    config.pluginmanager.register(_Account(config.stash[_RAN_KEY]), "engines")


class _Account:
    """Which test ran on which engine."""

    def __init__(self, ran: dict[str, tuple[str, str]]) -> None:
        self.ran = ran

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Say it in the test's report, which crosses from process to process."""
        params = getattr(getattr(item, "callspec", None), "params", {})
        if params.get("engine") in ENGINES:
            item.user_properties.append(("engine", params["engine"]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count it as run."""
        for name, value in report.user_properties:
            if name == "engine":
                self.ran[report.nodeid] = (str(value), report.nodeid.split("[")[0])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a whole run whose engines were not tested alike."""
    ran = session.config.stash[_RAN_KEY].values()
    if not ran or hasattr(session.config, "workerinput"):
        return
    per_engine = {engine: Counter(name for at, name in ran if at == engine) for engine in ENGINES}
    exceptions = _read_exceptions()
    table = [f"{engine:10} {per_engine[engine].total():6} tests" for engine in ENGINES]
    first, second = (per_engine[engine] for engine in ENGINES)
    uneven = sorted(name for name in first | second if first[name] != second[name])
    for name in uneven:
        counts = f"{first[name]} and {second[name]}"
        table.append(f"  {counts}: {name}: {exceptions.get(name, 'NO REASON GIVEN in engine_exceptions.txt')}")
    table += [f"  no such test ran unevenly: {name}" for name in sorted(exceptions.keys() - set(uneven)) if _is_whole(session)]
    session.config.stash[_TABLE_KEY] = table
    if _is_whole(session) and set(uneven) != set(exceptions):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of tests per engine."""
    table = terminalreporter.config.stash.get(_TABLE_KEY, [])
    if table:
        terminalreporter.section("tests per store engine")
        for line in table:
            terminalreporter.line(line)


def _read_exceptions() -> dict[str, str]:
    lines = [line for line in _EXCEPTIONS.read_text().splitlines() if line and not line.startswith("#")]
    return {name: reason for name, _, reason in (line.partition("  ") for line in lines)}


def _is_whole(session: pytest.Session) -> bool:
    """Whether all tests were asked for, and none was left out on the way."""
    options = session.config.option
    return not (
        session.shouldstop or session.shouldfail or options.keyword or options.markexpr or options.collectonly
        or getattr(options, "lf", False) or any(argument != "tests" for argument in session.config.args)
    )  # fmt: skip
