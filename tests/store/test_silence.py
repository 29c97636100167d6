"""A PostgreSQL server that is there and says nothing: everybody is answered in time, and all is well when it speaks again."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bot.store import Reader, StoreUnavailableError, postgres
from bot.store.named import parse_query
from bot.store.postgres import PostgresStore
from bot.store.postgres_connection import lively
from bot.store.receiving import ANSWER
from tests.engines import Cluster
from tests.store.conftest import open_for_test, until
from tests.web.doors import API_KEY, document, github_headers, make_key, open_door

postgres_only = pytest.mark.parametrize("engine", ["postgres"])
IN_TIME = 8.0
"""Seconds: 3.5 are promised, the machine of a test may be busy."""


def names(reader: Reader) -> list[str]:
    return reader.fetch("test_meta", lambda name, _: str(name))


@postgres_only
async def test_every_door_answers_in_time_and_all_is_well_after(own_cluster: Cluster, engine: str) -> None:
    store = open_for_test(own_cluster.url(own_cluster.create()))
    try:
        async with open_door(store) as door:
            key = await asyncio.to_thread(make_key, store, "read")
            reading = {"Authorization": f"Bearer {key.key}"}
            told = {"DD-API-KEY": API_KEY}

            async def ask(kind: str, n: int = 0) -> tuple[int, float]:
                begun = time.monotonic()
                match kind:
                    case "page":
                        answer = await door.client.get("/deployments", headers=reading | {"Accept": "text/html"})
                    case "api":
                        answer = await door.client.get("/api/v1/deployments", headers=reading)
                    case "webhook":
                        headers = github_headers(b"{}", delivery=f"d-{n}")
                        answer = await door.client.post("/webhooks/github", data=b"{}", headers=headers)
                    case "deployment":
                        answer = await door.client.post("/api/v2/dora/deployment", data=document(), headers=told)
                    case _:
                        answer = await door.client.get(f"/{kind}")
                await answer.read()
                return answer.status, time.monotonic() - begun

            async def statuses(n: int) -> list[int]:
                return [(await ask(kind, n))[0] for kind in ("page", "api", "webhook", "deployment", "readyz")]

            assert await statuses(1) == [200, 200, 202, 200, 200]
            with own_cluster.silence():
                for n in (2, 3):  # the second time nobody may still hold what is needed
                    doors = ["page"] * 12 + ["api"] * 12 + ["webhook", "deployment"]
                    answers = await asyncio.gather(*(ask(kind, n) for kind in doors))
                    assert {status for status, _ in answers} == {503}
                    assert max(took for _, took in answers) < IN_TIME, answers
                assert (await ask("readyz"))[0] == 503
            deadline = time.monotonic() + 30
            while (await ask("readyz"))[0] != 200:
                assert time.monotonic() < deadline, "it stays unready"
                await asyncio.sleep(0.05)
            assert await statuses(2) == [200, 200, 202, 200, 200]
    finally:
        await asyncio.to_thread(store.close)


@postgres_only
async def test_a_read_that_the_server_works_on_is_not_cut(store_url: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nap = parse_query("nap", f"-- Slow.\nSELECT 'slept' FROM pg_sleep({ANSWER + 1.5})", "postgres")
    patient = PostgresStore(store_url, queries={"nap": nap})
    try:
        assert await patient.read_async(lambda reader: reader.fetch("nap", str)) == ["slept"]
        monkeypatch.setattr(postgres, "LONGEST_READ", 0.5)
        with pytest.raises(StoreUnavailableError):
            await patient.read_async(lambda reader: reader.fetch("nap", str))
        assert patient.healthy(), "nobody waits for the answer any more, and that is no fault of the server"
    finally:
        await asyncio.to_thread(patient.close)


@postgres_only
def test_a_read_in_place_ends_with_the_silence(own_cluster: Cluster, engine: str) -> None:
    store = open_for_test(own_cluster.url(own_cluster.create()))
    try:
        assert store.read(names) == []
        with own_cluster.silence():
            begun = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                store.read(names)
            assert time.monotonic() - begun < 15
        assert until(store.healthy, 30)
        assert store.read(names) == []
    finally:
        store.close()


class Proxy:
    """A way to the server; lines laid before `cut` lead nowhere after it, as behind a firewall that forgot them."""

    def __init__(self, folder: Path, server: str) -> None:
        self._server = server
        self._ears = socket.socket(socket.AF_UNIX)
        self._ears.bind(str(folder / ".s.PGSQL.5432"))
        self._ears.listen(64)
        self._ends: list[socket.socket] = [self._ears]
        self._epoch = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        """Let nothing pass any more on the lines that are."""
        self._epoch += 1

    def close(self) -> None:
        """End everything."""
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._ears.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._server)
                self._ends += near, far
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other, self._epoch), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket, epoch: int) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if epoch == self._epoch:
                    other.sendall(data)


@contextmanager
def proxy(cluster: Cluster, folder: Path) -> Iterator[tuple[Proxy, str]]:
    """A proxy before a fresh database, and its URL."""
    straight = cluster.url(cluster.create())
    before, server = straight.split("host=")
    between = Proxy(folder, server.split("&")[0] + "/.s.PGSQL.5432")
    try:
        yield between, f"{before}host={folder}&user=postgres"
    finally:
        between.close()


@postgres_only
async def test_lines_that_lead_nowhere_are_given_up(own_cluster: Cluster, tmp_path: Path, engine: str) -> None:
    with proxy(own_cluster, tmp_path) as (between, url):
        store = open_for_test(url)
        try:
            await asyncio.gather(*(store.read_async(names) for _ in range(20)))
            assert await asyncio.to_thread(until, lambda: _was_asked(url), 10)
            assert await asyncio.to_thread(store.wait, "marks", 0.0) is False
            between.cut()
            begun = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                await store.read_async(names)
            assert time.monotonic() - begun < IN_TIME
            assert await asyncio.to_thread(until, store.healthy, 30)
            assert await asyncio.gather(*(store.read_async(names) for _ in range(20))) == [[]] * 20
            # who listened was cut off, too, and hears again
            other = open_for_test(url)
            try:
                assert await asyncio.to_thread(until, lambda: _heard(other, store), 30)
            finally:
                await asyncio.to_thread(other.close)
        finally:
            await asyncio.to_thread(store.close)


def _was_asked(url: str) -> bool:
    with psycopg.connect(url) as beside:
        return beside.execute("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT 1'").fetchone() is not None


def _heard(other: Any, store: Any) -> bool:
    other.notify("fetch")
    return bool(store.wait("fetch", 1.0))


@postgres_only
async def test_a_silent_server_keeps_nobody_from_ending(own_cluster: Cluster, engine: str) -> None:
    store = open_for_test(own_cluster.url(own_cluster.create()))
    assert await store.read_async(names) == []
    with own_cluster.silence():
        reading = asyncio.create_task(store.read_async(names))
        assert await asyncio.to_thread(until, lambda: not store.healthy(), 15)
        begun = time.monotonic()
        await asyncio.wait_for(asyncio.to_thread(store.close), 60)
        assert time.monotonic() - begun < 16
        with pytest.raises(StoreUnavailableError):
            await asyncio.wait_for(reading, 10)


def test_what_the_url_says_of_the_network_stays() -> None:
    told = psycopg.conninfo.conninfo_to_dict(lively("postgresql://me@db/name?tcp_user_timeout=0"))
    assert (told["tcp_user_timeout"], told["keepalives_idle"], told["host"]) == ("0", "15", "db")
    assert lively("postgresql://[") == "postgresql://["
