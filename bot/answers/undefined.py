"""Services that telemetry shows and nobody has defined: what is seen of them is kept and makes no deployments."""

from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple

from bot.dora.instants import DAY, MINUTE, Instant
from bot.store import Reader

MOST: Final = 100
"""So many are named, in the order of their names: senders invent as many as they like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndefinedService:
    """A service as its earliest sighting spelt it, when it was last seen (to the minute), and its versions."""

    service: str
    last_seen_at: Instant
    versions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UndefinedShown:
    """Those that were seen last come first; `count` says how many there are."""

    services: tuple[UndefinedService, ...]
    count: int


class _Version(NamedTuple):
    service: str
    shown: str


class _Day(NamedTuple):
    service: str
    day: int
    minutes: bytes


def show_undefined(reader: Reader) -> UndefinedShown:
    """The services of telemetry without a definition."""
    names = reader.fetch("telemetry_undefined", str, n=MOST)
    versions = {name: list(rows) for name, rows in groupby(reader.fetch_in("telemetry_spellings", _Version, names), key=lambda row: row.service)}
    seen: dict[str, Instant] = {}
    for row in reader.fetch_in("telemetry_last_days", _Day, names):
        at = row.day * DAY + (int.from_bytes(row.minutes, "little").bit_length() - 1) * MINUTE
        seen[row.service] = max(at, seen.get(row.service, at))
    found = [
        UndefinedService(service=versions[name][0].shown, last_seen_at=seen[name], versions=len(versions[name])) for name in names
    ]
    return UndefinedShown(
        services=tuple(sorted(found, key=lambda one: (-one.last_seen_at, one.service))),
        count=reader.fetch("telemetry_undefined_count", int)[0],
    )
