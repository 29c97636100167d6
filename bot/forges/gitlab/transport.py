"""HTTP as we want it below python-gitlab: no redirects, bounded answers, bounded waiting.

Rules: an answer that leads elsewhere is an error, so the token goes to the configured host alone; a body is read piece by piece,
up to a size and a deadline, whatever its sender promised; what may be compressed is inflated by the guard.
"""

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from bot.dora.instants import MINUTE, SECOND, Instant
from bot.forges.client import ForgeUnavailableError
from bot.guard import GuardError, inflate

MAX_ANSWER = 32 * 2**20
"""Bytes of one answer, inflated."""
MAX_RATIO = 1_000
DEADLINE = 40.0
"""Seconds from the first byte of the head to the last byte of the body."""
UNKNOWN_PAUSE = MINUTE
"""What a 429 without a usable Retry-After stands for."""
LONGEST_PAUSE = 60 * MINUTE
_PIECE = 1 << 16


class BoundedAdapter(HTTPAdapter):
    """Answers are whole, small enough and final when they leave here."""

    def __init__(self, *, clock: Callable[[], Instant], deadline: float = DEADLINE) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._clock, self._deadline = clock, deadline

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send and read; raises ForgeUnavailableError."""
        options["stream"] = True
        until = time.monotonic() + self._deadline
        try:
            response = super().send(request, *args, **options)
        except requests.Timeout as error:
            raise ForgeUnavailableError("timeout", "GitLab did not answer in time") from error
        except requests.RequestException as error:
            raise ForgeUnavailableError("unreachable", f"GitLab cannot be reached: {_cause(error)}") from error
        try:
            self._refuse(response)
            body = _read(response, until)
        finally:
            response.raw.release_conn() if response.raw.closed else response.close()
        response._content = body  # where requests keeps a body that has been read
        response._content_consumed = True
        return response

    def _refuse(self, response: requests.Response) -> None:
        if response.is_redirect or 300 <= response.status_code < 400:
            raise ForgeUnavailableError("redirected", "GitLab answered with a redirect; GITLAB_URL is to be its final address")
        if response.status_code == 429:
            pause = retry_after(response.headers, now=self._clock())
            raise ForgeUnavailableError("rate_limited", "GitLab's rate limit is reached", retry_at=self._clock() + pause)


def retry_after(headers: Mapping[str, str], *, now: Instant) -> Instant:
    """Nanoseconds to wait, by seconds or a date; at most an hour, so that no answer silences us for long."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(max(int(text), 1) * SECOND, LONGEST_PAUSE)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return UNKNOWN_PAUSE
    return min(max(int(at.timestamp()) * SECOND - now, SECOND), LONGEST_PAUSE)


def _read(response: requests.Response, until: float) -> bytes:
    pieces, size = [], 0
    try:
        while piece := response.raw.read1(_PIECE, decode_content=False):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_ANSWER:
                raise ForgeUnavailableError("too_large", f"GitLab's answer is larger than {MAX_ANSWER} bytes")
            if time.monotonic() > until:
                raise ForgeUnavailableError("timeout", "GitLab sends too slowly")
    except urllib3.exceptions.TimeoutError as error:
        raise ForgeUnavailableError("timeout", "GitLab stopped in the middle of an answer") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ForgeUnavailableError("unreachable", f"GitLab broke off in the middle of an answer: {_cause(error)}") from error
    try:
        encoding = response.headers.get("Content-Encoding", "")
        return inflate(b"".join(pieces), encoding, max_bytes=MAX_ANSWER, max_ratio=MAX_RATIO)
    except GuardError as error:
        raise ForgeUnavailableError("broken_answer", f"GitLab's answer cannot be read: {error.detail}") from error


def _cause(error: BaseException) -> str:
    """What went wrong, without the URL that requests puts into its texts."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"[:200]


def session(base: str, *, clock: Callable[[], Instant], deadline: float = DEADLINE) -> requests.Session:
    """A session that speaks to `base` (scheme and host) alone."""
    made = requests.Session()
    made.max_redirects = 0
    made.adapters.clear()
    made.mount(base, BoundedAdapter(clock=clock, deadline=deadline))
    made.headers["Accept-Encoding"] = "gzip"
    return made
