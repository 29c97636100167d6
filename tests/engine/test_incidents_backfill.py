"""`backfill --incidents-from`: what another server tells of incidents is brought in, once, and never over what was said here."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest

from bot.answers.failures import FailureRow, load_failure
from bot.answers.fingerprint import fingerprint_lines
from bot.answers.questions import EVERY_SERVICE
from bot.dora.incidents import Field, Incident, IncidentSaid
from bot.dora.instants import DAY, MINUTE
from bot.engine import control, incidents_backfill
from bot.engine.incidents_backfill import backfill_incidents, bring_in
from bot.engine.incidents_client import IncidentsApiError, origin_of
from bot.facts.incidents import change_incident, delete_incident, load_incident
from bot.facts.sources import load_selection, select_source
from bot.store import Store
from bot.store.opening import open_store
from tests.engine.incidents_room import KEYS, NOW, Original, original
from tests.pipeline.naming_room import at, iso
from tests.web.doors import API_KEY, open_door
from tests.web.test_incidents_api import FIELDS, declare, patch, state

WAVES = {"active": [(0, 20), (50, 55)], "stable": [(20, 50), (55, 90)], "resolved": [(90, None)]}
"""docs/how-numbers-are-made.md: 20 + 5 minutes."""


async def read(store: Store, other: Original, **keys: str) -> dict[str, Any]:
    """One run of the backfill."""
    client = other.client(**keys)
    try:
        return await bring_in(store, client, progress=other.said.append, clock=lambda: NOW)
    finally:
        await client.close()


def failure(store: Store, id: str) -> FailureRow | None:
    return store.read(lambda reader: load_failure(reader, id, visible=EVERY_SERVICE))


def incident(store: Store, id: str) -> Incident:
    found = store.read(lambda reader: load_incident(reader, id))
    assert found is not None
    return found


def minutes(duration: int | None) -> float | None:
    return None if duration is None else duration / MINUTE


async def test_the_past_two_years_are_brought_in_with_their_states(store: Store) -> None:
    async with original() as other:
        fields = {
            "services": {"type": "autocomplete", "value": ["Shop", "cart"]}, "teams": {"type": "autocomplete", "value": ["Core"]},
            "envs": {"type": "multiselect", "value": ["prod"]}, "severity": {"type": "dropdown", "value": "SEV-2"},
        }  # fmt: skip
        other.know("waves", 0, WAVES, fields=fields)
        other.know("hurts", 30, {"active": [(30, None)]}, state="active")
        other.know("test", 40, {"active": [(40, None)]}, state="active", is_test=True)
        other.know("long-ago", (NOW - at(0) - 2 * 365 * DAY) / MINUTE - 1, WAVES)
        told = await read(store, other)
    assert {name: told[name] for name in ("read", "new", "changed", "same", "older", "tests", "unread", "counted")} == {
        "read": 4, "new": 3, "changed": 0, "same": 0, "older": 1, "tests": 1, "unread": 0, "counted": 2,
    }  # fmt: skip
    waves, hurts = failure(store, "waves"), failure(store, "hurts")
    assert waves is not None and hurts is not None
    assert (waves.source, waves.services_shown, waves.own_teams, waves.envs_shown, waves.severity) == (
        "incidents", ("cart", "Shop"), ("Core",), ("prod",), "SEV-2",
    )  # fmt: skip
    assert (waves.started_at, waves.finished_at, waves.state, minutes(waves.time_to_restore)) == (at(0), at(90), "resolved", 25)
    assert (hurts.started_at, hurts.finished_at, hurts.state, hurts.time_to_restore) == (at(30), None, "active", None)
    assert failure(store, "test") is None, "a test stays a test"


async def test_a_repetition_changes_nothing(store: Store) -> None:
    async with original() as other:
        other.know("waves", 0, WAVES)
        await read(store, other)
        before = store.read(fingerprint_lines)
        again = await read(store, other)
    assert (again["new"], again["changed"], again["same"]) == (0, 0, 1)
    assert store.read(fingerprint_lines) == before


async def test_what_was_edited_there_replaces_what_was_read_but_not_what_was_said_here(store: Store) -> None:
    async with original() as other:
        severe = {"severity": {"type": "dropdown", "value": "SEV-3"}, "services": {"type": "autocomplete", "value": ["shop"]}}
        other.know("waves", 0, {"active": [(0, None)]}, state="active", fields=severe)
        await read(store, other)
        said = IncidentSaid(fields=(Field(name="severity", kind="dropdown", values=("SEV-1",)),))
        store.write(lambda writer: change_incident(writer, "waves", said, received_at=at(60), receipt=7))
        edited = severe | {"services": {"type": "autocomplete", "value": ["cart"]}}
        other.know("waves", 0, WAVES, title="Edited", modified=iso(90), fields=edited)
        assert (await read(store, other))["changed"] == 1
        other.know("waves", 0, WAVES, title="Of old", modified=iso(80))
        assert (await read(store, other))["same"] == 1, "what is older says nothing new"
    found, shown = incident(store, "waves"), failure(store, "waves")
    assert (found.title, found.severity, found.services, found.modified_at) == ("Edited", "SEV-1", ("cart",), at(90))
    assert shown is not None and (shown.state, minutes(shown.time_to_restore), shown.severity) == ("resolved", 25, "SEV-1")


async def test_what_becomes_a_test_there_is_no_failure_any_more(store: Store) -> None:
    async with original() as other:
        other.know("waves", 0, WAVES)
        await read(store, other)
        other.know("waves", 0, WAVES, is_test=True, modified=iso(95))
        assert (await read(store, other))["counted"] == 0
    assert failure(store, "waves") is None


async def test_what_was_deleted_here_stays_deleted(store: Store) -> None:
    async with original() as other:
        other.know("waves", 0, WAVES)
        await read(store, other)
        store.write(lambda writer: delete_incident(writer, "waves", received_at=at(99), receipt=3, by="ann"))
        told = await read(store, other)
    assert (told["deleted"], told["new"], told["counted"]) == (1, 0, 0)


async def test_without_a_search_the_last_state_is_taken(store: Store) -> None:
    async with original() as other:
        other.searchable = False
        other.know("over", 0, resolved=iso(30), modified=iso(70))
        other.know("untold", 0, modified=iso(70))
        other.know("done", 0, state="completed", resolved=iso(40))
        assert (await read(store, other))["without_periods"] == 3
        assert any("does not let its incidents be searched" in text for text in other.said)
    restored = {id: minutes(found.time_to_restore) for id in ("over", "untold", "done") if (found := failure(store, id))}
    assert {id: round(value or 0) for id, value in restored.items()} == {"over": 30, "untold": 70, "done": 40}


async def test_pages_are_followed_to_their_end_however_small_the_server_makes_them(store: Store) -> None:
    async with original() as other:
        other.largest = 3
        for number in range(8):
            other.know(f"incident-{number}", number, {"active": [(number, None)]}, state="active")
        assert (await read(store, other))["new"] == 8


async def test_limits_are_waited_for_and_said(store: Store) -> None:
    async with original() as other:
        other.know("waves", 0, WAVES)
        other.answers = [
            (429, {"X-RateLimit-Reset": "17"}, b""), (429, {"Retry-After": "2"}, b""), (429, {}, b""), (503, {}, b"<html>"),
            (429, {"X-RateLimit-Reset": str(NOW // 10**9 + 90)}, b""),
        ]  # fmt: skip
        assert (await read(store, other))["new"] == 1
    assert other.waited == [17, 2, 10, 1, 90]
    assert other.said[0] == "the server limits how often it may be asked; going on in 17 seconds"


async def test_an_incident_that_cannot_be_read_spares_the_others(store: Store) -> None:
    async with original() as other:
        other.know("waves", 0, WAVES)
        other.know("broken", 5)["attributes"]["created"] = "yesterday"
        other.know("not/an/id", 6)
        told = await read(store, other)
    assert (told["new"], told["unread"]) == (1, 2)
    assert set(told["errors"]) == {"broken", "not/an/id"} and "id" in told["errors"]["not/an/id"]


REFUSED = {
    "no permission": ((403, {}, b"{}"), "refuses these keys (403)"),
    "elsewhere": ((302, {"Location": "https://user:secret@app.example.com/login?next=x"}, b""), "leads elsewhere (302): give the API's own"),
    "another server": ((404, {}, b""), "has no incidents API (404)"),
    "bad question": ((422, {}, b""), "refuses the question (status 422)"),
    "a page for people": ((200, {}, b"<html>"), "the answer is no list of incidents"),
    "another list": ((200, {}, b'{"data": {"id": 1}}'), "the answer is no list of incidents"),
    "more than was asked for": ((200, {}, b'{"data": [' + b"{}," * 1_000 + b"{}]}"), "Expected `array` of length <= 1000"),
    "more than can be held": ((200, {}, b" " * (8 << 20) + b"{}"), "is larger than 8 MiB"),
    "more than it seems": ((200, {"Content-Encoding": "gzip"}, gzip.compress(b" " * (9 << 20))), "cannot be unpacked (too_large)"),
}


@pytest.mark.parametrize("refused", REFUSED)
async def test_refusals_say_what_to_do(store: Store, refused: str) -> None:
    answer, words = REFUSED[refused]
    async with original() as other:
        other.answers = [answer]
        with pytest.raises(IncidentsApiError) as caught:
            await read(store, other)
    assert words in str(caught.value)
    assert not any(word in str(caught.value) for word in ("secret", "app.example.com"))


async def test_a_compressed_page_is_read(store: Store) -> None:
    async with original() as other:
        other.know("waves", 0, WAVES)
        page = json.dumps({"data": other.incidents}).encode()
        other.answers = [(200, {"Content-Encoding": "gzip"}, gzip.compress(page))]
        assert (await read(store, other))["new"] == 1


async def test_a_state_of_the_future_is_refused_as_it_is_by_api(store: Store) -> None:
    soon, later = (NOW - at(0)) / MINUTE + 10, (NOW - at(0)) / MINUTE + 11
    async with original() as other:
        other.know("waves", 0, WAVES)
        other.know("fast-clock", 5, {"active": [(5, soon)], "resolved": [(soon, None)]})
        other.know("prophecy", 5, {"active": [(5, later)], "resolved": [(later, None)]})
        other.know("declared", 5, {"active": [(5, None)]}, state="active", declared=iso(later))
        told = await read(store, other)
    assert (told["new"], told["unread"]) == (2, 2)
    assert told["errors"] == dict.fromkeys(("declared", "prophecy"), "it tells of a time that has not come")
    assert failure(store, "prophecy") is None


async def test_what_one_incident_may_hold(store: Store) -> None:
    async with original() as other:
        other.know("waves", 0, WAVES)
        other.know("long", 5, title="x" * (1 << 20))
        other.know("restless", 6, field_analytics={"state": {"active": {"spans": [{"start": 1, "end": 2}] * 1_001}}})
        for number in range(30):
            other.know(f"not/an/id/{number}", 7)
        other.know("a\x1b[2Jb/", 8)
        told = await read(store, other)
    assert (told["new"], told["unread"], len(told["errors"])) == (1, 33, 20), "they are counted, and the first are named"
    assert told["errors"]["?"].startswith("the body has") and "1,000 periods" in told["errors"]["restless"]


async def test_a_list_that_does_not_end_is_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async with original() as other:
        other.largest = 1
        for number in range(4):
            other.know(f"incident-{number}", number, WAVES)
        monkeypatch.setattr(incidents_backfill, "MOST_PAGES", 3)
        with pytest.raises(IncidentsApiError, match="after 3 incidents no more is read"):
            await read(store, other)
        monkeypatch.setattr(incidents_backfill, "MOST_PAGES", 30)
        assert (await read(store, other))["read"] == 4
        monkeypatch.setattr(incidents_backfill, "MOST_TOLD", 2)
        with pytest.raises(IncidentsApiError, match="more than 2 periods"):
            await read(store, other)


async def test_a_server_that_only_limits_is_given_up(store: Store) -> None:
    async with original() as other:
        other.answers = [(429, {"Retry-After": "3600"}, b"")] * 101
        with pytest.raises(IncidentsApiError, match="limited us 100 times in a row"):
            await read(store, other)
        assert sum(other.waited) == 100 * 3600


async def test_it_ends_when_who_asked_goes_away(store: Store) -> None:
    """As after Ctrl-C: the page that was recorded stays, and the server is asked no more."""
    reached, ended = asyncio.Event(), asyncio.Event()

    async def stay(seconds: float) -> None:
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with original() as other:
        other.know("waves", 0, WAVES)
        page = json.dumps({"data": other.incidents}).encode()
        other.searchable, other.answers = False, [(200, {}, page), (403, {}, b""), (429, {}, b"")]
        client = other.client()
        client.sleep = stay

        async def perform(command: str, arguments: Mapping[str, object], progress: control.Progress) -> object:
            return await bring_in(store, client, progress=progress, clock=lambda: NOW)

        server, path = await control.listen(perform)
        asking = asyncio.ensure_future(control.ask(path, "backfill.incidents", {}, progress=other.said.append))
        try:
            await asyncio.wait_for(reached.wait(), 10)
            assert not ended.is_set()
            asking.cancel()
            await asyncio.wait_for(ended.wait(), 10)
        finally:
            control.close(server, path)
            await client.close()
        assert len(other.asked) == 3
    assert failure(store, "waves") is not None


async def test_wrong_keys_are_refused_and_not_told(store: Store) -> None:
    async with original() as other:
        with pytest.raises(IncidentsApiError, match="refuses these keys") as caught:
            await read(store, other, app_key="another-key")
    assert "another-key" not in str(caught.value)
    assert KEYS["DD-API-KEY"] not in str(caught.value)


async def test_a_server_that_fails_is_asked_again_a_few_times(store: Store) -> None:
    async with original() as other:
        other.answers = [(500, {}, b"")] * 5
        with pytest.raises(IncidentsApiError, match=r"does not answer \(status 500\)"):
            await read(store, other)
        assert other.waited == [1, 2, 5, 10]
    with pytest.raises(IncidentsApiError, match=r"does not answer \(no connection\)"):
        await read(store, other)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.datadoghq.eu", "https://api.datadoghq.eu"),
        (" https://api.datadoghq.com/ ", "https://api.datadoghq.com"),
        ("https://api.datadoghq.com/api/v2/incidents", "https://api.datadoghq.com"),
        ("http://127.0.0.1:8080/team/api/v2/", "http://127.0.0.1:8080/team"),
    ],
)
def test_where_the_api_lies(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", ["", "api.datadoghq.com", "ftp://api.example.com", "https://", "https://a:b@api.example.com", "http://[", "http://x:y"])
def test_what_is_no_url_of_an_api(url: str) -> None:
    with pytest.raises(IncidentsApiError):
        origin_of(url)


async def test_another_rollforward_tells_its_incidents_whole(store: Store, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its list tells the states: the search is not needed. A source that was off is on afterwards."""
    theirs = open_store(f"sqlite:///{tmp_path_factory.mktemp('theirs')}/store.db")
    theirs.migrate()
    store.write(lambda writer: select_source(writer, "failures", "incidents", on=False, at=1))
    async with open_door(theirs) as door:
        id = (await declare(door, fields=FIELDS, customer_impact_scope="all"))["id"]
        await patch(door, id, after=20 * MINUTE, fields=state("stable"))
        await patch(door, id, after=30 * MINUTE, fields=state("active"))
        await patch(door, id, after=5 * MINUTE, fields=state("resolved"))
        told = await backfill_incidents(
            store, url=str(door.client.make_url("/")), api_key=API_KEY, app_key=API_KEY, progress=lambda _: None,
            clock=lambda: door.now[0],
        )  # fmt: skip
    shown, whole = failure(theirs, id), failure(store, id)
    theirs.close()
    assert (told["new"], told["without_periods"], told["counted"]) == (1, 0, 1)
    assert shown is not None and whole is not None
    assert minutes(whole.time_to_restore) == minutes(shown.time_to_restore) == 25
    assert (whole.services, whole.envs, whole.own_teams, whole.severity, whole.state, whole.name) == (
        shown.services, shown.envs, shown.own_teams, shown.severity, shown.state, shown.name,
    )  # fmt: skip
    assert store.read(lambda reader: load_selection(reader, "failures")).switch("incidents").on
