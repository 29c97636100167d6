"""Incidents put together from what was said of them."""

from hypothesis import given
from hypothesis import strategies as st

from bot.dora.failures import State
from bot.dora.incidents import CLEARED, Field, IncidentEvent, IncidentSaid, StateSaid, failure_of, incident_of


def event(n: int, **said: object) -> IncidentEvent:
    """The nth request, received at 100n."""
    return IncidentEvent(received_at=100 * n, receipt=n, said=IncidentSaid(**said))  # type: ignore[arg-type]


def state(word: str, at: int | None = None) -> tuple[StateSaid, ...]:
    return (StateSaid(state=State(word), at=at),)


def field(name: str, *values: str, kind: str = "autocomplete") -> Field:
    return Field(name=name, kind=kind, values=values)


STORY = [
    event(1, title="Down", customer_impacted=True, detected=90, states=state("active"), fields=(field("services", "Shop", " shop", "cart"),)),
    event(2, customer_impact_start=50, fields=(field("severity", "SEV-1", kind="dropdown"), field("teams", "Core"))),
    event(3, states=state("stable"), fields=(field("envs", "Prod", "staging"), field("teams"))),
    event(4, title="Down again", states=state("active"), customer_impact_start=CLEARED),
    event(5, states=state("resolved"), detected=CLEARED, customer_impacted=False),
]  # fmt: skip


def test_the_newest_word_about_each_thing_stands() -> None:
    incident = incident_of("x", 7, 100, STORY)
    assert (incident.title, incident.public_id, incident.customer_impacted) == ("Down again", 7, False)
    assert (incident.created_at, incident.modified_at, incident.declared_at) == (100, 500, 100)
    assert (incident.detected_at, incident.customer_impact_start) == (100, None)
    assert [one.name for one in incident.fields] == ["envs", "services", "severity"]
    assert incident.state is State.RESOLVED
    assert (incident.resolved_at, incident.severity) == (500, "SEV-1")


def test_the_failure_that_it_is() -> None:
    failure = failure_of(incident_of("x", 7, 100, STORY))
    assert failure is not None
    assert (failure.id, failure.source, failure.services, failure.teams) == ("x", "incidents", ("Shop", "cart"), ())
    assert (failure.envs, failure.severity, failure.name) == (("Prod", "staging"), "SEV-1", "Down again")
    assert (failure.started_at, failure.finished_at, failure.time_to_restore) == (100, 500, 300)


def test_states_have_their_own_instants() -> None:
    first = event(1, title="t", declared=10, states=(*state("active", 10), *state("resolved", 40)))
    incident = incident_of("x", 1, 100, [first, event(2, states=state("stable", 30))])
    assert (incident.state, incident.resolved_at, incident.declared_at) == (State.RESOLVED, 40, 10)
    failure = failure_of(incident)
    assert failure is not None
    assert (failure.started_at, failure.time_to_restore) == (10, 20)


def test_tests_are_no_failures_and_unknown_is_no_severity() -> None:
    assert failure_of(incident_of("x", 1, 100, [event(1, title="t", is_test=True, states=state("active"))])) is None
    told = event(1, title="t", states=state("active"), fields=(field("severity", "UNKNOWN", kind="dropdown"),))
    assert incident_of("x", 1, 100, [told]).severity == ""


@given(st.permutations(STORY))
def test_any_order_makes_the_same_incident(events: list[IncidentEvent]) -> None:
    assert incident_of("x", 7, 100, events) == incident_of("x", 7, 100, STORY)
