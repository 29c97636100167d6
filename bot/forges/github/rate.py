"""How often GitHub may be asked, and when again: its hourly quota, its secondary limits, and a GitHub out of order.

Rules: what GitHub asks for is honoured whole. Callers who can wait (backfill, gap repair) leave a tenth of the quota to live
work. Whoever is refused learns when to come again. Instants are by the local clock.
"""

import random
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from bot.dora.instants import DAY, HOUR, MINUTE, SECOND, Duration, Instant
from bot.forges.client import ForgeUnavailableError

RESERVE = 0.1
SECONDARY_PAUSE: Duration = MINUTE
"""Where GitHub refuses without saying until when; doubled each time, up to an hour."""
LONGEST_PAUSE: Duration = DAY
FAILURES_TO_OPEN = 5
FIRST_PAUSE: Duration = 30 * SECOND
LAST_PAUSE: Duration = 10 * MINUTE

_chance = random.SystemRandom()


class Quota:
    """What one credential (the App, or one installation) may still ask."""

    def __init__(self) -> None:
        self._limit = self._remaining = self._strikes = 0
        self._reset_at: Instant | None = None
        self._blocked_until: Instant = 0

    def admit(self, now: Instant, *, background: bool) -> None:
        """Count one request; raises ForgeUnavailableError when it must wait."""
        if now < self._blocked_until:
            raise ForgeUnavailableError("rate_limit", "GitHub asked us to wait", retry_at=self._blocked_until)
        if self._reset_at is not None and now < self._reset_at:
            kept = int(self._limit * RESERVE) if background else 0
            if self._remaining <= kept:
                raise ForgeUnavailableError("rate_limit", "the hour's requests are used up", retry_at=self._reset_at)
        self._remaining -= 1

    def note(self, headers: Mapping[str, str], now: Instant, server_now: Instant) -> None:
        """What an answer says of the hour."""
        limit, remaining = _integer(headers, "x-ratelimit-limit"), _integer(headers, "x-ratelimit-remaining")
        reset_at = _reset_at(headers, now, server_now)
        if limit is not None and remaining is not None and reset_at is not None:
            self._limit, self._remaining, self._reset_at = limit, remaining, reset_at

    def accepted(self) -> None:
        """An answer was no refusal."""
        self._strikes = 0

    def refused(
        self, status: int, headers: Mapping[str, str], body: bytes, now: Instant, server_now: Instant
    ) -> ForgeUnavailableError | None:
        """The error for a refusal that is about how often we ask; `None` when it is about something else."""
        if status not in (403, 429):
            return None
        retry_at = retry_after(headers, now, server_now)
        if retry_at is None and _integer(headers, "x-ratelimit-remaining") == 0:
            retry_at = _reset_at(headers, now, server_now)
        if retry_at is None:
            if status == 403 and not _is_secondary(body):
                return None
            pause = min(SECONDARY_PAUSE << min(self._strikes, 6), HOUR)
            retry_at = now + pause + _jitter(pause)
            self._strikes += 1
        self._blocked_until = max(self._blocked_until, retry_at)
        return ForgeUnavailableError("rate_limit", "GitHub asked us to wait", retry_at=retry_at)


class Breaker:
    """Stops asking a GitHub that failed again and again: one question per pause, until one is answered."""

    def __init__(self) -> None:
        self._failures = 0
        self._closed_from: Instant = 0

    def admit(self, now: Instant) -> None:
        """Raises ForgeUnavailableError while GitHub is left alone."""
        if now < self._closed_from:
            raise ForgeUnavailableError(
                "out_of_order", "GitHub failed several times in a row and is left alone", retry_at=self._closed_from
            )

    def answered(self) -> None:
        """It works."""
        self._failures = 0

    def failed(self, now: Instant) -> None:
        """It does not."""
        self._failures += 1
        doublings = self._failures - FAILURES_TO_OPEN
        if doublings >= 0:
            pause = min(FIRST_PAUSE << min(doublings, 6), LAST_PAUSE)
            self._closed_from = now + pause + _jitter(pause)


def retry_after(headers: Mapping[str, str], now: Instant, server_now: Instant) -> Instant | None:
    """When Retry-After (seconds or a date) lets us come again."""
    text = headers.get("retry-after", "").strip()
    seconds = _integer(headers, "retry-after")
    if seconds is not None:
        return now + min(seconds * SECOND, LONGEST_PAUSE)
    at = http_date(text)
    return None if at is None else now + min(max(at - server_now, 0), LONGEST_PAUSE)


def http_date(text: str) -> Instant | None:
    """The instant of an HTTP date; `None` for anything else."""
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return int(at.replace(tzinfo=at.tzinfo or UTC).timestamp()) * SECOND


def _reset_at(headers: Mapping[str, str], now: Instant, server_now: Instant) -> Instant | None:
    """When the hour is over, by our clock; a second later than told, as theirs and ours tick apart."""
    reset = _integer(headers, "x-ratelimit-reset")
    if reset is None:
        return None
    return now + min(max(reset * SECOND - server_now, 0) + SECOND, LONGEST_PAUSE)


def _is_secondary(body: bytes) -> bool:
    told = body[:4096].lower()
    return b"rate limit" in told or b"abuse detection" in told


def _integer(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def _jitter(pause: Duration) -> Duration:
    return _chance.randrange(pause // 5 + 1)
