"""The engines the tests run on: a SQLite file, and a private PostgreSQL cluster that lives as long as the session."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg

from bot.store.opening import open_store

ENGINES = ("sqlite", "postgres")
_SETTINGS = (
    "-c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"
    " -c shared_buffers=32MB -c autovacuum=off"
)

_CUT_OFF = b"""
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_RELATIONS = b"""
SELECT relkind::text, relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')
AND relname <> 'schema_migration' ORDER BY relname
"""


class MissingPostgresError(Exception):
    """There is no PostgreSQL here and none could be installed."""


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/migrated.db")
        store.migrate()
        store.close()
        return Path(folder, "migrated.db").read_bytes()


def migrated_file(path: Path) -> str:
    """The URL of a new SQLite file there, with every migration: a copy takes a tenth of the time that they take."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(_migrated())
    return f"sqlite:///{path}"


class Cluster:
    """A PostgreSQL server of our own, reachable through a socket in its folder only."""

    def __init__(self) -> None:
        self._programs = find_programs()
        self._folder = Path(tempfile.mkdtemp(prefix="rollforward-pg-", dir="/tmp"))
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            # initdb refuses root
            user = pwd.getpwnam("postgres")
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._as_user = ["runuser", "-u", "postgres", "--"]
        self._made = 0
        self._empty: list[str] = []
        self._relations: list[tuple[str, str]] = []
        self._emptying = b""

    def start(self) -> None:
        """Create and start the server, with a migrated template."""
        self._run("initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        self.start_server()
        self._ask("CREATE DATABASE migrated")
        store = open_store(self.url("migrated"))
        try:
            store.migrate()
        finally:
            store.close()
        with psycopg.connect(self.url("migrated")) as connection:
            self._relations = connection.execute(_RELATIONS).fetchall()
        self._emptying = b"SET lock_timeout = '5s'"
        for kind, name in self._relations:
            self._emptying += (b'; DELETE FROM "%s"' if kind == "r" else b'; ALTER SEQUENCE "%s" RESTART') % name.encode()

    def start_server(self) -> None:
        """Start the server of a created cluster."""
        self._run("pg_ctl", "-w", "-o", f"-k {self._folder} {_SETTINGS}", "-l", str(self._folder / "log"), "start")

    def stop_server(self, mode: str = "immediate") -> None:
        """Stop the server; its databases stay."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def stop(self) -> None:
        """Stop the server and remove everything."""
        self.stop_server()
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def silence(self) -> Iterator[None]:
        """The server is there and says nothing, as on a machine that froze; new connections wait, too."""
        postmaster = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)
        while Path(f"/proc/{postmaster}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)  # it may just be starting another process
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        processes = [int(child) for child in children]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in (*processes, postmaster):
                os.kill(process, signal.SIGCONT)

    def url(self, database: str) -> str:
        """How to reach a database."""
        return f"postgresql:///{database}?host={self._folder}&user=postgres"

    def create(self, template: str = "migrated") -> str:
        """A fresh, migrated database; its name."""
        self._made += 1
        name = f"test_{self._made}"
        self._ask(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def take(self) -> str:
        """A migrated, empty database; making one takes half a second on a busy machine, so they are used again."""
        return self._empty.pop() if self._empty else self.create()

    def give_back(self, name: str) -> None:
        """Empty a database for the next test; one that cannot be made as it was is dropped."""
        try:
            with psycopg.connect(self.url(name), autocommit=True) as connection:
                connection.execute(_CUT_OFF)
                same = connection.execute(_RELATIONS).fetchall() == self._relations
                connection.execute(self._emptying)
        except psycopg.Error:
            same = False
        if same:
            self._empty.append(name)
        else:
            self.drop(name)

    def drop(self, name: str) -> None:
        """Forget a database, whoever is still connected."""
        self._ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _ask(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._programs / program), "-D", str(self._folder / "data"), *arguments]
        done = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')}")


def find_programs() -> Path:
    """The folder of PostgreSQL's programs; installed now if we may."""
    for attempt in _ways_to_get_them():
        attempt()
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if found:
            return found[-1].parent
        elsewhere = shutil.which("initdb")
        if elsewhere is not None:
            return Path(elsewhere).resolve().parent
    raise MissingPostgresError("PostgreSQL's initdb is not installed (Debian: apt-get install postgresql)")


def _ways_to_get_them() -> list[Callable[[], None]]:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return [_nothing]
    return [_nothing, _install, _update_and_install]


def _nothing() -> None:
    """What is there already."""


def _install() -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(
        ["apt-get", "install", "-y", "--no-install-recommends", "postgresql"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def _update_and_install() -> None:
    subprocess.run(["apt-get", "update"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    _install()
