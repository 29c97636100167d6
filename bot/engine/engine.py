"""The engine's parent: keeps the child alive and fed, commits what it sends, fetches repositories, watches definitions."""

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue

import structlog

from bot.engine.child import child_main
from bot.engine.clock import now
from bot.engine.hearing import heard
from bot.engine.messages import Beat, Claimed, Commit, Committed, Finished, Job, Progress, Stop, Wake, Wanted
from bot.pipeline.intake import record_crash
from bot.settings import Settings
from bot.store import Store, StoreError
from bot.store.sqlite import SqliteStore

log = structlog.get_logger(__name__)

STALE_AFTER = 4.0
"""Seconds without a sign of life after which the engine counts as dead."""
HUNG_AFTER = 20.0
"""Seconds one batch of deliveries may take before the child is taken for hung and replaced."""
SILENT_AFTER = 60.0
"""Seconds without a sign of life after which the child is replaced, whatever it does."""
HEALTHY_AFTER = 10.0
"""A child that lived so many seconds before it died is replaced at once."""
MAX_DEATHS = 8
"""A job that saw so many children die is given up; a poisoned delivery costs three."""


class JobError(Exception):
    """A job of the engine failed."""


@dataclass(slots=True)
class Pending:
    """A job that the child has not answered yet."""

    job: Job
    answer: asyncio.Future[object]
    progress: Callable[[str], None]
    deaths: int = 0


@dataclass(slots=True)
class Life:
    """One child process and what is known of it."""

    process: BaseProcess
    connection: Connection
    beat_at: float = field(default_factory=time.monotonic)
    idle: bool = False
    claimed: tuple[int, ...] = ()
    claimed_at: float = 0.0
    born_at: float = field(default_factory=time.monotonic)
    outbox: SimpleQueue[object] = field(default_factory=SimpleQueue)
    waking: bool = False
    listener: threading.Thread | None = None

    def send(self, message: object) -> None:
        """Tell the child, without waiting for it; one that is gone is replaced, and told again what matters."""
        self.outbox.put(message)

    def wake(self) -> None:
        """Tell the child once that there is work, however often this is said before it hears."""
        if not self.waking:
            self.waking = True
            self.outbox.put(Wake())

    def deliver(self) -> None:
        """In a thread of its own: a child that does not read fills the pipe, and whoever writes there waits."""
        while (message := self.outbox.get()) is not None:
            if isinstance(message, Wake):
                self.waking = False
            try:
                self.connection.send(message)
            except (OSError, ValueError):
                return

    def fault(self) -> str | None:
        """Why a living child has to be replaced."""
        now_at = time.monotonic()
        if self.claimed and now_at - self.claimed_at > HUNG_AFTER:
            return "hung"
        return "silent" if now_at - self.beat_at > SILENT_AFTER else None


class Engine:
    """Runs beside the web application (SQLite) or as a `worker` process (PostgreSQL)."""

    def __init__(self, store: Store, settings: Settings, *, on_wanted: Callable[[], None] = lambda: None) -> None:
        self.store, self.settings, self.on_wanted = store, settings, on_wanted
        self.life: Life | None = None
        self.pending: dict[int, Pending] = {}
        self.numbers = 0
        self.restarts = 0
        self.early_deaths = 0
        self.committer = ThreadPoolExecutor(1, thread_name_prefix="engine-commit")

    async def start(self) -> None:
        """Start the child and its supervisor."""
        self.loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        self._spawn()
        self.supervisor = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """Let the child finish what it holds (at most 8 s), then end it."""
        self.supervisor.cancel()
        if (life := self.life) is None:
            return
        life.send(Stop())
        await asyncio.to_thread(life.process.join, 8)
        if life.process.is_alive():
            life.process.kill()
            await asyncio.to_thread(life.process.join, 2)
        await self._hear_out(life)
        life.send(None)
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
            self.life.wake()

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
        life.listener = threading.Thread(target=self._listen, args=(life,), name="engine-pipe", daemon=True)
        life.listener.start()
        threading.Thread(target=life.deliver, name="engine-outbox", daemon=True).start()
        for pending in self.pending.values():
            if not pending.answer.done():
                life.send(pending.job)

    async def _supervise(self) -> None:
        while True:
            await heard(self.ended, within=0.25)
            if (life := self.life) is None:
                continue
            try:
                await self._look_after(life)
            except (OSError, StoreError):
                # Whatever keeps it from coming back now may pass; nobody else would try again.
                log.exception("engine child could not be replaced")
                await asyncio.sleep(1.0)

    async def _look_after(self, life: Life) -> None:
        fault = life.fault()
        if fault is not None:
            log.error("engine child is replaced", fault=fault, deliveries=life.claimed)
            life.process.kill()
        elif life.process.is_alive() and life.listener is not None and life.listener.is_alive():
            return
        await asyncio.to_thread(life.process.join, 2)
        if life.process.is_alive():
            # It closed its end of the pipe and goes on: nobody hears it any more.
            life.process.kill()
            await asyncio.to_thread(life.process.join, 2)
        await self._replace(life, reason="hung" if fault == "hung" else "crash")

    async def _replace(self, life: Life, *, reason: str) -> None:
        await self._hear_out(life)
        self.restarts += 1
        log.error("engine child died", exitcode=life.process.exitcode, restarts=self.restarts, deliveries=life.claimed)
        if life.claimed:
            try:
                await self.store.write_async(lambda writer: record_crash(writer, life.claimed, reason=reason, now=now()))
            except StoreError:
                log.exception("could not record a crash")
        else:
            await asyncio.sleep(self._pause(life))
        life.send(None)
        self._give_up_jobs()
        self._spawn()

    async def _hear_out(self, life: Life) -> None:
        """What a child said before it died counts: its last batches become durable before anybody takes up its work."""
        if life.listener is not None:
            await asyncio.to_thread(life.listener.join, 2)
        await self.loop.run_in_executor(self.committer, lambda: None)

    def _pause(self, life: Life) -> float:
        lived = time.monotonic() - life.born_at
        self.early_deaths = 0 if lived > HEALTHY_AFTER else self.early_deaths + 1
        return min(0.1 * self.early_deaths, 2.0)

    def _give_up_jobs(self) -> None:
        for pending in self.pending.values():
            pending.deaths += 1
            if pending.deaths >= MAX_DEATHS and not pending.answer.done():
                pending.answer.set_exception(JobError(f"the engine died {pending.deaths} times while this was to be done"))

    def _listen(self, life: Life) -> None:
        """In a thread of its own: a batch is committed here, so that the event loop never waits for the disk."""
        while True:
            try:
                message = life.connection.recv()
            except (EOFError, OSError):
                break
            if isinstance(message, Commit):
                # Not here: signs of life must get through while the disk is slow.
                self.committer.submit(self._answer, life, message)
            elif isinstance(message, Beat):
                life.beat_at, life.idle = time.monotonic(), message.idle
            elif isinstance(message, Claimed):
                life.claimed, life.claimed_at = message.deliveries, time.monotonic()
            elif not self.loop.is_closed():
                self.loop.call_soon_threadsafe(self._hear, message)
        with suppress(RuntimeError):
            # The loop may be closed: then nobody waits any more.
            self.loop.call_soon_threadsafe(self.ended.set)

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
