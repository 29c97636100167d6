"""The silence alarm, on made-up rhythms and on the inbox of both stores."""

from collections.abc import Iterator

import pytest

from bot.answers.health import LOOK_BACK, correspondence_waiting, hook_health, is_quiet, usual_gap
from bot.dora.instants import DAY, HOUR, MINUTE, Instant
from bot.facts.errands import LOG, want_errand
from bot.facts.hooks import load_hooks, record_failing, record_hooks, record_log_page
from bot.forges.client import HookSeen
from bot.store import Receipt, Store

MONDAY = 20_717 * DAY
"""2026-09-21."""


def _office_hours(until: Instant, *, weeks: int = 4) -> list[Instant]:
    """Every hour from 9 to 18 on working days."""
    first = MONDAY - weeks * 7 * DAY
    days = [first + day * DAY for day in range(weeks * 7 + 14) if day % 7 < 5]
    return [at for day in days for hour in range(9, 18) if until - LOOK_BACK <= (at := day + hour * HOUR) <= until]


def _around_the_clock(until: Instant) -> list[Instant]:
    return [until - hour * HOUR for hour in range(24 * 14)][::-1]


def _silent_hours(busy: list[Instant], *, days: int) -> Iterator[Instant]:
    """Whole hours after the last delivery at which the alarm is on."""
    last = busy[-1]
    for hour in range(1, days * 24):
        now = last + hour * HOUR
        if is_quiet([at for at in busy if at >= now - LOOK_BACK], last=last, now=now):
            yield hour


def test_a_source_that_never_rests_is_missed_after_three_hours() -> None:
    assert next(_silent_hours(_around_the_clock(MONDAY), days=2)) == 3


def test_a_silent_working_day_is_flagged_the_same_day() -> None:
    tuesday_ten = MONDAY + DAY + 10 * HOUR
    assert next(_silent_hours(_office_hours(tuesday_ten), days=3)) <= 4


@pytest.mark.parametrize("end", [17, 12], ids=["Friday evening", "Friday noon"])
def test_a_weekend_raises_no_alarm_and_a_silent_monday_does(end: int) -> None:
    friday = MONDAY - 3 * DAY + end * HOUR
    busy = _office_hours(friday)
    alarms = list(_silent_hours(busy, days=5))
    if end == 17:
        monday_nine = (MONDAY + 9 * HOUR - busy[-1]) // HOUR
        assert alarms[0] > monday_nine
        assert alarms[0] <= monday_nine + 24
    else:
        assert alarms[0] <= 6, "four silent hours of a Friday afternoon"


def test_one_earlier_outage_does_not_dull_the_alarm() -> None:
    busy = [at for at in _around_the_clock(MONDAY) if not MONDAY - 8 * DAY < at < MONDAY - 3 * DAY]
    assert next(_silent_hours(busy, days=2)) <= 4


def test_one_saturday_of_work_makes_no_habit() -> None:
    friday = MONDAY - 3 * DAY + 17 * HOUR
    saturday = [friday - 6 * DAY + hour * HOUR for hour in range(-17, 7)]
    busy = sorted({*_office_hours(friday), *saturday})
    assert next(_silent_hours(busy, days=5)) > 31, "not on this Saturday"


def test_without_a_rhythm_nothing_is_missed() -> None:
    assert usual_gap([MONDAY, MONDAY + HOUR]) is None
    assert not is_quiet([MONDAY, MONDAY + HOUR], last=MONDAY + HOUR, now=MONDAY + 30 * DAY)
    assert not is_quiet([], last=None, now=MONDAY)


def _deliver(store: Store, instants: list[Instant]) -> None:
    rows = [(n, "github", f"d{n}", "push", at, "{}", b"", "", "done", "", 1, at) for n, at in enumerate(instants, 1_000)]
    store.write(lambda writer: writer.write_many("inbox", rows))


@pytest.mark.parametrize("known_to_log", [False, True])
async def test_the_alarm_of_a_hook(store: Store, known_to_log: bool) -> None:
    busy = _around_the_clock(MONDAY)
    _deliver(store, busy)
    seen = (HookSeen(id="app", subject="GitHub App bot", state="active"),)
    store.write(lambda writer: record_hooks(writer, "github", seen))
    if known_to_log:
        store.write(lambda writer: record_log_page(writer, forge="github", id="app", gaps=3, repaired=2, arrived_at=MONDAY))
        # Repairs fill the inbox while nothing arrives by itself.
        receipt = Receipt(source="github", key="r", event="push", received_at=MONDAY + 4 * HOUR, headers={}, body=b"")
        await store.append(receipt)

    (before,) = store.read(lambda reader: hook_health(reader, MONDAY + 2 * HOUR))
    (after,) = store.read(lambda reader: hook_health(reader, MONDAY + 3 * HOUR + MINUTE))
    assert (before.quiet, before.usual_gap, before.last_delivery_at) == (False, HOUR, MONDAY)
    assert after.quiet
    if known_to_log:
        (later,) = store.read(lambda reader: hook_health(reader, MONDAY + 5 * HOUR))
        assert (later.quiet, later.gaps, later.repaired, later.last_delivery_at) == (True, 3, 2, MONDAY)


def test_a_hook_that_was_switched_off_alarms_at_once(store: Store) -> None:
    seen = (HookSeen(id="project/3/1", subject="grp/one", state="disabled", reason="40 failures"),)
    store.write(lambda writer: record_hooks(writer, "gitlab", seen))
    (told,) = store.read(lambda reader: hook_health(reader, MONDAY))
    assert (told.quiet, told.state, told.error, told.usual_gap) == (True, "disabled", "40 failures", None)
    store.write(lambda writer: record_hooks(writer, "gitlab", ()))
    (told,) = store.read(lambda reader: hook_health(reader, MONDAY))
    assert (told.quiet, told.state) == (True, "gone")


def test_what_the_log_says_of_a_hook_stays_until_the_log_says_otherwise(store: Store) -> None:
    seen = (HookSeen(id="app", subject="GitHub App bot", state="active"),)
    store.write(lambda writer: record_hooks(writer, "github", seen))
    (hook,) = store.read(load_hooks)
    store.write(lambda writer: record_failing(writer, hook, failing="the last 3 deliveries or more did not arrive"))
    store.write(lambda writer: record_hooks(writer, "github", seen))
    (told,) = store.read(lambda reader: hook_health(reader, MONDAY))
    assert (told.quiet, told.state, told.error) == (True, "failing", "the last 3 deliveries or more did not arrive")
    (hook,) = store.read(load_hooks)
    store.write(lambda writer: record_failing(writer, hook, failing=""))
    (told,) = store.read(lambda reader: hook_health(reader, MONDAY))
    assert (told.quiet, told.state, told.error) == (False, "active", "")


def test_what_waits_is_counted(store: Store) -> None:
    store.write(lambda writer: want_errand(writer, kind=LOG, forge="github", owner="", subject="app", now=MONDAY))
    assert store.read(lambda reader: correspondence_waiting(reader, MONDAY - 1)) == (0, 0, None)
    assert store.read(lambda reader: correspondence_waiting(reader, MONDAY + HOUR)) == (1, 0, MONDAY)
