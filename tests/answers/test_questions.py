"""Questions, cursors, and how answers look outside."""

import csv
import io
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answers.cursors import Cursor, CursorError
from bot.answers.encode import rfc3339, seconds, to_json
from bot.answers.questions import (
    Asker,
    Form,
    InvalidParameterError,
    UnknownParameterError,
    parse_filters,
    parse_instant,
    parse_metrics,
)
from bot.answers.tables import to_csv, to_table
from bot.dora.instants import DAY, LATEST, SECOND
from bot.dora.metrics import midnight

NOW = 1_795_305_600 * SECOND
ASKER = Asker(now=NOW)
UTC, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
INJECTIONS = (
    "=1+1", "=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "  @x", "＝1", "＋1", "－1", "＠x",
    '=HYPERLINK("http://evil.example","x")', "=\"a\"", "-", "+", "@", "=",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-22T00:00:00Z", NOW),
        ("2026-11-22t01:00:00+01:00", NOW),
        ("2026-11-22T01:00:00 01:00", NOW),  # a plus that was not escaped
        ("2026-11-21T19:30:00-04:30", NOW),
        ("2026-11-22T00:00:00.000000001Z", NOW + 1),
        ("2026-11-22T00:00:00.5Z", NOW + SECOND // 2),
        ("2026-11-22", NOW),
    ],
)
def test_instants_are_rfc_3339_or_a_date(text, expected):
    assert parse_instant(text, name="from", tz=UTC) == expected


def test_a_date_is_its_midnight_in_the_time_zone():
    assert parse_instant("2026-07-01", name="from", tz=BERLIN) == midnight(date(2026, 7, 1), UTC) - 2 * 3600 * SECOND


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026", "2026-13-01", "2026-02-30", "2026-11-22T00:00:00", "2026-11-22T25:00:00Z", "1969-12-31", "2262-01-01",
     "2026-11-22T00:00:00.0000000001Z", "٢٠٢٦-١١-٢٢", "0001-01-01T00:00:00+23:59", "9999-12-31", "2026-11-22T00:00:60Z"],
)  # fmt: skip
def test_other_texts_are_no_instants_and_the_refusal_names_the_parameter(text):
    with pytest.raises(InvalidParameterError) as refused:
        parse_instant(text, name="to", tz=UTC)
    assert refused.value.parameter == "to"


@given(st.integers(0, LATEST - 1))
def test_an_instant_written_and_read_is_the_same(at):
    text = rfc3339(at)
    assert parse_instant(text, name="from", tz=UTC) == at
    assert text.endswith("Z")
    assert "." not in text or not text.rstrip("Z").endswith("0")


def test_durations_are_seconds_and_whole_ones_stay_whole():
    assert (seconds(240 * SECOND), seconds(SECOND // 2), seconds(1.5 * SECOND)) == (240, 0.5, 1.5)
    assert repr(to_json({"median": 240 * SECOND, "x": 240, "recovery_time": 5 * SECOND, "finished_at": NOW})) == (
        "{'median': 240, 'x': 240, 'recovery_time': 5, 'finished_at': '2026-11-22T00:00:00Z'}"
    )


def test_encoding_twice_changes_nothing():
    once = to_json({"median": 90 * SECOND, "mean": SECOND // 3, "at": None, "sha": b"\x01\xff", "to": NOW, "tags": ("a",)})
    assert to_json(once) == once == {
        "median": 90, "mean": pytest.approx(1 / 3), "at": None, "sha": "01ff", "to": "2026-11-22T00:00:00Z", "tags": ["a"]
    }  # fmt: skip


def test_without_a_window_the_last_thirty_days_are_asked_for():
    question = parse_metrics([], ASKER)
    assert (question.filters.from_at, question.filters.to_at) == (NOW - 30 * DAY, NOW)
    old = parse_metrics([("to", "2026-03-31")], ASKER)
    assert old.filters.to_at - old.filters.from_at == 30 * DAY


@pytest.mark.parametrize(
    ("pairs", "parameter"),
    [
        ([("interval", "year")], "interval"),
        ([("group_by", "day")], "group_by"),
        ([("tz", "Mars/Olympus")], "tz"),
        ([("tz", "../../etc/passwd")], "tz"),
        ([("unit", "commits")], "unit"),
        ([("formula", "x")], "formula"),
        ([("first_delivery", "1")], "first_delivery"),
        ([("from", "2026-02-01"), ("to", "2026-01-01")], "from"),
        ([("from", "2027-01-01")], "from"),
        ([("service", "a"), ("service", "b")], "service"),
        ([("repository", "not a repository")], "repository"),
        ([("team", "a\x00b")], "team"),
        ([("tag", "\ud800")], "tag"),
    ],
)
def test_an_invalid_value_is_refused_by_the_name_of_its_parameter(pairs, parameter):
    with pytest.raises(InvalidParameterError) as refused:
        parse_metrics(pairs, ASKER)
    assert refused.value.parameter == parameter


def test_an_unknown_parameter_is_refused_by_its_name():
    with pytest.raises(UnknownParameterError) as refused:
        parse_metrics([("servise", "x")], ASKER)
    assert refused.value.parameter == "servise"


def test_filters_are_canonical_and_env_knows_production_and_none():
    def envs(value):
        return parse_filters(Form([("env", value)], known=("env",)), ASKER).envs

    assert envs("production") == envs(" Production ") == {"prod", "production", "live", ""}
    assert envs("none") == {""}
    assert envs("STAGING") == {"staging"}
    form = Form([("service", " Shop "), ("repository", "git@GitHub.com:Acme/Shop.git")], known=("service", "repository"))
    filters = parse_filters(form, ASKER)
    assert filters.echo == {"service": "shop", "repository": "github.com/acme/shop"}


@given(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00")))
def test_a_cursor_comes_back_as_the_key_it_was(at, text):
    assert Cursor.decode(Cursor.encode((at, text)), (int, str)) == (at, text)


@given(st.text(max_size=60))
def test_a_mutilated_cursor_is_refused_and_nothing_else(text):
    try:
        at, _ = Cursor.decode(text, (int, str))
    except CursorError:
        return
    assert isinstance(at, int)


@pytest.mark.parametrize("key", [(1,), ("1", "a"), (1, 2), (True, "a"), (2**63, "a"), (1, "a", "b"), (1, "\x00"), ()])
def test_a_cursor_of_another_list_is_refused(key):
    with pytest.raises(CursorError):
        Cursor.decode(Cursor.encode(key), (int, str))


@pytest.mark.parametrize("text", INJECTIONS)
def test_csv_runs_nothing_in_a_spreadsheet(text):
    rows = list(csv.reader(io.StringIO(to_csv(["a", "b"], [[text, [text, "x"]]]), newline="")))
    assert all(cell.startswith("'") for cell in rows[1])
    assert rows[1][0] == f"'{text}"


def test_csv_leaves_numbers_and_harmless_texts_alone():
    assert to_csv(["a", "b", "c", "d", "e"], [[-1.5, "a=b", None, True, ["x", "y"]]]) == "a,b,c,d,e\r\n-1.5,a=b,,true,x; y\r\n"


@given(st.lists(st.lists(st.none() | st.booleans() | st.integers() | st.text(), min_size=2, max_size=2), max_size=5))
def test_csv_has_a_row_per_row_whatever_it_holds(rows):
    read = list(csv.reader(io.StringIO(to_csv(["a", "b"], rows), newline="")))
    assert len(read) == len(rows) + 1
    assert all(len(row) == 2 for row in read)
    for cell in (cell for row in read[1:] for cell in row):
        assert not cell.lstrip(" ").startswith(("=", "+", "@")) or cell.lstrip("+").isdigit()


def test_a_table_is_aligned_and_steers_no_terminal():
    table = to_table(["name", "n"], [["a\x1b[2J", 5], ["bcd", 1234], [None, None]])
    assert table == "name      n\n─────  ────\na�[2J     5\nbcd    1234\n–         –\n"
