"""Wiring in one place: store, engine, fetches, web application, the door for commands, and their end in good order."""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from bot.credentials import Credentials
from bot.dora.events import ForgeEvent
from bot.engine import control
from bot.engine.clients import ForgeClients
from bot.engine.clock import now
from bot.engine.correspondent import Correspondent
from bot.engine.engine import Engine, JobError
from bot.engine.fetcher import Fetcher
from bot.engine.operations import owner_lock, perform
from bot.engine.pagerduty import Inquirer
from bot.engine.uploader import Uploader
from bot.facts.errands import Errand
from bot.pipeline.api_history import ApiHistory
from bot.pipeline.catalog import catalog_fingerprint
from bot.pipeline.derive import limits_of
from bot.pipeline.explain import StoredExplainSource
from bot.pipeline.mirror import Fetched
from bot.pipeline.reports import composer
from bot.pipeline.simulation import StoredTrials
from bot.settings import Settings
from bot.sources.pagerduty_rest import PagerDutyApi
from bot.store import Store, StoreError
from bot.store.opening import open_store
from bot.web.context import EXPLAIN, TRIALS
from bot.web.routes import make_app, make_runner

log = structlog.get_logger(__name__)

LOOK_FOR_EDITS = 2.0
"""Seconds between looks at the folder of service definitions."""
SETTLED_AFTER = 0.03
"""Seconds between looks whether all work is done, for commands that wait for it."""


class Server:
    """The working half of a server: engine, fetches, correspondence and definitions over one store."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store, self.settings = store, settings
        token = settings.pagerduty_api_token
        self.pagerduty = None if token is None else PagerDutyApi(settings.pagerduty_api_url, token)
        self.engine = Engine(store, settings, on_wanted=self._on_wanted)
        self.clients = ForgeClients(store, settings, Credentials(settings), clock=now)
        self.fetcher = Fetcher(
            store, settings, self._ingest, clock=now, access=self.clients.git_access,
            api=ApiHistory(store, settings, self.clients, clock=now),
        )
        self.uploader = Uploader(store, settings, self._ingest, clock=now, running=self.fetcher.running)
        self.correspondent = Correspondent(
            store, clients=self.clients, record=self._record_page, clock=now, wake=self.wake,
            compose=composer(store, self.clients, base_url=settings.base_url),
        )

    async def run(self, command: str, *, progress: Callable[[str], None] = lambda _: None, **arguments: object) -> object:
        """Let the engine do a job."""
        return await self.engine.run(command, progress=progress, **arguments)

    async def inquire(self) -> None:
        """Ask PagerDuty what its webhooks do not say, where there is a token for it."""
        if self.pagerduty is not None:
            await Inquirer(self.store, self.pagerduty, clock=now, wake=self.wake).run()

    async def settle(self, progress: Callable[[str], None]) -> None:
        """Wait until nothing is due: deliveries, fetches, derivation."""
        self.wake("marks")
        while await self._unsettled():  # noqa: ASYNC110 - what it waits for is rows of the store, of other processes too
            await asyncio.sleep(SETTLED_AFTER)

    async def _unsettled(self) -> bool:
        if not self.engine.idle or self.fetcher.running or self.uploader.busy:
            return True
        due = await self.store.read_async(lambda reader: reader.fetch("work_due", int, now=now()))
        return due[0] > 0

    async def correspond(self, keys: Collection[str]) -> None:
        """Errands are carried out anyway; these were just wished for."""
        self.correspondent.wanted.set()
        await asyncio.sleep(SETTLED_AFTER)

    def wake(self, channel: str) -> None:
        """There is work: "inbox", "marks", "fetch" or "uploads"."""
        if channel == "fetch":
            self.fetcher.wanted.set()
        if channel == "uploads":
            self.uploader.wanted.set()
        self.engine.wake()

    def _on_wanted(self) -> None:
        self.fetcher.wanted.set()
        self.correspondent.wanted.set()

    async def _ingest(self, fetched: Fetched) -> object:
        return await self.engine.run("ingest", fetched=fetched)

    async def _record_page(
        self, errand: Errand, events: tuple[ForgeEvent, ...], cursor: str, total: int | None
    ) -> object:
        return await self.engine.run("record_page", errand=errand, events=events, cursor=cursor, total=total)

    async def watch_definitions(self) -> None:
        """Read the service definitions at the start and whenever a file changes."""
        seen: str | None = None
        folder = self.settings.service_definitions
        while True:
            fingerprint = await asyncio.to_thread(catalog_fingerprint, folder)
            if fingerprint != seen:
                try:
                    await self.engine.run("catalog", folder=str(folder))
                except JobError as error:
                    log.warning("definitions could not be read", error=str(error))
                else:
                    seen = fingerprint
            await asyncio.sleep(LOOK_FOR_EDITS)

    async def listen_for_others(self, channel: str) -> None:
        """PostgreSQL: other processes received something."""
        while True:
            if await asyncio.to_thread(self.store.wait, channel, 1.0):
                self.engine.wake()


@asynccontextmanager
async def working(store: Store, settings: Settings) -> AsyncIterator[Server]:
    """A server's working half, started and at last ended in good order."""
    server = Server(store, settings)
    await server.engine.start()
    loops = (
        server.fetcher.run(), server.correspondent.run(), server.uploader.run(), server.watch_definitions(), server.inquire(),
    )  # fmt: skip
    tasks = [asyncio.create_task(loop) for loop in loops]
    if store.dialect == "postgres":
        tasks += [asyncio.create_task(server.listen_for_others(channel)) for channel in ("inbox", "marks")]
    try:
        yield server
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.fetcher.stop()
        await server.correspondent.stop()
        await server.clients.close()
        if server.pagerduty is not None:
            await server.pagerduty.close()
        await server.engine.stop()


async def run_server(settings: Settings, *, web: bool, work: bool) -> None:
    """Serve until SIGTERM or SIGINT. Raises StoreInUseError if another server owns the store."""
    stopped = _on_signals()
    lock = owner_lock(settings)
    async with contextlib.AsyncExitStack() as stack:
        if lock is not None:
            settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock.acquire()
            stack.callback(lock.release)
        store = await asyncio.to_thread(_open, settings)
        stack.push_async_callback(asyncio.to_thread, store.close)
        server = await stack.enter_async_context(working(store, settings)) if work else None
        if server is not None and lock is not None:
            door = await _open_door(server)
            stack.callback(control.close, *door)
            lock.announce(door[1])
        if web:
            await _open_web(stack, settings, store, server)
        await stopped.wait()
        log.info("stopping")


def _open(settings: Settings) -> Store:
    store = open_store(settings.database_url, serving=True)
    for name in store.migrate():
        log.info("migrated", migration=name)
    return store


async def _open_door(server: Server) -> tuple[asyncio.Server, Path]:
    async def do(command: str, arguments: Mapping[str, object], progress: Callable[[str], None]) -> object:
        return await perform(server, command, arguments, progress=progress)

    return await control.listen(do)


def create_app(settings: Settings, store: Store, server: Server | None) -> web.Application:
    """The web application over an open store; without a working half, its wishes are notes to other processes."""
    wake = server.wake if server is not None else partial(_tell_others, store)
    alive = server.engine.alive if server is not None else (lambda: True)
    app = make_app(settings=settings, store=store, clock=now, wake=wake, engine_alive=alive)
    app[EXPLAIN] = explain = StoredExplainSource(limits=limits_of(settings))
    app[TRIALS] = StoredTrials(explain.sources, explain.turn)
    return app


def _tell_others(store: Store, channel: str) -> None:
    """Off the event loop, after the answer: it is a question to the database, and what was received is durable without it."""
    if channel != "inbox":  # the statement that stores a receipt says so itself
        asyncio.get_running_loop().run_in_executor(None, _notify, store, channel)


def _notify(store: Store, channel: str) -> None:
    try:
        store.notify(channel)
    except StoreError as error:
        log.warning("other processes could not be told", channel=channel, error=str(error))


async def _open_web(
    stack: contextlib.AsyncExitStack, settings: Settings, store: Store, server: Server | None
) -> None:
    runner = make_runner(create_app(settings, store, server))
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, settings.host, settings.port, ssl_context=_tls(settings))
    await site.start()
    scheme = "https" if settings.tls_cert else "http"
    log.info("listening", url=f"{scheme}://{settings.host}:{settings.port}/", pid=os.getpid())


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context


def _on_signals() -> asyncio.Event:
    """Set by SIGTERM or SIGINT, also while the server is still starting."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event
