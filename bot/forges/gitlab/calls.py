"""Calls to GitLab's API: python-gitlab in threads of our own, answers decoded once, refusals as the errors of `forges/client.py`.

Rules: the event loop never waits for GitLab; whoever asks while the rate limit holds is told at once when to come again; only
reading is tried again, and for seconds at most.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

import gitlab
import requests

from bot.dora.instants import Instant
from bot.forges.client import ForgeUnavailableError, NotAllowedError, NotThereError
from bot.forges.gitlab.transport import MAX_ANSWER, session
from bot.guard import GuardError, decode_json, decode_json_as, scrub

T = TypeVar("T")
Query = Mapping[str, str | int | bool | None]

THREADS = 3
TIMEOUT = (5.0, 15.0)
"""Seconds to connect, and to wait for each piece of an answer."""
PATIENCE = 90.0
"""Seconds a call may take, its turn in the queue included."""
PAUSES = (0.2, 0.8)
"""Seconds before reading is tried a second and a third time."""
PER_PAGE = 100
_AGAIN = frozenset({"unreachable", "broken_answer", "server_error"})
_PAGING = ("page", "per_page", "pagination", "order_by", "sort", "id_after", "id_before", "cursor", "page_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A page of a listing; `next` holds the query of the next one, `None` at the end."""

    items: list[T]
    next: Query | None
    total: int | None


class _Question(NamedTuple):
    verb: str
    path: str
    query: Query | None
    body: Mapping[str, object] | None
    needs: str


class Api:
    """One GitLab, as one token sees it."""

    def __init__(
        self, *, url: str, token: str, clock: Callable[[], Instant], timeout: tuple[float, float] = TIMEOUT,
        deadline: float | None = None, patience: float = PATIENCE,
    ) -> None:  # fmt: skip
        self.url, self.clock = url.rstrip("/"), clock
        self._token, self._timeout, self._patience = token, timeout, patience
        self._deadline = deadline if deadline is not None else 2 * timeout[1]
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="gitlab")
        self._own = threading.local()
        self._rest_until: Instant = 0

    async def get(self, path: str, type: type[T], query: Query | None = None, *, needs: str = "") -> T:
        """An answer as `type`; `needs` names the permission for the case that it is missing."""
        return await self._call(_Question("get", path, query, None, needs), lambda answer: _decoded(type, answer.content))

    async def page(self, path: str, type: type[T], query: Query | None = None, *, needs: str = "") -> Page[T]:
        """A page of a listing."""
        asked = {"per_page": PER_PAGE, **(query or {})}

        def read(answer: requests.Response) -> Page[T]:
            items = _decoded(list[type], answer.content)  # type: ignore[valid-type]
            total = answer.headers.get("X-Total", "")
            return Page(items=items, next=_next(answer, asked), total=int(total) if total.isdigit() else None)

        return await self._call(_Question("get", path, asked, None, needs), read)

    async def all(
        self, path: str, type: type[T], query: Query | None = None, *, needs: str = "", most: int = 1_000
    ) -> list[T]:
        """A whole listing of at most `most` pages."""
        found: list[T] = []
        asked: Query | None = query or {}
        for _ in range(most):
            page = await self.page(path, type, asked, needs=needs)
            found += page.items
            if page.next is None:
                return found
            asked = page.next
        raise ForgeUnavailableError("too_large", f"GitLab lists more than {most} pages")

    async def raw(self, path: str, query: Query | None = None, *, needs: str = "") -> bytes:
        """An answer's bytes."""
        return await self._call(_Question("get", path, query, None, needs), lambda answer: answer.content)

    async def send(
        self, verb: str, path: str, type: type[T], body: Mapping[str, object] | None = None, *, needs: str = ""
    ) -> T:
        """Change something (post, put, delete); never tried twice."""
        question = _Question(verb, path, None, body, needs)
        return await self._call(question, lambda answer: _decoded(type, answer.content or b"null"))

    async def close(self) -> None:
        """End the threads; a call that hangs ends by its own time-out."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _call(self, question: _Question, read: Callable[[requests.Response], T]) -> T:
        if self.clock() < self._rest_until:
            raise ForgeUnavailableError("rate_limited", "GitLab's rate limit is reached", retry_at=self._rest_until)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._patience):
                return await loop.run_in_executor(self._pool, self._tried, question, read)
        except TimeoutError:
            raise ForgeUnavailableError("timeout", "GitLab is too slow") from None
        except ForgeUnavailableError as error:
            self._rest_until = max(self._rest_until, error.retry_at or 0)
            raise

    # In a thread ------------------------------------------------------------------------------------------------------

    def _tried(self, question: _Question, read: Callable[[requests.Response], T]) -> T:
        for pause in PAUSES if question.verb == "get" else ():
            try:
                return read(self._once(question))
            except ForgeUnavailableError as error:
                if error.slug not in _AGAIN:
                    raise
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - to be apart from others, no secret
        return read(self._once(question))

    def _once(self, question: _Question) -> requests.Response:
        asked = {name: _plain(value) for name, value in (question.query or {}).items() if value is not None}
        try:
            return self._client().http_request(
                question.verb, question.path, query_data=asked,
                post_data=None if question.body is None else dict(question.body),
                obey_rate_limit=False, retry_transient_errors=False, max_retries=0,
            )
        except gitlab.GitlabError as error:
            raise self._refusal(error, question) from None
        except (requests.RequestException, UnicodeError, ValueError) as error:
            raise ForgeUnavailableError("broken_answer", f"GitLab's answer cannot be read: {type(error).__name__}") from None

    def _client(self) -> gitlab.Gitlab:
        """This thread's own: neither python-gitlab nor requests promises to be safe between threads."""
        client: gitlab.Gitlab | None = getattr(self._own, "client", None)
        if client is None:
            parts = urlsplit(self.url)
            client = self._own.client = gitlab.Gitlab(
                self.url, oauth_token=self._token, keep_base_url=True, per_page=PER_PAGE, retry_transient_errors=False,
                timeout=self._timeout,  # type: ignore[arg-type]  # handed on to requests, which takes both
                session=session(f"{parts.scheme}://{parts.netloc}/", clock=self.clock, deadline=self._deadline),
                user_agent="Rollforward",
            )
        return client

    def _refusal(self, error: gitlab.GitlabError, question: _Question) -> Exception:
        asked, needs = f"{question.verb.upper()} {question.path}", question.needs
        said = self._said(error)
        match error.response_code:
            case 401:
                return NotAllowedError("unauthorised", f"GitLab does not know the token (GITLAB_TOKEN): {said}")
            case 403:
                return NotAllowedError("forbidden", f"GitLab refuses {asked}: {said}{needs and f'; needed: {needs}'}")
            case 404:
                return NotThereError("not_there", f"{asked}: {said}")
            case code if code is None or code >= 500:
                return ForgeUnavailableError("server_error", f"{asked}: GitLab answers {code}")
            case code:
                return ForgeUnavailableError("refused", f"{asked}: GitLab answers {code}: {said}")

    def _said(self, error: gitlab.GitlabError) -> str:
        """GitLab's own words; the scope it asks for, where it names one."""
        text = f"{error.error_message}"
        if isinstance(error.response_body, bytes):
            try:
                told = decode_json(error.response_body, max_bytes=100_000)
            except GuardError:
                told = None
            if isinstance(told, dict):
                parts = [told.get(name) for name in ("message", "error", "error_description", "scope")]
                text = ": ".join(part for part in parts if isinstance(part, str)) or text
        return scrub(text.replace(self._token, "…"))[:300]


def encoded(text: str) -> str:
    """A path or name as one segment of a URL."""
    return quote(text, safe="")


def _plain(value: str | int | bool | None) -> str | int:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is not None else ""


def _decoded(type: type[T], body: bytes) -> T:
    try:
        return decode_json_as(type, body, max_bytes=MAX_ANSWER)
    except GuardError as error:
        raise ForgeUnavailableError("broken_answer", f"GitLab's answer is not what its API promises: {error.detail}") from error


def _next(answer: requests.Response, asked: Query) -> Query | None:
    """The query of the next page. Of a Link only the paging parameters are believed, never its address."""
    number = answer.headers.get("X-Next-Page")
    if number is not None:
        return {**asked, "page": int(number)} if number.isdigit() else None
    told = answer.links.get("next", {}).get("url")
    if not told:
        return None
    paging = {name: value for name, value in parse_qsl(urlsplit(told).query) if name in _PAGING}
    following: Query = {**asked, **paging}
    return following if paging and {k: str(v) for k, v in following.items()} != {k: str(v) for k, v in asked.items()} else None
