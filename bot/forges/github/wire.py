"""One request to GitHub's REST API and its answer, bounded in time and size, never led to another host.

Rules: gidgethub makes the request (headers, ETags, Link); what the answer means is decided here. The token goes to the API's
own origin alone. A failing GET is asked once more, nothing else is. The text of an error holds no token and no URL.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from gidgethub.aiohttp import GitHubAPI
from msgspec import Struct

from bot import __version__
from bot.dora.instants import Duration, Instant
from bot.forges.client import ForgeUnavailableError, NotAllowedError, NotThereError
from bot.forges.github.etags import EtagCache, OwnerCache
from bot.forges.github.rate import Breaker, Quota, http_date, retry_after
from bot.guard import GuardError, decode_json_as, scrub

T = TypeVar("T")

USER_AGENT = f"rollforward/{__version__}"
API_VERSION = "2022-11-28"
"""The next one drops `merge_commit_sha`."""
JSON = "application/vnd.github+json"
PATIENCE = 30.0
"""Seconds for a whole answer."""
CONNECT = 10.0
LARGEST_ANSWER = 20 * 1024 * 1024
MOST_REDIRECTS = 3
DECODED_ASIDE = 256 * 1024
"""Larger answers are decoded in a thread."""
ONCE_MORE = frozenset({"server_error", "unreachable", "broken_answer"})
PAUSE = 0.5
"""Seconds before a failed GET is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """What was answered; `next` is the address of the next page ("" at the end), `last_page` its number where told."""

    value: T
    next: str
    last_page: int | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Bearer:
    """Who asks: the App by its JWT, or one installation by its token; `owner` is whose quota it uses."""

    owner: str
    jwt: str | None = None
    token: str | None = None


class _Message(Struct):
    message: str = ""


class Wire:
    """The API at `api_url`; `clock` tells nanoseconds since 1970."""

    def __init__(self, api_url: str, *, clock: Callable[[], Instant], patience: float = PATIENCE) -> None:
        self.api_url = api_url.rstrip("/")
        self.clock = clock
        self.skew: Duration = 0
        """How far GitHub's clock is ahead of ours, by its newest answer."""
        self._patience = patience
        self._origin = urlsplit(self.api_url)
        self._session: aiohttp.ClientSession | None = None
        self._quotas: dict[str, Quota] = {}
        self._breaker = Breaker()
        self._cache = EtagCache()

    async def ask(
        self,
        method: str,
        path: str,
        into: type[T],
        bearer: Bearer,
        *,
        body: object = None,
        background: bool = False,
        largest: int = LARGEST_ANSWER,
    ) -> Answer[T]:
        """Ask for `path` (below the API's root, or a `next`), with a JSON body if given.

        Raises ForgeUnavailableError, NotAllowedError (slug `unauthorized` when the credential itself is refused),
        NotThereError.
        """
        quota = self._quotas.setdefault(bearer.owner, Quota())
        for last_try in (method != "GET", True):
            self._breaker.admit(self.clock())
            quota.admit(self.clock(), background=background)
            try:
                answer = await self._asked(method, path, into, bearer, quota, body, largest)
            except ForgeUnavailableError as error:
                if error.slug == "rate_limit":
                    raise
                self._breaker.failed(self.clock())
                if last_try or error.slug not in ONCE_MORE or error.retry_at is not None:
                    raise
            else:
                self._breaker.answered()
                return answer
            await asyncio.sleep(PAUSE)
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _asked(
        self, method: str, path: str, into: type[T], bearer: Bearer, quota: Quota, body: object, largest: int
    ) -> Answer[T]:
        call = _Call(self, quota, self._cache.of(bearer.owner), largest)
        try:
            text, following = await call.ask(method, path, bearer, body)
            value = await _decoded(into, text, largest)
            following = self._own(following)
        except GuardError:
            call.forget()
            raise ForgeUnavailableError("broken_answer", "GitHub's answer is not the JSON it promises") from None
        except ForgeUnavailableError:
            # Else "not modified" would give it back for ever.
            call.forget()
            raise
        return Answer(value=value, next=following, last_page=call.last_page)

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, largest: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of an answer; redirects are followed on the API's own origin only."""
        try:
            for _ in range(MOST_REDIRECTS + 1):
                self._own(url)
                async with self._opened().request(
                    method, url, headers=headers, data=body, allow_redirects=False
                ) as response:
                    location = _location(method, response)
                    if location is None:
                        return response.status, response.headers, await _bounded(response, largest)
                    url = urljoin(url, location)
        except TimeoutError:
            raise ForgeUnavailableError("timeout", f"GitHub did not answer within {self._patience:g} s") from None
        except (aiohttp.ClientPayloadError, HttpProcessingError):
            raise ForgeUnavailableError("broken_answer", "GitHub's answer broke off") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = error.__class__.__name__
            raise ForgeUnavailableError("unreachable", f"GitHub cannot be reached ({reason})") from None
        raise ForgeUnavailableError("redirects", "GitHub sent us from one address to the next")

    def heard(self, status: int, headers: Mapping[str, str], body: bytes, quota: Quota) -> None:
        """Learn from an answer; raises what its status means unless that is success or "unchanged"."""
        now = self.clock()
        at = http_date(headers.get("date", ""))
        if at is not None:
            self.skew = at - now
        server_now = now + self.skew
        quota.note(headers, now, server_now)
        if status < 300 or status == 304:
            quota.accepted()
            return
        limited = quota.refused(status, headers, body, now, server_now)
        if limited is not None:
            raise limited
        raise _refusal(status, headers, body, retry_after(headers, now, server_now))

    def _own(self, url: str | None) -> str:
        """An address on the API's origin and below its root; raises ForgeUnavailableError for any other."""
        if not url:
            return ""
        try:
            parts, own = urlsplit(url), self._origin
            same = (parts.scheme, parts.hostname, parts.port) == (own.scheme, own.hostname, own.port)
        except ValueError:
            same = False
        else:
            same = same and parts.username is None and f"{parts.path}/".startswith(f"{own.path}/")
        if not same:
            raise ForgeUnavailableError("foreign_address", "GitHub's answer leads to another host")
        return url

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._patience, connect=min(CONNECT, self._patience)),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def session(self) -> aiohttp.ClientSession:
        """The session that gidgethub is given."""
        return self._opened()


class _Call(GitHubAPI):
    """One request by gidgethub, which here neither decodes bodies (that is `guard`'s) nor judges statuses."""

    def __init__(self, wire: Wire, quota: Quota, cache: OwnerCache, largest: int) -> None:
        super().__init__(wire.session(), USER_AGENT, cache=cache, base_url=wire.api_url)
        self._wire, self._quota, self._largest, self._url, self._kept = wire, quota, largest, "", cache
        self.last_page: int | None = None

    async def ask(self, method: str, path: str, bearer: Bearer, body: object) -> tuple[str, str | None]:
        """The body's bytes as Latin-1 text, and the next page's address."""
        data, following, _ = await self._make_request(
            method, path, {}, b"" if body is None else body, JSON, jwt=bearer.jwt, oauth_token=bearer.token,
            extra_headers={"x-github-api-version": API_VERSION},
        )  # fmt: skip
        return str(data or ""), following

    def forget(self) -> None:
        """What was answered is not to be kept."""
        self._kept.pop(self._url, None)

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        self._url = url
        status, answered, data = await self._wire.exchange(method, url, headers, body, self._largest)
        self._wire.heard(status, answered, data, self._quota)
        self.last_page = _last_page(answered.get("link", ""))
        kept = {name: answered[name] for name in ("etag", "last-modified", "link") if name in answered}
        return status, {**kept, "content-type": "text/plain; charset=latin-1"}, data


async def _decoded(into: type[T], text: str, largest: int) -> T:
    if len(text) <= DECODED_ASIDE:
        return _decode(into, text, largest)
    return await asyncio.to_thread(_decode, into, text, largest)


def _decode(into: type[T], text: str, largest: int) -> T:
    return decode_json_as(into, text.encode("latin-1") or b"null", max_bytes=largest)


def _location(method: str, response: aiohttp.ClientResponse) -> str | None:
    """Where an answer sends us; a request that changes something is repeated only if it stays what it is."""
    follows = (307, 308) if method != "GET" else (301, 302, 307, 308)
    return response.headers.get("location") if response.status in follows else None


async def _bounded(response: aiohttp.ClientResponse, largest: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > largest:
            raise ForgeUnavailableError("too_large", f"GitHub's answer is larger than {largest} bytes")
    return bytes(body)


def _refusal(status: int, headers: Mapping[str, str], body: bytes, retry_at: Instant | None) -> Exception:
    told = ""
    with contextlib.suppress(GuardError):
        told = scrub(decode_json_as(_Message, body).message)[:200]
    if status >= 500 or status == 408:
        return ForgeUnavailableError("server_error", f"GitHub answered {status}", retry_at=retry_at)
    if status in (404, 410, 451):
        return NotThereError("not_there", f"GitHub answered {status}: {told or 'not there, or not for us'}")
    if status == 401:
        return NotAllowedError("unauthorized", f"GitHub does not accept our credentials: {told}")
    if status == 403:
        needed = headers.get("x-accepted-github-permissions", "").strip()[:200]
        if needed:
            return NotAllowedError("missing_permission", f"needs the permission {scrub(needed)}: {told}")
        return NotAllowedError("forbidden", f"GitHub refuses: {told}")
    return NotAllowedError("refused", f"GitHub answered {status}: {told}")


def _last_page(link: str) -> int | None:
    for part in link.split(","):
        address, _, rest = part.partition(";")
        if 'rel="last"' in rest:
            page = parse_qs(urlsplit(address.strip().strip("<>")).query).get("page", [""])[0]
            return int(page) if page.isascii() and page.isdigit() and len(page) < 10 else None
    return None
