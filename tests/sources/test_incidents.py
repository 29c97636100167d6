"""Incidents in the body of a request: what is taken, what is refused, and by which name."""

import json

import pytest

from bot.dora.failures import State
from bot.dora.incidents import CLEARED, Field, Handle, StateSaid
from bot.sources.fields import InvalidError
from bot.sources.incidents import parse_incident_change, parse_new_incident

AT = 1_792_000_000 * 10**9
TEXT = "2026-10-14T17:46:40Z"


def document(*, type: object = "incidents", id: object = ..., relationships: object = ..., **attributes: object) -> bytes:
    """A request about an incident; `...` leaves something out."""
    data = {"type": type, "id": id, "attributes": attributes, "relationships": relationships}
    return json.dumps({"data": {name: value for name, value in data.items() if value is not ...}}).encode()


def new(**attributes: object) -> bytes:
    given: dict[str, object] = {"title": "Down", "customer_impacted": True}
    given |= attributes
    return document(**{name: value for name, value in given.items() if value is not ...})


def test_a_new_incident_is_active_from_its_declaration_on() -> None:
    said = parse_new_incident(new())
    assert (said.title, said.customer_impacted, said.declared) == ("Down", True, None)
    assert said.states == (StateSaid(state=State.ACTIVE, at=None),)
    assert parse_new_incident(new(declared=TEXT)).states == (StateSaid(state=State.ACTIVE, at=AT),)
    stable = {"state": {"type": "dropdown", "value": "stable"}}
    assert parse_new_incident(new(fields=stable)).states == (StateSaid(state=State.STABLE, at=None),)


def test_an_incident_of_the_past_is_told_in_one_request() -> None:
    fields = {"state": {"value": "Resolved", "at": "2026-10-14T19:46:40.000001+01:00"}}
    said = parse_new_incident(new(declared="2026-10-14T17:46:40.5", fields=fields))
    assert said.states == (
        StateSaid(state=State.ACTIVE, at=AT + 5 * 10**8), StateSaid(state=State.RESOLVED, at=AT + 3600 * 10**9 + 1_000),
    )  # fmt: skip


def test_fields_of_every_kind() -> None:
    said = parse_new_incident(
        new(
            fields={
                "severity": {"type": "dropdown", "value": "SEV-1"}, "summary": {"type": "textbox", "value": "x"},
                "services": {"type": "autocomplete", "value": ["a", "b"]}, "envs": {"type": "multiselect", "value": []},
                "teams": {"value": ["core"]}, "gone": {"type": "metrictag", "value": None}, "cleared": {"value": None},
                "state": {"value": None}, "unknown": {"type": "textarray", "value": ["x"], "more": {"y": 1}},
            },
            is_test=True, incident_type_uuid="t", notification_handles=[{"handle": "@a", "display_name": "A"}, {}], initial_cells=[{"x": 1}],
        )
    )  # fmt: skip
    assert said.fields == (
        Field(name="severity", kind="dropdown", values=("SEV-1",)), Field(name="summary", kind="textbox", values=("x",)),
        Field(name="services", kind="autocomplete", values=("a", "b")), Field(name="envs", kind="multiselect", values=()),
        Field(name="teams", kind="multiselect", values=("core",)), Field(name="gone", kind="metrictag", values=()),
        Field(name="cleared", kind="dropdown", values=()), Field(name="unknown", kind="textarray", values=("x",)),
    )  # fmt: skip
    assert (said.is_test, said.incident_type) == (True, "t")
    assert said.handles == (Handle(handle="@a", display_name="A"), Handle(handle="", display_name=""))


def test_a_change_says_what_it_says() -> None:
    nothing = parse_incident_change(document(), id="x")
    assert nothing == parse_incident_change(b'{"data": {"type": "incidents", "id": "x"}}', id="x")
    assert (nothing.states, nothing.fields, nothing.detected, nothing.commander) == ((), (), None, None)
    said = parse_incident_change(document(detected=None, customer_impact_end=TEXT, is_test=True, declared=TEXT), id="x")
    assert (said.detected, said.customer_impact_end, said.customer_impact_start) == (CLEARED, AT, None)
    assert (said.is_test, said.declared) == (None, None), "these are said once"
    led = {"commander_user": {"data": {"id": "u", "type": "users"}}}
    assert parse_incident_change(document(relationships=led), id="x").commander == "u"
    assert parse_incident_change(document(relationships={"commander_user": {"data": None}}), id="x").commander == ""


INVALID: list[tuple[dict[str, object], str]] = [
    ({"title": ...}, "title"),
    ({"title": " "}, "title"),
    ({"title": "x" * 1_001}, "title"),
    ({"customer_impacted": ...}, "customer_impacted"),
    ({"customer_impacted": "yes"}, "customer_impacted"),
    ({"customer_impact_scope": "x" * 20_001}, "customer_impact_scope"),
    ({"customer_impact_start": TEXT, "customer_impact_end": "2026-10-14T17:46:39Z"}, "customer_impact_end"),
    ({"detected": 5}, "detected"),
    ({"detected": "yesterday"}, "detected"),
    ({"declared": "1969-12-31T23:59:59Z"}, "declared"),
    ({"declared": "2262-01-01T00:00:00Z"}, "declared"),
    ({"is_test": 1}, "is_test"),
    ({"fields": []}, "fields"),
    ({"fields": {f"f{n}": {"value": "x"} for n in range(101)}}, "fields"),
    ({"fields": {"": {"value": "x"}}}, "fields/"),
    ({"fields": {"f": {"type": "dropdown", "value": ["x"]}}}, "fields/f/type"),
    ({"fields": {"f": {"type": "multiselect", "value": "x"}}}, "fields/f/type"),
    ({"fields": {"a/b": {"type": "checkbox", "value": "x"}}}, "fields/a~1b/type"),
    ({"fields": {"f": {"value": ["x"] * 101}}}, "fields/f/value"),
    ({"fields": {"f": {"value": "x" * 20_001}}}, "fields/f/value"),
    ({"fields": {"state": {"value": "completed"}}}, "fields/state/value"),
    ({"fields": {"state": {"value": ["active"]}}}, "fields/state/value"),
    ({"fields": {"state": {"value": "resolved", "at": TEXT}}}, "fields/state/at"),
    ({"declared": TEXT, "fields": {"state": {"value": "resolved", "at": "2026-10-14T17:46:39Z"}}}, "fields/state/at"),
    ({"notification_handles": [{}] * 101}, "notification_handles"),
    ({"notification_handles": [{"handle": "x" * 201}]}, "notification_handles/0"),
]


@pytest.mark.parametrize(("attributes", "field"), INVALID)
def test_the_wrong_field_is_named(attributes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_new_incident(new(**attributes))
    assert caught.value.pointer == f"/data/attributes/{field}"


def test_what_is_no_incident() -> None:
    for body, pointer in (
        (b"", ""), (b"{}", "/data"), (b'{"data": {"attributes": {}}}', "/data/type"), (document(type="incident"), "/data/type"),
        (b'{"data": {"type": "incidents"}}', "/data/attributes"),
    ):  # fmt: skip
        with pytest.raises(InvalidError) as caught:
            parse_new_incident(body)
        assert caught.value.pointer == pointer
    with pytest.raises(InvalidError) as caught:
        parse_incident_change(document(id="y"), id="x")
    assert caught.value.pointer == "/data/id"
    with pytest.raises(InvalidError) as caught:
        parse_incident_change(document(title=""), id="x")
    assert caught.value.pointer == "/data/attributes/title"
