"""The child process: one main thread that works, one thread that listens to the parent."""

import queue
import signal
import threading
import time
from multiprocessing.connection import Connection

import structlog

from bot.dora.instants import SECOND
from bot.engine.clock import now
from bot.engine.messages import Beat, Claimed, Commit, Committed, Finished, Job, Progress, Stop, Wake, Wanted
from bot.engine.worker import Worker
from bot.log import configure_logging
from bot.settings import Settings
from bot.store import Store, StoreUnavailableError
from bot.store.opening import open_store
from bot.store.remote import Batch, RemoteStore

log = structlog.get_logger(__name__)

BEAT = 1.0
"""Seconds between signs of life."""
STORE_AWAY = 0.5
"""Seconds to wait when the store is down or locked; nothing that waits there is to blame for it."""


class Child:
    """The child's end of the pipe."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self.connection, self.settings = connection, settings
        self.inbox: queue.SimpleQueue[Job | Wake | Stop] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[Committed] = queue.SimpleQueue()
        self.sending = threading.Lock()
        self.orphaned = False
        self.store = self._open_store()
        self.worker = Worker(self.store, settings, clock=now, claimed=self._claimed)

    def _open_store(self) -> Store:
        if self.settings.database_url.startswith("sqlite"):
            return RemoteStore(self.settings.database_url, submit=self._submit)
        return open_store(self.settings.database_url)

    def send(self, message: object) -> None:
        """Tell the parent; any thread may. SystemExit when it is gone: there is nobody to work for."""
        try:
            with self.sending:
                self.connection.send(message)
        except OSError:
            raise SystemExit(1) from None

    def run(self) -> None:
        """Work until told to stop or the parent is gone."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        threading.Thread(target=self._beat, name="beat", daemon=True).start()
        running = True
        while running:
            busy = self._step()
            self.idle = not busy
            running = self._receive(wait=not busy)
        self.store.close()

    idle = False

    def _step(self) -> bool:
        try:
            return self.worker.step()
        except StoreUnavailableError as error:
            log.warning("store unavailable", error=str(error))
            time.sleep(STORE_AWAY)
            return True

    def _receive(self, *, wait: bool) -> bool:
        """Take what the parent sent; without work, wait for it until the next postponed work is due."""
        if wait:
            self.send(Wanted())
        timeout = self._pause() if wait else 0.0
        while True:
            try:
                message = self.inbox.get(timeout=timeout) if timeout else self.inbox.get_nowait()
            except queue.Empty:
                return True
            timeout = 0.0
            if isinstance(message, Stop):
                return False
            if isinstance(message, Job):
                self._start(message)

    def _pause(self) -> float:
        try:
            due = self.worker.due_at()
        except StoreUnavailableError:
            return STORE_AWAY
        return BEAT if due is None else min(max((due - now()) / SECOND, 0.005), BEAT)

    def _start(self, job: Job) -> None:
        def done(result: object, error: str | None) -> None:
            self.send(Finished(number=job.number, result=result, error=error))

        def progress(text: str) -> None:
            self.send(Progress(number=job.number, text=text))

        self.worker.start(job.command, dict(job.arguments), progress, done)

    def _submit(self, batch: Batch, urgent: bool) -> None:
        self.send(Commit(batch=batch, urgent=urgent))
        answer = self.answers.get()
        if self.orphaned:
            raise SystemExit(1)
        if answer.error is not None:
            raise answer.error

    def _claimed(self, deliveries: tuple[int, ...]) -> None:
        self.send(Claimed(deliveries=deliveries))

    def _listen(self) -> None:
        while True:
            try:
                message = self.connection.recv()
            except (EOFError, OSError):
                # The main thread may be waiting for work, or for an answer that never comes.
                self.orphaned = True
                self.inbox.put(Stop())
                self.answers.put(Committed())
                return
            if isinstance(message, Committed):
                self.answers.put(message)
            else:
                self.inbox.put(message)

    def _beat(self) -> None:
        pause = threading.Event()
        while True:
            self.send(Beat(idle=self.idle))
            pause.wait(BEAT)


def child_main(connection: Connection, settings: Settings) -> None:
    """The child's entry: signals meant for the whole process group are the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    configure_logging(secrets=settings.every_secret())
    Child(connection, settings).run()
