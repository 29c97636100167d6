"""Reading a request's body as sent: bounded in bytes, in time, and in memory over all requests together.

The server must run with `auto_decompress=False` (see `routes.make_runner`): a compressed body is read as it is, and inflated,
bounded, only once its sender is known to be who it says.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bot.web.errors import HttpError, unavailable

PATIENCE = 10.0
"""Seconds for a whole body."""
MEMORY = 48 * 1024 * 1024
"""Bytes of bodies held at once; who does not fit waits a little for others to be done."""
WAIT_FOR_MEMORY = 3.0


class ByteBudget:
    """Bytes that may be held at once, given out first come, first served."""

    def __init__(self, total: int = MEMORY) -> None:
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


BUDGET: web.AppKey[ByteBudget] = web.AppKey("budget", ByteBudget)


@asynccontextmanager
async def held_body(request: web.Request, *, limit: int, too_large: int) -> AsyncIterator[bytes]:
    """The body as sent; its memory counts until the block ends. A longer one than `limit` is refused with `too_large`."""
    error = HttpError(too_large, "too_large", f"The body is larger than {limit} bytes.")
    if request.content_length is not None and request.content_length > limit:
        raise error
    budget, held = request.app[BUDGET], 0
    parts = bytearray()
    try:
        try:
            async with asyncio.timeout(PATIENCE):
                async for chunk in request.content.iter_any():
                    if len(parts) + len(chunk) > limit:
                        raise error
                    await budget.take(len(chunk))
                    held += len(chunk)
                    parts += chunk
        except TimeoutError:
            raise unavailable("slow_body", "The body did not arrive in time, or there is no room for it now.") from None
        except (web.RequestPayloadError, ConnectionError):
            raise HttpError(400, "broken_body", "The body is not what its framing promises.") from None
        body = bytes(parts)
        parts.clear()
        yield body
    finally:
        budget.give_back(held)
