"""Takes in what CIs uploaded, one push after the other: git works in subprocesses of this process, the child ingests."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from bot.dora.instants import MINUTE, Instant
from bot.engine.hearing import heard
from bot.facts import uploads as facts
from bot.git import GitError
from bot.pipeline import uploads
from bot.pipeline.mirror import Fetched
from bot.settings import Settings
from bot.store import Store, StoreError

log = structlog.get_logger(__name__)

PAUSE = MINUTE
"""Before a push is looked at again that this machine could not take in: a full disk, a missing git."""
LEFT_BEHIND = 3_600.0
"""Seconds after which a quarantine is nobody's any more."""

Ingest = Callable[[Fetched], Awaitable[object]]


class Uploader:
    """Works off table `upload_pack`. `running` is the fetcher's: a repository is either fetched or taken in, never both at once."""

    def __init__(
        self, store: Store, settings: Settings, ingest: Ingest, *, clock: Callable[[], Instant],
        running: dict[int, asyncio.Task[None]],
    ) -> None:  # fmt: skip
        self.store, self.settings, self.ingest, self.clock, self.running = store, settings, ingest, clock, running
        self.busy = False
        self.wanted = asyncio.Event()

    async def run(self) -> None:
        """Serve until cancelled."""
        await asyncio.to_thread(self.sweep)
        while True:
            try:
                while await self.take_next():
                    pass
            except StoreError as error:
                log.warning("store unavailable", error=str(error))
                await asyncio.sleep(1.0)
            await heard(self.wanted, within=1.0)

    def sweep(self) -> None:
        """Remove what a process left behind that died; what another worker has in hand is younger."""
        for folder in (self.settings.data_dir / "uploads").glob("tmp-*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - folder.stat().st_mtime > LEFT_BEHIND:
                    shutil.rmtree(folder, ignore_errors=True)

    async def take_next(self) -> bool:
        """Take in the push that waits longest; whether there was one."""
        self.busy = True
        try:
            due = await self.store.read_async(partial(uploads.due_uploads, now=self.clock()))
            free = [push for push in due if push.repository_id not in self.running]
            if not free:
                return False
            task = asyncio.create_task(self._take(free[0]))
            self.running[free[0].repository_id] = task
            try:
                await task
            finally:
                task.cancel()
            return True
        finally:
            self.busy = False

    async def _take(self, push: uploads.Push) -> None:
        uploaded = None
        try:
            uploaded = await asyncio.to_thread(uploads.take_in, self.store, self.settings.data_dir, push, clock=self.clock)
            if uploaded is not None:
                await self.ingest(
                    Fetched(
                        repository_id=push.repository_id, path="", began_at=self.clock(), full=False, wishes=(), uploaded=uploaded
                    )
                )
                await asyncio.to_thread(self._consolidate, push)
        except StoreError:
            raise
        except Exception as error:
            log.exception("upload could not be taken in", repository=push.repository_id)
            await self._postpone(push, reason=f"It could not be taken in yet: {type(error).__name__}.")
        finally:
            self.running.pop(push.repository_id, None)
            if uploaded is not None:
                await asyncio.to_thread(shutil.rmtree, uploaded.folder, ignore_errors=True)

    def _consolidate(self, push: uploads.Push) -> None:
        try:
            merged = uploads.consolidate(self.store, self.settings.data_dir, push)
        except GitError as error:
            log.warning("packs could not be made one", repository=push.repository_id, error=str(error))
            return
        if merged:
            log.info("packs made one", repository=push.repository_id, packs=merged)

    async def _postpone(self, push: uploads.Push, *, reason: str) -> None:
        again = self.clock() + PAUSE
        await self.store.write_async(
            partial(facts.postpone_push, repository_id=push.repository_id, commit=push.commit, reason=reason, run_at=again)
        )
