"""A receipt between the event loop that waits for it and the thread that commits it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from bot.store import Appended, Receipt, StoreError, StoreUnavailableError

GROUP = 256
"""Receipts committed together at most."""
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
