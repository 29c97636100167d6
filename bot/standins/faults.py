"""What can go wrong between a forge and whoever asks it, by order of a test, and a record of all that was asked.

A fault is looked for in the order of the list; the first that matches `METHOD path?query` and is not used up plays.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Union

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

SECONDARY_LIMIT = (
    '{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",'
    '"documentation_url":"https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Answer so, instead of asking the forge."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = '{"message":"by order of the test"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Wait before the answer."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dribble:
    """Send the answer's body in small pieces, with a pause (seconds) before each."""

    pause: float
    size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate:
    """Send half of the body: as if that were all, or (`torn`) hanging up in the middle."""

    torn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Send the client to the same path of another host (a base URL)."""

    to: str
    status: int = 302


@dataclass(frozen=True, slots=True, kw_only=True)
class LyingLink:
    """Let the Link header's addresses (also absent ones: a next page) lead to another host (a base URL)."""

    to: str


Kind = Union[Status, Delay, Dribble, Truncate, Redirect, LyingLink]  # noqa: UP007 - one name for six kinds


@dataclass(slots=True, kw_only=True)
class Fault:
    """Plays `kind` for requests of which `METHOD path?query` contains the regex, `times` times (None: for ever)."""

    match: str
    kind: Kind
    times: int | None = None

    def takes(self, line: str) -> bool:
        """Whether it plays for this request; counts down."""
        if self.times == 0 or not re.search(self.match, line):
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that came, headers (lower case) and all, at the forge's own time."""

    method: str
    path_qs: str
    headers: Mapping[str, str]
    at: int


def too_many_requests(retry_after: int) -> Status:
    """A 429 that says when to come again (seconds)."""
    return Status(status=429, headers={"Retry-After": str(retry_after)})


def primary_limit(reset: int) -> Status:
    """GitHub's 403 of a used-up hour; `reset` in seconds since 1970."""
    headers = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)}
    return Status(status=403, headers=headers, body='{"message":"API rate limit exceeded for installation ID 1."}')


def secondary_limit(retry_after: int | None = None) -> Status:
    """GitHub's 403 for asking too fast; it may come without Retry-After."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Status(status=403, headers=headers, body=SECONDARY_LIMIT)


class Door:
    """The middleware in front of a forge: records what comes and plays the faults."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.faults: list[Fault] = []
        self.requests: list[Seen] = []
        self._clock = clock

    def middleware(self) -> Middleware:
        """For an aiohttp application."""

        @web.middleware
        async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.requests.append(
                Seen(method=request.method, path_qs=request.path_qs, headers=headers, at=self._clock())
            )
            line = f"{request.method} {request.path_qs}"
            fault = next((fault for fault in self.faults if fault.takes(line)), None)
            return await (handler(request) if fault is None else _play(fault.kind, request, handler))

        return door


async def _play(kind: Kind, request: web.Request, handler: Handler) -> web.StreamResponse:
    match kind:
        case Status():
            return web.Response(
                status=kind.status, headers=kind.headers, text=kind.body, content_type="application/json"
            )
        case Redirect():
            return web.Response(status=kind.status, headers={"Location": kind.to.rstrip("/") + request.path_qs})
        case Delay():
            await asyncio.sleep(kind.seconds)
            return await handler(request)
        case LyingLink():
            answer = await handler(request)
            truth = answer.headers.get("Link") or f'<{request.url.origin()}{request.path}?page=2>; rel="next"'
            answer.headers["Link"] = re.sub(r"<https?://[^/>]+", f"<{kind.to.rstrip('/')}", truth)
            return answer
        case Dribble():
            return await _pieces(request, await handler(request), kind.size, kind.pause)
        case Truncate():
            answer = await handler(request)
            body = _body(answer)
            if kind.torn:
                return await _torn(request, answer, body)
            return web.Response(status=answer.status, headers=_carried(answer), body=body[: len(body) // 2])


async def _pieces(request: web.Request, answer: web.StreamResponse, size: int, pause: float) -> web.StreamResponse:
    slow = web.StreamResponse(status=answer.status, headers=_carried(answer))
    await slow.prepare(request)
    body = _body(answer)
    for start in range(0, len(body), size):
        await asyncio.sleep(pause)
        await slow.write(body[start : start + size])
    await slow.write_eof()
    return slow


async def _torn(request: web.Request, answer: web.StreamResponse, body: bytes) -> web.StreamResponse:
    half = web.StreamResponse(status=answer.status, headers=_carried(answer) | {"Content-Length": str(len(body))})
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return half


def _body(answer: web.StreamResponse) -> bytes:
    body = answer.body if isinstance(answer, web.Response) else None
    return body if isinstance(body, bytes) else b""


def _carried(answer: web.StreamResponse) -> dict[str, str]:
    dropped = ("content-length", "transfer-encoding")
    return {name: value for name, value in answer.headers.items() if name.lower() not in dropped}
