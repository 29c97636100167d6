"""A receipt between the event loop that waits for it and the thread that commits it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from bot.store import Appended, Receipt, StoreError, StoreUnavailableError

SLICE_SERVING, SLICE_ALONE = 500, 5_000
"""`Store.slice_rows`: what a receiver does not feel; what keeps a writer busy that nobody waits for."""
GROUP = 256
"""Receipts committed together at most."""
GROUP_BYTES = 32 * 1024 * 1024
"""Bytes of bodies committed together at most (one receipt always fits): large ones must not make small ones wait."""
PATIENCE = 2.8
"""Seconds a caller waits for its turn before it is told that the store is unavailable."""
ANSWER = 3.2
"""Seconds after which an asynchronous caller gets an answer, whatever the disk or the server does."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A receipt in the queue; `tell` is called once, from the committing thread, when `result` is there."""

    receipt: Receipt
    tell: Callable[["Waiting"], None]
    due: float = field(default_factory=lambda: time.monotonic() + PATIENCE)
    result: Appended | StoreError | None = None
    given_up: bool = False

    def end(self, result: Appended | StoreError) -> None:
        """What became of it."""
        self.result = result
        self.tell(self)


def next_group(receipts: deque[Waiting]) -> list[Waiting]:
    """Take from the queue what is committed together."""
    group: list[Waiting] = []
    size = 0
    while receipts and len(group) < GROUP:
        size += len(receipts[0].receipt.body)
        if group and size > GROUP_BYTES:
            break
        group.append(receipts.popleft())
    return group


async def append_in_loop(enqueue: Callable[[Waiting], None], receipt: Receipt) -> Appended:
    """Hand a receipt over and wait for its answer, without a thread."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Appended] = loop.create_future()
    waiting = Waiting(receipt, partial(_tell, loop, future))
    enqueue(waiting)
    timer = loop.call_later(ANSWER, _give_up, future, waiting)
    try:
        return await future
    finally:
        timer.cancel()


def _tell(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Appended]", waiting: Waiting) -> None:
    try:
        loop.call_soon_threadsafe(_settle, future, waiting)
    except RuntimeError:
        # the loop is closed: nobody waits any more
        return


def _settle(future: "asyncio.Future[Appended]", waiting: Waiting) -> None:
    if future.done():
        return
    if isinstance(waiting.result, StoreError):
        future.set_exception(waiting.result)
    elif waiting.result is not None:
        future.set_result(waiting.result)


def _give_up(future: "asyncio.Future[Appended]", waiting: Waiting) -> None:
    waiting.given_up = True
    if not future.done():
        future.set_exception(StoreUnavailableError("the store is slow"))
