"""Instants and durations as integer nanoseconds, and the units the API accepts."""

Instant = int
"""Nanoseconds since 1970-01-01T00:00:00Z."""
Duration = int
"""Nanoseconds."""

SECOND: Duration = 1_000_000_000
MINUTE: Duration = 60 * SECOND
HOUR: Duration = 3_600 * SECOND
DAY: Duration = 86_400 * SECOND

LATEST: Instant = 9_214_646_400 * SECOND
"""2262-01-01: instants lie in 1970 to 2261, what 64 bits of nanoseconds hold."""
PLAUSIBLE_COMMIT: Instant = 631_152_000 * SECOND
"""1990-01-01: an earlier author date is a broken clock."""

AHEAD: Duration = 10 * MINUTE
"""How far a sender's clock may be ahead of ours."""


def lies_ahead(at: Instant | None, *, now: Instant) -> bool:
    """Whether an instant that somebody tells has not come yet: nobody saw it. Clocks may differ a little."""
    return at is not None and at > now + AHEAD


def from_api_number(value: int) -> Instant | None:
    """An API timestamp in s, ms, µs or ns, told apart by magnitude (semantics §1); `None` outside 1970–2261."""
    if value < 0:
        return None
    if value < 10**11:
        value *= 10**9
    elif value < 10**14:
        value *= 10**6
    elif value < 10**17:
        value *= 10**3
    return value if value < LATEST else None
