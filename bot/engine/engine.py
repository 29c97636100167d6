"""The engine's parent: keeps the child alive and fed, commits what it sends, fetches repositories, watches definitions."""

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import structlog

from bot.engine.child import child_main
from bot.engine.clock import now
from bot.engine.messages import Beat, Claimed, Commit, Committed, Finished, Job, Progress, Stop, Wake, Wanted
from bot.pipeline.intake import record_crash
from bot.settings import Settings
from bot.store import Store, StoreError
from bot.store.sqlite import SqliteStore

log = structlog.get_logger(__name__)

STALE_AFTER = 4.0
"""Seconds without a sign of life after which the engine counts as dead."""
HUNG_AFTER = 60.0
"""Seconds one batch of deliveries may take before the child is taken for hung and replaced."""


class JobError(Exception):
    """A job of the engine failed."""


@dataclass(slots=True)
class Pending:
    """A job that the child has not answered yet."""

    job: Job
    answer: asyncio.Future[object]
    progress: Callable[[str], None]


@dataclass(slots=True)
class Life:
    """One child process and what is known of it."""

    process: BaseProcess
    connection: Connection
    beat_at: float = field(default_factory=time.monotonic)
    idle: bool = False
    claimed: tuple[int, ...] = ()
    claimed_at: float = 0.0
    sending: threading.Lock = field(default_factory=threading.Lock)

    def send(self, message: object) -> None:
        """Tell the child; one that is gone is replaced by the supervisor, which sends again what matters."""
        try:
            with self.sending:
                self.connection.send(message)
        except (OSError, ValueError):
            log.info("child gone while sending")


class Engine:
    """Runs beside the web application (SQLite) or as a `worker` process (PostgreSQL)."""

    def __init__(self, store: Store, settings: Settings, *, on_wanted: Callable[[], None] = lambda: None) -> None:
        self.store, self.settings, self.on_wanted = store, settings, on_wanted
        self.life: Life | None = None
        self.pending: dict[int, Pending] = {}
        self.numbers = 0
        self.stopping = False
        self.restarts = 0
        self.committer = ThreadPoolExecutor(1, thread_name_prefix="engine-commit")

    async def start(self) -> None:
        """Start the child and its supervisor."""
        self.loop = asyncio.get_running_loop()
        self._spawn()
        self.supervisor = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """Let the child finish what it holds (at most 8 s), then end it."""
        self.stopping = True
        self.supervisor.cancel()
        if (life := self.life) is None:
            return
        life.send(Stop())
        await asyncio.to_thread(life.process.join, 8)
        if life.process.is_alive():
            life.process.kill()
            await asyncio.to_thread(life.process.join, 2)
        self.committer.shutdown(wait=False)

    def alive(self) -> bool:
        """Whether the child lives and gave a sign of life lately."""
        life = self.life
        return life is not None and life.process.is_alive() and time.monotonic() - life.beat_at < STALE_AFTER

    @property
    def idle(self) -> bool:
        """Whether the child had nothing to do when it last spoke."""
        return self.life is not None and self.life.idle and not self.pending

    def wake(self) -> None:
        """There is work."""
        if self.life is not None:
            self.life.idle = False
            self.life.send(Wake())

    async def run(self, command: str, *, progress: Callable[[str], None] = lambda _: None, **arguments: object) -> object:
        """Let the child do a job; returns its result, raises JobError. A job outlives a child that dies: it is started again."""
        self.numbers += 1
        job = Job(number=self.numbers, command=command, arguments=arguments)
        answer: asyncio.Future[object] = self.loop.create_future()
        self.pending[job.number] = Pending(job, answer, progress)
        if self.life is not None:
            self.life.send(job)
        try:
            return await answer
        finally:
            self.pending.pop(job.number, None)

    def _spawn(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=child_main, args=(theirs, self.settings), name="rollforward-engine", daemon=True)
        process.start()
        theirs.close()
        self.life = life = Life(process, ours)
        threading.Thread(target=self._listen, args=(life,), name="engine-pipe", daemon=True).start()
        for pending in self.pending.values():
            life.send(pending.job)

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(0.25)
            life = self.life
            if life is None:
                continue
            hung = life.claimed and time.monotonic() - life.claimed_at > HUNG_AFTER
            if hung:
                log.error("child hung on deliveries", deliveries=life.claimed)
                life.process.kill()
                await asyncio.to_thread(life.process.join, 2)
            if not life.process.is_alive():
                await self._replace(life)

    async def _replace(self, life: Life) -> None:
        self.restarts += 1
        log.error("engine child died", exitcode=life.process.exitcode, restarts=self.restarts, deliveries=life.claimed)
        if life.claimed:
            try:
                await self.store.write_async(lambda writer: record_crash(writer, life.claimed, now=now()))
            except StoreError:
                log.exception("could not record a crash")
        await asyncio.sleep(min(0.1 * self.restarts, 2.0))
        self._spawn()

    def _listen(self, life: Life) -> None:
        """In a thread of its own: a batch is committed here, so that the event loop never waits for the disk."""
        while True:
            try:
                message = life.connection.recv()
            except (EOFError, OSError):
                return
            if isinstance(message, Commit):
                # Not here: signs of life must get through while the disk is slow.
                self.committer.submit(self._answer, life, message)
            elif isinstance(message, Beat):
                life.beat_at, life.idle = time.monotonic(), message.idle
            elif isinstance(message, Claimed):
                life.claimed, life.claimed_at = message.deliveries, time.monotonic()
            elif not self.loop.is_closed():
                self.loop.call_soon_threadsafe(self._hear, message)

    def _answer(self, life: Life, message: Commit) -> None:
        life.send(self._commit(message))

    def _commit(self, message: Commit) -> Committed:
        if not isinstance(self.store, SqliteStore):
            return Committed(error=StoreError("only SQLite's child writes through its parent"))
        try:
            self.store.apply(message.batch, urgent=message.urgent)
        except StoreError as error:
            return Committed(error=error)
        return Committed()

    def _hear(self, message: object) -> None:
        if isinstance(message, Wanted):
            self.on_wanted()
        elif isinstance(message, Progress) and (pending := self.pending.get(message.number)):
            pending.progress(message.text)
        elif isinstance(message, Finished) and (pending := self.pending.get(message.number)):
            if pending.answer.done():
                return
            if message.error is None:
                pending.answer.set_result(message.result)
            else:
                pending.answer.set_exception(JobError(message.error))
