"""Reading a request's body as sent: bounded in bytes, in time, and in memory over all requests together.

The server must run with `auto_decompress=False` (see `routes.make_runner`): a compressed body is read as it is, and inflated,
bounded, only once its sender is known to be who it says.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web

from bot.web.errors import HttpError, unavailable

PATIENCE = 10.0
"""Seconds for a whole body."""
SMALL = 1024 * 1024
MEMORY_FOR_SMALL = 16 * 1024 * 1024
MEMORY_FOR_LARGE = 26 * 1024 * 1024
"""Bytes of bodies held at once; who does not fit waits a little for others to be done. Large bodies are rare, and
have a budget of their own, so that they (or who pretends to send one) never keep out the usual deliveries."""
MEMORY_FOR_TELEMETRY = 24 * 1024 * 1024
"""The same for telemetry, which keeps nobody else out."""
WAIT_FOR_MEMORY = 3.0


class ByteBudget:
    """Bytes that may be held at once, given out first come, first served."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, n: int) -> None:
        """Hold `n` bytes more; raises TimeoutError when the others do not give any back."""
        if not self._waiting and n <= self._free:
            self._free -= n
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((n, turn))
        try:
            async with asyncio.timeout(WAIT_FOR_MEMORY):
                await turn
        except (TimeoutError, asyncio.CancelledError):
            if turn.done() and not turn.cancelled():
                self._free += n
            turn.cancel()
            self._serve()
            raise

    def give_back(self, n: int) -> None:
        """Hold `n` bytes less."""
        self._free += n
        self._serve()

    def _serve(self) -> None:
        while self._waiting:
            n, turn = self._waiting[0]
            if not turn.done():
                if n > self._free:
                    return
                self._free -= n
                turn.set_result(None)
            self._waiting.popleft()


class Budgets(NamedTuple):
    """One budget per size of body, and one for telemetry of any size."""

    small: ByteBudget
    large: ByteBudget
    telemetry: ByteBudget


BUDGETS: web.AppKey[Budgets] = web.AppKey("budgets", Budgets)


def make_budgets() -> Budgets:
    """The budgets of one server."""
    return Budgets(
        small=ByteBudget(MEMORY_FOR_SMALL),
        large=ByteBudget(MEMORY_FOR_LARGE),
        telemetry=ByteBudget(MEMORY_FOR_TELEMETRY),
    )


@asynccontextmanager
async def held_body(
    request: web.Request, *, limit: int, too_large: int, budget: ByteBudget | None = None
) -> AsyncIterator[bytes]:
    """The body as sent; its memory counts until the block ends. A longer one than `limit` is refused with `too_large`."""
    declared = limit if request.content_length is None else request.content_length
    if declared > limit:
        raise _too_large(too_large, limit)
    if budget is None:
        budget = request.app[BUDGETS].small if declared <= SMALL else request.app[BUDGETS].large
    try:
        await budget.take(declared)
    except TimeoutError:
        raise unavailable("busy", "Too many bodies are arriving at once. Try again.") from None
    try:
        try:
            async with asyncio.timeout(PATIENCE):
                body = await _read(request, limit=limit, too_large=too_large)
        except TimeoutError:
            raise unavailable("slow_body", f"The body did not arrive within {PATIENCE:g} seconds.") from None
        except (web.RequestPayloadError, ConnectionError):
            raise HttpError(400, "broken_body", "The body is not what its framing promises.") from None
        yield body
    finally:
        budget.give_back(declared)


async def _read(request: web.Request, *, limit: int, too_large: int) -> bytes:
    # One buffer of the declared size: a list of chunks, or one that grows, costs three times the body.
    buffer, size = bytearray(request.content_length or 0), 0
    async for chunk in request.content.iter_any():
        end = size + len(chunk)
        if end > limit:
            raise _too_large(too_large, limit)
        buffer[size:end] = chunk
        size = end
    return bytes(memoryview(buffer)[:size])


def _too_large(status: int, limit: int) -> HttpError:
    return HttpError(status, "too_large", f"The body is larger than {limit} bytes.")
