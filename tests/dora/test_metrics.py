"""The five metrics, by examples that can be followed by hand."""

import statistics
from datetime import date
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dora.bands import YEARS, band
from bot.dora.failure_metrics import MeasuredFailure, comparable
from bot.dora.instants import DAY, HOUR, MINUTE, SECOND
from bot.dora.metrics import (
    Measured,
    MeasuredChange,
    Window,
    bucket_index,
    buckets,
    clip,
    is_rework,
    length_in_days,
    measure,
    midnight,
    percentile,
    summarise,
)

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
T0 = midnight(date(2026, 11, 2), UTC)  # a Monday


def change(hours, *, stages=(1, 2, 3, 4, 5), absent=(), redeployed=False, first_delivery=True):
    return MeasuredChange(
        lead_time=None if hours is None else hours * HOUR,
        stages=tuple(None if s is None else s * HOUR for s in stages),
        absent=absent,
        redeployed=redeployed,
        first_delivery=first_delivery,
    )


def deployed(day, *changes, type_="standard", failed=False, **more):
    return Measured(finished_at=T0 + int(day * DAY), type=type_, failed=failed, changes=changes, **more)


def week(*deployments, days=7, **how):
    return measure(deployments, window=Window(start=T0, end=T0 + days * DAY), **how)


def test_the_median_of_1_and_100_is_50_and_a_half():
    assert percentile([1, 100], 50) == 50.5
    assert percentile([1, 2, 3, 1000], 50) == 2.5
    assert percentile([7], 90) == 7
    assert percentile([0, 10, 20, 30], 75) == 22.5
    assert percentile(list(range(11)), 90) == 9


@given(st.lists(st.integers(0, 10**12), min_size=2, max_size=60), st.randoms())
def test_percentiles_agree_with_the_statistics_module_in_any_order(values, random):
    random.shuffle(values)
    summary = summarise(values)
    cuts = statistics.quantiles([Fraction(v) for v in values], n=100, method="inclusive")
    assert summary.median == statistics.median(values)
    assert summary.p75 == pytest.approx(float(cuts[74]), rel=1e-12)
    assert summary.p90 == pytest.approx(float(cuts[89]), rel=1e-12)
    assert summary.mean == pytest.approx(statistics.fmean(values), rel=1e-12)
    assert summary.count == len(values)


def test_frequency_divides_by_the_window_and_never_extrapolates_a_part_of_a_day():
    three = week(deployed(0.5), deployed(0.75), deployed(3))
    assert three.deployments == 3
    assert three.frequency.per_day == 3 / 7
    assert three.frequency.days_with_deployment == 2
    assert three.frequency.median_gap == (0.25 * DAY + 2.25 * DAY) / 2
    hour = Window(start=T0, end=T0 + HOUR)
    assert length_in_days(hour) == 1
    assert measure([deployed(0), deployed(0.01)], window=hour).frequency.per_day == 2


def test_nine_deployments_in_thirty_days_are_nine_by_thirty():
    assert week(*(deployed(d) for d in range(9)), days=30).frequency.per_day == 0.3


def test_a_window_is_clipped_to_now_and_to_the_first_known_event():
    asked = Window(start=0, end=100)
    assert clip(asked, now=60, first_event=10) == Window(start=10, end=60)
    assert clip(asked, now=200, first_event=None) == asked
    assert clip(asked, now=200, first_event=150) == Window(start=100, end=100)
    assert clip(Window(start=300, end=400), now=200, first_event=1) == Window(start=200, end=200)


def test_lead_time_by_commit_is_the_median_over_commits_and_by_deployment_over_their_means():
    one, two = deployed(1, change(1), change(1), change(10)), deployed(2, change(100))
    by_commit = week(one, two).lead_time
    assert by_commit.summary.median == 5.5 * HOUR
    assert by_commit.summary.mean == 28 * HOUR
    assert (by_commit.commits, by_commit.summary.count) == (4, 4)
    by_deployment = week(one, two, unit="deployment").lead_time
    assert by_deployment.summary.median == 52 * HOUR  # of the means 4 and 100
    assert (by_deployment.commits, by_deployment.summary.count) == (4, 2)
    assert by_deployment.stages == by_commit.stages


def test_a_redeployed_change_counts_again_unless_the_first_delivery_is_asked_for():
    first = deployed(1, change(2))
    again = deployed(2, change(30, redeployed=True, first_delivery=False), change(4))
    assert week(first, again).lead_time.redeployed == 1
    assert week(first, again).lead_time.commits == 3
    once = week(first, again, first_delivery=True).lead_time
    assert (once.commits, once.redeployed, once.summary.median) == (2, 0, 3 * HOUR)


def test_what_has_no_value_is_left_out_and_counted_by_its_reason():
    metrics = week(
        deployed(1, not_computed="first_deployment"),
        deployed(2, not_computed="no_git"),
        deployed(3, not_computed="no_git", has_identity=False, failed=None),
        deployed(
            4,
            change(8, stages=(None, None, None, 1, 1), absent=("no_pull_request",) * 3 + ("", "")),
            change(None, stages=(None,) * 5, absent=("bad_date",) * 5),
            change(4),
            lost={"merge": 3, "paths_unknown": 2},
        ),
    )
    assert metrics.not_counted == {
        "bad_date": 1,
        "first_deployment": 1,
        "no_failures": 1,
        "no_git": 2,
        "no_identity": 1,
        "no_pull_request": 1,
        "paths_unknown": 2,
    }
    assert metrics.lead_time.summary.median == 6 * HOUR
    assert metrics.lead_time.stages["review_time"].count == 1
    assert metrics.lead_time.stages["deploy_time"].count == 2
    assert metrics.deployments == 4


def test_an_empty_group_says_why_instead_of_zero():
    empty = week()
    assert empty.not_counted == {"no_changes": 1, "no_deployments": 1, "no_failures": 1}
    assert empty.frequency.per_day == 0
    assert empty.frequency.median_gap is None
    assert empty.lead_time.summary.median is None
    assert empty.failure_rate.value is None
    assert empty.rework.value is None
    assert empty.recovery.median is None


def test_a_deployment_of_a_source_that_is_off_counts_nowhere():
    metrics = week(deployed(1, not_computed="source_off", failed=True, type_="rollback", rework=True), deployed(2))
    assert (metrics.deployments, metrics.failure_rate.failed, metrics.rework.count) == (1, 0, 0)
    assert metrics.not_counted["source_off"] == 1


def test_the_change_failure_rate_by_each_formula():
    # V1 V2 V3 V1, and V2 failed; then a failed rollback.
    four = (
        deployed(1),
        deployed(2, failed=True, recovery_time=2 * DAY),
        deployed(3),
        deployed(4, type_="rollback", failed=True, rework=True),
    )
    documented = week(*four).failure_rate
    assert (documented.value, documented.failed, documented.deployments) == (0.5, 2, 4)
    preview = week(*four, formula="excluding_rollbacks").failure_rate
    assert (preview.value, preview.failed, preview.deployments) == (2 / 3, 2, 3)
    incidents = week(*four, formula="incidents")
    assert (incidents.failure_rate.value, incidents.not_counted["no_failures"]) == (None, 1)


def test_only_rollbacks_leave_nothing_to_divide_by():
    only = week(deployed(1, type_="rollback", failed=True), formula="excluding_rollbacks").failure_rate
    assert (only.value, only.failed, only.deployments) == (None, 1, 0)


def test_recovery_time_is_over_the_recovered_and_names_the_others():
    metrics = week(
        deployed(1, failed=True, recovery_time=10 * MINUTE),
        deployed(2, failed=True, recovery_time=30 * MINUTE),
        deployed(3, failed=True),
    )
    assert (metrics.recovery.median, metrics.recovery.mean, metrics.recovery.count) == (20 * MINUTE, 20 * MINUTE, 2)
    assert metrics.unrecovered == metrics.not_counted["unrecovered"] == 1


def test_a_deployment_of_unknown_outcome_stays_in_the_denominator():
    rate = week(deployed(1, failed=None, type_=None), deployed(2, failed=True)).failure_rate
    assert (rate.value, rate.deployments) == (0.5, 2)


@pytest.mark.parametrize(
    ("type_", "tags", "expected"),
    [
        ("rollback", (), True),
        ("rollforward", ("a:b",), True),
        ("standard", (), False),
        (None, (), False),
        ("standard", ("rework:true",), True),
        ("rollback", ("rework:false",), False),
        ("rollback", ("rework:true", "rework:false"), True),
    ],
)
def test_a_tag_corrects_detected_rework(type_, tags, expected):
    assert is_rework(type_, tags) is expected


def test_weeks_start_on_monday_and_the_outer_buckets_are_cut():
    window = Window(start=midnight(date(2026, 11, 4), UTC) + 5, end=midnight(date(2026, 11, 17), UTC))
    cut = buckets(window, interval="week", tz=UTC)
    mondays = [midnight(date(2026, 11, day), UTC) for day in (9, 16)]
    assert [w.start for w in cut] == [window.start, *mondays]
    assert [w.end for w in cut] == [*mondays, window.end]


def test_an_instant_on_an_edge_belongs_to_the_later_bucket():
    cut = buckets(Window(start=T0, end=T0 + 3 * DAY), interval="day", tz=UTC)
    assert [bucket_index(cut, at) for at in (T0, T0 + DAY - 1, T0 + DAY, T0 + 3 * DAY - 1)] == [0, 0, 1, 2]


def test_days_follow_daylight_saving():
    spring = Window(start=midnight(date(2026, 3, 28), BERLIN), end=midnight(date(2026, 3, 31), BERLIN))
    assert [w.end - w.start for w in buckets(spring, interval="day", tz=BERLIN)] == [24 * HOUR, 23 * HOUR, 24 * HOUR]
    autumn = Window(start=midnight(date(2026, 10, 25), BERLIN), end=midnight(date(2026, 10, 26), BERLIN))
    assert [w.end - w.start for w in buckets(autumn, interval="day", tz=BERLIN)] == [25 * HOUR]


def test_a_deployment_shortly_before_midnight_belongs_to_another_day_in_another_zone():
    late = [Measured(finished_at=T0 + 23 * HOUR + 30 * MINUTE, type="standard", failed=False), deployed(1.2)]
    window = Window(start=T0, end=T0 + 2 * DAY)
    assert measure(late, window=window).frequency.days_with_deployment == 2
    assert measure(late, window=window, tz=BERLIN).frequency.days_with_deployment == 1


def test_months_begin_on_the_first():
    window = Window(start=midnight(date(2026, 1, 31), UTC), end=midnight(date(2026, 3, 2), UTC))
    assert [w.start for w in buckets(window, interval="month", tz=UTC)] == [
        window.start,
        midnight(date(2026, 2, 1), UTC),
        midnight(date(2026, 3, 1), UTC),
    ]


def test_a_midnight_that_does_not_exist_is_the_moment_the_clock_jumped():
    sao_paulo = ZoneInfo("America/Sao_Paulo")
    assert midnight(date(2018, 11, 4), sao_paulo) == midnight(date(2018, 11, 4), UTC) + 3 * HOUR


def test_a_day_that_a_country_skipped_is_no_bucket():
    apia = ZoneInfo("Pacific/Apia")
    window = Window(start=midnight(date(2011, 12, 29), apia), end=midnight(date(2012, 1, 1), apia))
    assert [w.end - w.start for w in buckets(window, interval="day", tz=apia)] == [DAY, DAY]


@given(
    st.integers(0, 4 * 10**18),
    st.integers(1, 400 * DAY),
    st.sampled_from(["day", "week", "month"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"]),
)
def test_buckets_cover_their_window_without_gap_or_overlap(start, length, interval, zone):
    window = Window(start=start, end=start + length)
    cut = buckets(window, interval=interval, tz=ZoneInfo(zone))
    assert (cut[0].start, cut[-1].end) == (window.start, window.end)
    assert all(a.end == b.start for a, b in pairwise(cut))
    assert all(w.start < w.end for w in cut)
    assert all(bucket_index(cut, w.start) == i and bucket_index(cut, w.end - 1) == i for i, w in enumerate(cut))


def test_bands_are_dated_and_not_monotone():
    assert band("change_failure_rate", 0.08, year=2024) == "medium"
    assert band("change_failure_rate", 0.18, year=2024) == "high"
    assert band("change_failure_rate", 0.08, year=2023) == "high"
    assert band("change_lead_time", 5 * HOUR, year=2021) == "high"
    assert band("change_lead_time", 5 * HOUR, year=2024) == "elite"
    assert band("deployment_frequency", 3) == "elite"
    assert band("deployment_frequency", 1 / 14, year=2024) == "medium"
    assert band("deployment_frequency", 0) == "low"
    assert band("failed_deployment_recovery_time", None) is None
    assert band("failed_deployment_recovery_time", 30 * SECOND) == "elite"
    assert YEARS == (2019, 2021, 2023, 2024)


def failed(*services, teams=(), restore=None, still=False, day=1):
    return MeasuredFailure(
        started_at=T0 + day * DAY, services=frozenset(services), teams=frozenset(teams), has_env=True,
        time_to_restore=restore, is_open=still,
    )  # fmt: skip


def test_failures_are_divided_by_the_deployments_of_what_has_both():
    shop, cart = deployed(1, service="shop", team="core"), deployed(2, service="cart", team="core")
    assert comparable([], [failed("shop")]) == comparable([("shop", "")], []) == (0, 0)
    for failures, expected in (
        ([failed("shop")], (1, 1)),
        ([failed("shop", "cart")], (1, 2)),
        ([failed(teams=["core"])], (1, 2)),
        ([failed("shop"), failed(teams=["core"])], (2, 2)),
        ([failed("mail", teams=["core"])], (0, 0)),
        ([failed()], (0, 0)),
        ([failed("shop")] * 3, (3, 1)),
    ):
        rate = measure([shop, cart], failures, window=Window(start=T0, end=T0 + DAY), formula="incidents").failure_rate
        assert (rate.failed, rate.deployments) == expected
        assert rate.value == (expected[0] / expected[1] if expected[1] else None)


def test_what_has_no_time_to_restore_is_open_or_was_never_seen_active():
    failures = [failed("a", restore=HOUR), failed("a", restore=3 * HOUR), failed(still=True), failed("b")]
    metrics = measure([], failures, window=Window(start=T0, end=T0 + DAY))
    assert (metrics.restore.summary.median, metrics.restore.summary.count, metrics.restore.open) == (2 * HOUR, 2, 1)
    assert {name: metrics.not_counted.get(name) for name in ("open", "never_active", "no_failures", "unrecovered")} == {
        "open": 1, "never_active": 1, "no_failures": None, "unrecovered": None,
    }  # fmt: skip
    assert (metrics.failures.count, metrics.failures.without_service, metrics.failures.without_team) == (4, 1, 4)


NAMES = st.sets(st.sampled_from("abc"), max_size=2)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "x", "y"])), max_size=8),
    st.lists(st.builds(lambda services, teams: failed(*services, teams=teams), NAMES, st.sets(st.sampled_from("xy"), max_size=2))),
)
def test_no_more_is_compared_than_there_is_and_nothing_without_the_other(deployed_by, failures):
    events, of = comparable(deployed_by, failures)
    assert 0 <= events <= len(failures) and 0 <= of <= len(deployed_by)
    assert (events == 0) == (of == 0)
    assert comparable(deployed_by[::-1], failures[::-1]) == (events, of)
