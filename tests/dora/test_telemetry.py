"""Deployments from sightings: scenarios to follow by hand, and what holds for any."""

import time
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.dora.instants import MINUTE, SECOND
from bot.dora.telemetry import VersionSeen, appearances

HOUR, DAY = 60, 1_440
TEN = 10
Minutes = Iterable[int]


def seen(version: str, *spans: Minutes) -> VersionSeen:
    """A version seen in these minutes."""
    minutes = {minute for span in spans for minute in span}
    first = min(minutes)
    bits = sum(1 << (minute - first) for minute in minutes)
    return VersionSeen(version=version, first_at=first * MINUTE + SECOND, since=first, minutes=bits)


def told(*versions: VersionSeen, silence: int = TEN) -> list[str]:
    """The deployments as `version@minute`, `!` marking those that returned."""
    found = appearances(versions, silence=silence)
    return [f"{one.version}@{one.at // MINUTE}{'!' if one.returned else ''}" for one in found]


def every(step: int, start: int, end: int) -> range:
    """A sighting each so many minutes, both ends included."""
    return range(start, end + 1, step)


def steady(start: int, end: int) -> range:
    """A sighting each minute, both ends included."""
    return every(1, start, end)


SCENARIOS: list[tuple[str, list[VersionSeen], list[str]]] = [
    ("nothing", [], []),
    ("one version", [seen("v1", steady(0, 100))], ["v1@0"]),
    ("seen once", [seen("v1", [7])], ["v1@7"]),
    ("one after the other", [seen("v1", steady(0, 50)), seen("v2", steady(51, 90))], ["v1@0", "v2@51"]),
    ("rolling release: both for a while", [seen("v1", steady(0, 80)), seen("v2", steady(50, 200))], ["v1@0", "v2@50"]),
    (
        "rolling release whose first instance failed to start for a while",
        [seen("v1", steady(0, 90)), seen("v2", [50], steady(75, 200))],
        ["v1@0", "v2@50"],
    ),
    ("canary that stays", [seen("v1", steady(0, 400)), seen("v2", every(15, 50, 300), steady(300, 500))], ["v1@0", "v2@50"]),
    ("canary taken back: v1 was never gone", [seen("v1", steady(0, 400)), seen("v2", steady(50, 90))], ["v1@0", "v2@50"]),
    (
        "canary taken back, v1 with small gaps of its own",
        [seen("v1", every(2, 0, 46), every(4, 50, 66), every(2, 70, 400)), seen("v2", steady(50, 90))],
        ["v1@0", "v2@50"],
    ),
    ("the same canary again later", [seen("v1", steady(0, 400)), seen("v2", steady(50, 90), steady(200, 500))], ["v1@0", "v2@50"]),
    ("rollback", [seen("v1", steady(0, 50), steady(81, 120)), seen("v2", steady(51, 80))], ["v1@0", "v2@51", "v1@81!"]),
    ("fast rollback", [seen("v1", steady(0, 50), steady(54, 90)), seen("v2", steady(51, 53))], ["v1@0", "v2@51", "v1@54!"]),
    (
        "rolling rollback: from v2's last sighting on",
        [seen("v1", steady(0, 60), steady(100, 200)), seen("v2", steady(50, 110))],
        ["v1@0", "v2@50", "v1@111!"],
    ),
    (
        "rollback after hours in which both were seen",
        [seen("v1", steady(0, 300), steady(360, 500)), seen("v2", steady(60, 370))],
        ["v1@0", "v2@60", "v1@371!"],
    ),
    (
        "a rollback that is too young to tell",
        [seen("v1", steady(0, 50), steady(81, 89)), seen("v2", steady(51, 80))],
        ["v1@0", "v2@51"],
    ),
    (
        "v1 v2 v1 v2: each was replaced",
        [seen("v1", steady(0, 50), steady(101, 150)), seen("v2", steady(51, 100), steady(151, 200))],
        ["v1@0", "v2@51", "v1@101!", "v2@151!"],
    ),
    (
        "rolled back, and forward to the next",
        [seen("v1", steady(0, 50), steady(81, 120)), seen("v2", steady(51, 80)), seen("v3", steady(121, 200))],
        ["v1@0", "v2@51", "v1@81!", "v3@121"],
    ),
    (
        "back over one: v3 to v1",
        [seen("v1", steady(0, 50), steady(201, 300)), seen("v2", steady(51, 100)), seen("v3", steady(101, 200))],
        ["v1@0", "v2@51", "v3@101", "v1@201!"],
    ),
    (
        "the next came before the rollback could be told",
        [seen("v1", steady(0, 50), steady(81, 85)), seen("v2", steady(51, 80)), seen("v3", steady(86, 200))],
        ["v1@0", "v2@51", "v3@86"],
    ),
    (
        "an old version's daily job beside the new one",
        [seen("v1", steady(0, 50), every(DAY, 180, 30 * DAY)), seen("v2", steady(51, 30 * DAY))],
        ["v1@0", "v2@51"],
    ),
    (
        "an old version's daily job of five minutes, v2 sleeping at night and at weekends",
        [
            seen("v1", steady(0, 500), *(steady(day * DAY + 180, day * DAY + 184) for day in range(1, 30))),
            seen("v2", *(steady(day * DAY + 501, day * DAY + 1_200) for day in range(30) if day % 7 < 5)),
        ],
        ["v1@0", "v2@501"],
    ),
    (
        "an old version's hourly job, v2 sleeping at night",
        [
            seen("v1", steady(0, 500), every(HOUR, 540, 20 * DAY)),
            seen("v2", *(steady(day * DAY + 501, day * DAY + 1_200) for day in range(20))),
        ],
        ["v1@0", "v2@501"],
    ),
    (
        "a job that never was anything else keeps its rhythm",
        [seen("v1", every(DAY, 0, 40 * DAY)), seen("v2", *(steady(d * DAY + 500, d * DAY + 900) for d in range(21, 41) if d % 7 < 5))],
        ["v1@0", f"v2@{21 * DAY + 500}"],
    ),
    ("night, then the same version", [seen("v1", steady(0, 300), steady(900, 1_200))], ["v1@0"]),
    (
        "night, then the older version",
        [seen("v1", steady(0, 100), steady(1_000, 1_100)), seen("v2", steady(101, 400))],
        ["v1@0", "v2@101", "v1@1000!"],
    ),
    (
        "little traffic: silence is measured by v2's own rhythm",
        [seen("v1", every(30, 0, 300), [660, 690]), seen("v2", every(30, 330, 600))],
        ["v1@0", "v2@330", "v1@660!"],
    ),
    (
        "little traffic on v1 alone: it is steady by its own rhythm of old",
        [seen("v1", every(30, 0, 300), [660, 690]), seen("v2", steady(301, 600))],
        ["v1@0", "v2@301", "v1@660!"],
    ),
    (
        "told in the very minute in which the silence is long enough",
        [seen("v1", steady(0, 50), steady(81, 90)), seen("v2", steady(51, 80))],
        ["v1@0", "v2@51", "v1@81!"],
    ),
    (
        "back to v1, then to v2",
        [seen("v1", steady(0, 50), steady(201, 300)), seen("v2", steady(51, 100), steady(301, 400)), seen("v3", steady(101, 200))],
        ["v1@0", "v2@51", "v3@101", "v1@201!", "v2@301!"],
    ),
    (
        "little traffic: v2 is late, not silent",
        [seen("v1", every(30, 0, 300), [610, 640]), seen("v2", every(30, 330, 600), [660])],
        ["v1@0", "v2@330"],
    ),
    ("v1 once, v2, then v1 twice", [seen("v1", [0], [45, 50]), seen("v2", steady(10, 30))], ["v1@0", "v2@10", "v1@45!"]),
    ("v1 once, v2, then v1 once", [seen("v1", [0], [45]), seen("v2", steady(10, 30))], ["v1@0", "v2@10"]),
    (
        "v3 was a canary, v2 is what runs: v1's long job is no rollback",
        [seen("v1", steady(0, 50), steady(600, 640)), seen("v2", steady(51, 900)), seen("v3", steady(200, 220))],
        ["v1@0", "v2@51", "v3@200"],
    ),
    (
        "v3 was a canary, then v2 is rolled back to v1",
        [seen("v1", steady(0, 50), steady(601, 900)), seen("v2", steady(51, 600)), seen("v3", steady(200, 220))],
        ["v1@0", "v2@51", "v3@200", "v1@601!"],
    ),
    ("two begin in one minute", [seen("v1.10", [5]), seen("v1.9", [5])], ["v1.9@5", "v1.10@5"]),
]


@pytest.mark.parametrize(("versions", "expected"), [row[1:] for row in SCENARIOS], ids=[row[0] for row in SCENARIOS])
def test_scenarios(versions: list[VersionSeen], expected: list[str]) -> None:
    assert told(*versions) == expected
    assert told(*reversed(versions)) == expected


def test_silence_is_a_setting() -> None:
    versions = [seen("v1", steady(0, 50), steady(81, 95)), seen("v2", steady(51, 80))]
    assert told(*versions, silence=10) == ["v1@0", "v2@51", "v1@81!"]
    assert told(*versions, silence=20) == ["v1@0", "v2@51"]
    assert told(*versions, silence=1) == ["v1@0", "v2@51", "v1@81!"]


def test_the_first_deployment_is_exact_a_return_is_known_to_the_minute() -> None:
    first = VersionSeen(version="v1", first_at=5 * MINUTE + 17, since=5, minutes=1)
    assert appearances([first], silence=TEN)[0].at == 5 * MINUTE + 17


_LINES = st.lists(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 60), st.integers(1, 7)), min_size=1, max_size=4), min_size=1, max_size=4
)
"""Versions by their spans of sightings: beginning, length, step."""


def _versions(lines: list[list[tuple[int, int, int]]]) -> list[VersionSeen]:
    return [seen(f"v{at}", *(every(step, start, start + length) for start, length, step in spans)) for at, spans in enumerate(lines)]


def _up_to(one: VersionSeen, minute: int) -> VersionSeen | None:
    kept = one.minutes & ((1 << max(0, minute + 1 - one.since)) - 1)
    return VersionSeen(version=one.version, first_at=one.first_at, since=one.since, minutes=kept) if kept else None


@settings(deadline=None)
@given(_LINES, st.integers(0, 470))
def test_what_came_later_changes_nothing_that_was_told(lines: list[list[tuple[int, int, int]]], minute: int) -> None:
    versions = _versions(lines)
    early = [one for version in versions if (one := _up_to(version, minute)) is not None]
    before, after = told(*early), told(*versions)
    assert after[: len(before)] == before


@settings(deadline=None)
@given(_LINES, st.integers(-100_000, 100_000), st.randoms(use_true_random=False))
def test_neither_order_nor_era_matters(lines: list[list[tuple[int, int, int]]], later: int, chance: object) -> None:
    versions = _versions(lines)
    expected = [(one.version, one.at, one.returned) for one in appearances(versions, silence=TEN)]
    moved = [
        VersionSeen(version=one.version, first_at=one.first_at + later * MINUTE, since=one.since + later, minutes=one.minutes)
        for one in versions
    ]
    chance.shuffle(moved)  # type: ignore[attr-defined]
    assert [(one.version, one.at - later * MINUTE, one.returned) for one in appearances(moved, silence=TEN)] == expected


@settings(deadline=None)
@given(_LINES)
def test_every_version_appears_once_and_returns_only_after_another(lines: list[list[tuple[int, int, int]]]) -> None:
    versions = _versions(lines)
    found = appearances(versions, silence=TEN)
    assert sorted(one.version for one in found if not one.returned) == sorted(one.version for one in versions)
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert all(earlier.version != later.version for earlier, later in pairwise(found))
    minutes = {one.version: one for one in versions}
    for one in found:
        version = minutes[one.version]
        assert version.minutes >> (one.at // MINUTE - version.since) & 1, "it was seen at that minute"


def test_a_year_costs_little() -> None:
    """A service of one release a week, each overlapping the next for an hour, whose v0 still runs a nightly job."""
    week = 7 * DAY
    versions = [seen(f"v{n}", steady(n * week, (n + 1) * week + HOUR)) for n in range(52)]
    versions[0] = seen("v0", steady(0, week + HOUR), every(DAY, week + 180, 52 * week))
    begun = time.process_time()
    assert len(appearances(versions, silence=TEN)) == 52
    assert time.process_time() - begun < 0.5
