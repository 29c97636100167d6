"""Sightings of versions in telemetry: the minutes of a day are merged by OR, the rest by the least; so they come in any order.

A day makes no more than so many new rows, whoever sends what: what comes beyond that is refused, and counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from bot.dora.instants import DAY, Instant
from bot.dora.telemetry import GitSeen, Sighting, VersionSeen, merge
from bot.facts.marks import mark_inference
from bot.store import Reader, Row, Value, Writer

TELEMETRY = "telemetry"
"""The kind of inference; its subject is a service."""
MINUTES_A_DAY = 1_440
BYTES_A_DAY = MINUTES_A_DAY // 8
MOST_A_DAY = 20_000
"""New rows: versions of services, each with the days it was seen on."""


class VersionKey(NamedTuple):
    """A version of a series; service and env in lower case."""

    service: str
    env: str
    version: str


class VersionRow(NamedTuple):
    """How telemetry first showed a version."""

    service: str
    env: str
    version: str
    service_shown: str
    env_shown: str
    first_at: Instant
    commit_sha: bytes | None
    repository: str
    repository_url: str
    git_at: Instant | None


class Kept(NamedTuple):
    """What the store now holds of the versions that were sighted, and those of which it took nothing."""

    versions: Mapping[VersionKey, VersionRow]
    minutes: Mapping[tuple[VersionKey, int], int]
    """Bitmaps by version and day."""
    refused: frozenset[VersionKey]


def key_of(sighting: Sighting) -> VersionKey:
    """Whom a sighting shows."""
    return VersionKey(sighting.service.casefold(), sighting.env.casefold(), sighting.version)


def days_of(sighting: Sighting) -> dict[int, int]:
    """A sighting's minutes as bitmaps by day (since 1970)."""
    days: dict[int, int] = {}
    for minute in sorted(sighting.minutes):
        day, bit = divmod(minute, MINUTES_A_DAY)
        days[day] = days.get(day, 0) | 1 << bit
    return days


def seen_first(known: VersionRow | None, sighting: Sighting) -> VersionRow:
    """A version's row with one more sighting: the earliest gives the names and the instant, the earliest with git data that."""
    key, git = key_of(sighting), sighting.git
    names = (sighting.first_at, sighting.service, sighting.env)
    if known is not None:
        names = min(names, (known.first_at, known.service_shown, known.env_shown))
        if known.git_at is not None and known.commit_sha is not None:
            before = GitSeen(known.git_at, known.commit_sha, known.repository, known.repository_url)
            git = before if git is None else min(git, before)
    return VersionRow(
        *key, names[1], names[2], names[0], None if git is None else git.commit_sha, "" if git is None else git.repository,
        "" if git is None else git.repository_url, None if git is None else git.at,
    )  # fmt: skip


def record_sightings(writer: Writer, sightings: Iterable[Sighting], *, now: Instant) -> Kept:
    """Record sightings and mark the services of which something is new."""
    writer.lock(TELEMETRY)
    merged: dict[VersionKey, Sighting] = {}
    for one in sightings:
        key = key_of(one)
        merged[key] = merge(merged[key], one) if key in merged else one
    told = {key: merged[key] for key in sorted(merged)}
    before = {key: load_version(writer, key) for key in told}
    days = {(key, day): (bits, _load_day(writer, key, day)) for key, one in told.items() for day, bits in days_of(one).items()}
    refused = _refused(writer, [key for (key, _), (_, known) in days.items() if known is None], now // DAY)
    versions = {key: seen_first(before[key], one) for key, one in told.items() if key not in refused}
    minutes = {at: bits | (0 if known is None else known[0]) for at, (bits, known) in days.items() if at[0] not in refused}
    new_versions = [row for key, row in versions.items() if row != before[key]]
    new_days: list[Row] = [
        (*key, day, to_bytes(bits), now // DAY if known is None else known[1])
        for (key, day), bits in minutes.items()
        if (known := days[key, day][1]) is None or bits != known[0]
    ]
    writer.write_many("telemetry_version", new_versions, on_conflict="replace")
    writer.write_many("telemetry_minutes", new_days, on_conflict="replace")
    for service in sorted({str(row[0]) for row in (*new_versions, *new_days)}):
        mark_inference(writer, TELEMETRY, service)
    return Kept(versions, minutes, refused)


def _refused(reader: Reader, new_days: Sequence[VersionKey], today: int) -> frozenset[VersionKey]:
    """The versions whose new days (one entry each) find no room today."""
    if not new_days:
        return frozenset()
    room = MOST_A_DAY - reader.fetch("telemetry_told", int, day=today)[0]
    refused = set()
    for key, n in sorted(Counter(new_days).items()):
        if n > room:
            refused.add(key)
        else:
            room -= n
    return frozenset(refused)


def load_version(reader: Reader, key: VersionKey) -> VersionRow | None:
    """What is known of a version."""
    return next(iter(reader.fetch("telemetry_version", _version, **key._asdict())), None)


def load_seen(reader: Reader, service: str) -> list[tuple[VersionRow, VersionSeen]]:
    """The versions of a service (its name in lower case) with all their sightings, by env."""
    rows = {(row.env, row.version): row for row in reader.fetch("telemetry_versions_of", _version, service=service)}
    days = reader.fetch("telemetry_days_of", _Day, service=service)
    found = []
    for at, group in groupby(days, key=lambda one: (one.env, one.version)):
        since, bits = _joined(list(group))
        row = rows[at]
        found.append((row, VersionSeen(version=row.version, first_at=row.first_at, since=since, minutes=bits)))
    return found


def telemetry_services(reader: Reader) -> list[str]:
    """Every service that telemetry showed (lower case)."""
    return reader.fetch("telemetry_services", str)


class _Day(NamedTuple):
    env: str
    version: str
    day: int
    minutes: bytes


def _joined(days: Sequence[_Day]) -> tuple[int, int]:
    """The first minute of the first day, and the bits from there on."""
    first = days[0].day
    joined = bytearray(BYTES_A_DAY * (days[-1].day - first + 1))
    for one in days:
        at = BYTES_A_DAY * (one.day - first)
        joined[at : at + BYTES_A_DAY] = one.minutes
    return first * MINUTES_A_DAY, int.from_bytes(joined, "little")


def to_bytes(bits: int) -> bytes:
    """A day's bitmap as stored."""
    return bits.to_bytes(BYTES_A_DAY, "little")


def _load_day(reader: Reader, key: VersionKey, day: int) -> tuple[int, int] | None:
    rows = reader.fetch("telemetry_day", _pair, **key._asdict(), day=day)
    return (int.from_bytes(rows[0][0], "little"), rows[0][1]) if rows else None


def _pair(minutes: bytes, told_on: int) -> tuple[bytes, int]:
    return minutes, told_on


def _version(*columns: Value) -> VersionRow:
    row = VersionRow(*columns)  # type: ignore[arg-type]  # the columns of the query, in its order
    return row._replace(commit_sha=None if row.commit_sha is None else bytes(row.commit_sha))
