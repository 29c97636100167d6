"""Asks another server's incidents API: the original's, or another Rollforward's.

Rules: keys go to the given origin alone, in headers; no redirect is followed. What the server asks for when it limits us is waited
for, and said. The text of an error holds no key and nothing that the server wrote. An answer is inflated within limits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from bot import __version__
from bot.dora.instants import SECOND, Instant
from bot.guard import GuardError, inflate
from bot.sources.incidents_api import LARGEST_PAGE

PAGE_SIZE: Final = 100
PATHS: Final = ("/api/v2/incidents", "/api/v2", "/api")
PATIENCE: Final = 60.0
"""Seconds for a whole answer."""
CONNECT: Final = 10.0
LONGEST_WAIT: Final = 3_600
"""Seconds; no limit of a server is waited for longer at once."""
MOST_WAITS: Final = 100
"""So often in a row a server may limit us before it is given up."""
UNTOLD_WAIT: Final = 10
"""Seconds to wait where a server that limits us does not say how long."""
UNREACHED: Final = 599
"""The status of a server that was not reached."""
PAUSES: Final = (1.0, 2.0, 5.0, 10.0)
"""Seconds before a question that a server could not answer is asked again."""
_NOT_ANSWERED: Final = (OSError, aiohttp.ClientError, TimeoutError)

Sleep = Callable[[float], Awaitable[None]]


class IncidentsApiError(Exception):
    """The other server cannot be asked, or refuses; its text says what to do."""

    slug = "incidents_api"


class RefusedError(IncidentsApiError):
    """It refuses this question (4xx)."""

    slug = "refused"


def origin_of(url: str) -> str:
    """The URL below which the API lies, out of what somebody typed; raises IncidentsApiError."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise IncidentsApiError("this is no URL of an API: it looks like https://api.datadoghq.com")
    if "@" in parts.netloc:
        raise IncidentsApiError("credentials do not belong into the URL: DD_API_KEY and DD_APP_KEY hold them")
    path = parts.path.rstrip("/")
    for known in PATHS:
        path = path.removesuffix(known)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


class IncidentsClient:
    """The API at `origin`; `progress` hears what it waits for, `clock` tells nanoseconds since 1970."""

    def __init__(
        self, origin: str, *, api_key: str, app_key: str, progress: Callable[[str], None], clock: Callable[[], Instant],
        sleep: Sleep = asyncio.sleep,
    ) -> None:  # fmt: skip
        self.origin, self.progress, self.clock, self.sleep = origin, progress, clock, sleep
        self._headers = {
            "DD-API-KEY": api_key, "DD-APPLICATION-KEY": app_key, "Accept": "application/json",
            "Accept-Encoding": "gzip", "User-Agent": f"rollforward/{__version__}",
        }  # fmt: skip
        timeout = aiohttp.ClientTimeout(total=PATIENCE, sock_connect=CONNECT)
        self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)

    async def page(self, path: str, *, offset: int, **parameters: str) -> bytes:
        """One page of a list; raises IncidentsApiError."""
        status, asked = UNREACHED, {"page[size]": f"{PAGE_SIZE}", "page[offset]": f"{offset}", **parameters}
        for pause in (*PAUSES, None):
            status, body = await self._asked_patiently(path, asked)
            if status == 200:
                return body
            if status < 500:
                raise RefusedError(_refusal(status, self.origin))
            if pause is not None:
                self.progress(f"the server could not answer ({_in_words(status)}); it is asked again in {pause:g} seconds")
                await self.sleep(pause)
        raise IncidentsApiError(f"{self.origin} does not answer ({_in_words(status)}); what was read is kept, ask again later")

    async def _asked_patiently(self, path: str, asked: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of what it answers when it does not limit us any more."""
        for _ in range(MOST_WAITS):
            status, headers, body = await self._asked(path, asked)
            if status != 429:
                return status, body
            await self._wait(headers)
        raise IncidentsApiError(f"{self.origin} limited us {MOST_WAITS} times in a row; what was read is kept, ask again later")

    async def close(self) -> None:
        """End the connections."""
        await self._session.close()

    async def _asked(self, path: str, asked: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body; UNREACHED for a server that was not reached."""
        try:
            async with self._session.get(
                f"{self.origin}{path}", params=asked, headers=self._headers, allow_redirects=False
            ) as response:
                body = bytearray()
                async for part in response.content.iter_any():
                    body += part
                    if len(body) > LARGEST_PAGE:
                        raise IncidentsApiError(f"an answer of {self.origin} is larger than {LARGEST_PAGE >> 20} MiB")
                if response.status != 200:
                    return response.status, response.headers, b""
                plain = inflate(bytes(body), response.headers.get("Content-Encoding", ""), max_bytes=LARGEST_PAGE)
                return response.status, response.headers, plain
        except GuardError as error:
            raise IncidentsApiError(f"an answer of {self.origin} cannot be unpacked ({error.slug})") from None
        except _NOT_ANSWERED:
            return UNREACHED, {}, b""

    async def _wait(self, headers: Mapping[str, str]) -> None:
        told = (_seconds(headers.get(name), now=self.clock() // SECOND) for name in ("X-RateLimit-Reset", "Retry-After"))
        wait = next((one for one in told if one is not None), UNTOLD_WAIT)
        self.progress(f"the server limits how often it may be asked; going on in {wait:,} seconds")
        await self.sleep(wait)


def _seconds(text: str | None, *, now: int) -> int | None:
    """How long to wait, at least a second; some servers name an instant instead."""
    if text is None or not text.strip().isascii() or not text.strip().isdigit():
        return None
    wait = int(text.strip()[:12])
    return max(1, min(wait - now if wait > 10**9 else wait, LONGEST_WAIT))


def _in_words(status: int) -> str:
    return "no connection" if status == UNREACHED else f"status {status}"


def _refusal(status: int, origin: str) -> str:
    if status in (401, 403):
        return (
            f"{origin} refuses these keys ({status}): DD_API_KEY and DD_APP_KEY must belong to its site, and the application key "
            "needs the right to read incidents (incident_read; of another Rollforward: the scope read)"
        )
    if 300 <= status < 400:
        return f"{origin} leads elsewhere ({status}): give the API's own URL"
    if status == 404:
        return f"{origin} has no incidents API (404): the original's is https://api. and its site, e.g. https://api.datadoghq.com"
    return f"{origin} refuses the question (status {status})"
