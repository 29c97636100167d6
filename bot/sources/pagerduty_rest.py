"""PagerDuty's REST API: the alerts of an incident, with the Datadog monitors behind them.

https://developer.pagerduty.com/api-reference: `GET /incidents/{id}/alerts`, the token in `Authorization: Token token=…`, pages by
`offset` until `more` is false, 429 with `ratelimit-reset` in seconds.

Rules: answers are bounded in time and size, and redirects are not followed. The text of an error holds no token and no URL.
"""

from typing import Final

import aiohttp

from bot import __version__
from bot.dora.instants import MINUTE, SECOND, Duration
from bot.dora.pagerduty import Monitor
from bot.guard import GuardError
from bot.settings import Secret
from bot.sources.fields import SourceError
from bot.sources.pagerduty_alerts import parse_alerts

PATIENCE: Final = 20.0
"""Seconds for a whole answer."""
LARGEST_ANSWER: Final = 4 * 1024 * 1024
PAGE, MOST_PAGES = 100, 10
LONGEST_LIMIT: Final = 10 * MINUTE
ACCEPT: Final = "application/vnd.pagerduty+json;version=2"


class PagerDutyUnavailableError(SourceError):
    """PagerDuty did not answer usefully; `wait` is how long it wants to be left alone, if it says so."""

    slug = "unavailable"

    def __init__(self, detail: str, *, wait: Duration | None = None) -> None:
        super().__init__(detail)
        self.wait = wait


class PagerDutyRefusedError(SourceError):
    """The token is not known, or may not read incidents."""

    slug = "refused"


class PagerDutyApi:
    """The API at `url`, asked with a token."""

    def __init__(self, url: str, token: Secret, *, patience: float = PATIENCE) -> None:
        self._url, self._patience = url.rstrip("/"), patience
        self._headers = {
            "Authorization": f"Token token={token.decode()}", "Accept": ACCEPT, "Content-Type": "application/json",
            "User-Agent": f"rollforward/{__version__}",
        }  # fmt: skip
        self._session: aiohttp.ClientSession | None = None

    async def monitors(self, incident_id: str) -> tuple[Monitor, ...]:
        """The monitors behind an incident's alerts; none of an incident that PagerDuty does not know (any more).

        Raises PagerDutyUnavailableError, PagerDutyRefusedError.
        """
        found: dict[Monitor, None] = {}
        for page in range(MOST_PAGES):
            body = await self._ask(f"/incidents/{incident_id}/alerts", {"limit": str(PAGE), "offset": str(page * PAGE)})
            if body is None:
                break
            try:
                monitors, more = parse_alerts(body)
            except GuardError:
                raise PagerDutyUnavailableError("the answer is not the JSON it promises") from None
            found |= dict.fromkeys(monitors)
            if not more:
                break
        return tuple(found)

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, path: str, query: dict[str, str]) -> bytes | None:
        """The body of an answer, `None` where there is nothing of that name."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._patience)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.get(self._url + path, params=query, headers=self._headers, allow_redirects=False) as answer:
                _check(answer.status, answer.headers.get("ratelimit-reset", ""))
                return None if answer.status == 404 else await _bounded(answer)
        except TimeoutError:
            raise PagerDutyUnavailableError(f"no answer within {self._patience:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise PagerDutyUnavailableError(f"it cannot be reached ({error.__class__.__name__})") from None


def _check(status: int, reset: str) -> None:
    if status in (401, 403):
        raise PagerDutyRefusedError(f"the token of PAGERDUTY_API_TOKEN is refused ({status})")
    if status == 429:
        seconds = int(reset) if reset.isascii() and reset.isdigit() and len(reset) < 6 else 60
        raise PagerDutyUnavailableError("its rate limit is reached", wait=min(max(seconds, 1) * SECOND, LONGEST_LIMIT))
    if status not in (200, 404):
        raise PagerDutyUnavailableError(f"it answered {status}")


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise PagerDutyUnavailableError(f"the answer is larger than {LARGEST_ANSWER} bytes")
    return bytes(body)
