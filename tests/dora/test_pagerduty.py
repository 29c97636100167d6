"""How events of PagerDuty become an incident: what counts of several, and that no order matters."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.dora.failures import State
from bot.dora.instants import MINUTE
from bot.dora.pagerduty import Incident, IncidentSaid, Mapped, Monitor, PagerDutyEvent, failure_of, incident_of, one_of

MONITOR = (Monitor(tags=("env:prod",)),)


def told(minute: int, type: str, *, receipt: int = 0, env: str = "", **said: object) -> PagerDutyEvent:
    """An event at a minute, received in the order of its receipt."""
    return PagerDutyEvent(
        id=f"{type}-{minute}-{receipt}", incident_id="Q1", type=f"incident.{type}", occurred_at=minute * MINUTE, received_at=receipt,
        receipt=receipt, dd_env=env, said=IncidentSaid(**said),  # type: ignore[arg-type]  # as its fields are
    )  # fmt: skip


def folded(*events: PagerDutyEvent) -> Incident:
    return incident_of("Q1", events)


def ended(*events: PagerDutyEvent) -> int | None:
    """The minute of its end."""
    at = folded(*events).finished_at
    return None if at is None else at // MINUTE


def test_the_last_resolve_ends_it() -> None:
    first, again = told(5, "resolved", status="resolved"), told(9, "resolved", status="resolved")
    assert (ended(first), ended(first, again), ended(again, first)) == (5, 9, 9)
    assert ended(first, told(6, "reopened", status="triggered")) is None
    assert ended(first, told(6, "reopened", status="triggered"), again) == 9
    assert ended(first, told(12, "priority_updated", status="resolved")) == 5, "what is told later of a resolved one"


def test_a_status_tells_what_did_not_arrive() -> None:
    resolved = told(5, "resolved", status="resolved")
    assert ended(told(1, "triggered"), told(7, "priority_updated", status="resolved"), told(8, "escalated", status="resolved")) == 7
    assert ended(resolved, told(7, "acknowledged", status="acknowledged")) is None, "somebody reopened it"
    assert ended(resolved, told(7, "annotated"), told(8, "workflow.started")) == 5, "these say nothing of its state"
    assert ended(told(1, "triggered", status="resolved")) is None, "its type decides, its status may be younger"


def test_when_it_began() -> None:
    late = told(9, "resolved", status="resolved")
    assert folded(late, told(4, "triggered"), told(3, "triggered")).started_at == 3 * MINUTE
    assert folded(late, told(4, "triggered", created_at=2 * MINUTE)).started_at == 2 * MINUTE
    unknown = folded(late, told(4, "acknowledged"), told(1, "annotated"))
    failure = failure_of(unknown, Mapped())
    assert failure is not None and (failure.started_at, failure.state) == (4 * MINUTE, State.RESOLVED)
    assert failure.time_to_restore is None, "nobody knows when it began"
    assert failure_of(folded(told(1, "annotated")), Mapped()) is None


def test_at_one_instant_what_is_said_decides() -> None:
    one, other = told(5, "priority_updated", receipt=1, priority="P1"), told(5, "priority_updated", receipt=2, priority="")
    assert folded(one, other).priority == "P1", "a value stands over none"
    assert ended(told(5, "resolved"), told(5, "triggered", receipt=9), told(5, "acknowledged", receipt=8)) == 5
    assert ended(told(5, "resolved"), told(5, "reopened", receipt=9), told(5, "resolved", receipt=3)) == 5
    assert ended(told(5, "priority_updated", status="resolved"), told(5, "escalated", receipt=9, status="triggered")) == 5
    assert ended(told(4, "resolved"), told(5, "reopened"), told(5, "annotated", receipt=9)) is None


EVENTS = st.builds(
    lambda minute, type, env, said, receipt: replace(told(minute, type, receipt=receipt, env=env, **said), id=f"{minute}-{type}"),
    st.integers(1, 2),
    st.sampled_from(["triggered", "acknowledged", "escalated", "reopened", "resolved", "priority_updated", "annotated"]),
    st.sampled_from(["", "prod", "staging"]),
    st.fixed_dictionaries({}, optional={
        "title": st.sampled_from(["A", "B"]), "priority": st.sampled_from(["", "P1", "P2"]), "teams": st.sampled_from([(), ("core",)]),
        "created_at": st.integers(0, 1), "status": st.sampled_from(["triggered", "resolved"]), "monitors": st.just(MONITOR),
    }),
    st.integers(1, 99),
)  # fmt: skip


@given(st.lists(EVENTS, max_size=8), st.data())
def test_neither_receipt_nor_copies_nor_order_decide(events: list[PagerDutyEvent], data: st.DataObject) -> None:
    """Equal instants, copies of one event with different envs, and receipts of any kind."""
    shuffled = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=4)) if events else events))
    again = [replace(event, received_at=place, receipt=100 - place) for place, event in enumerate(shuffled)]
    assert folded(*stored(events)) == folded(*stored(again))


def stored(events: Iterable[PagerDutyEvent]) -> list[PagerDutyEvent]:
    """What is kept of them: of each event one."""
    kept: dict[str, PagerDutyEvent] = {}
    for event in events:
        kept[event.id] = one_of(kept.get(event.id, event), event)
    return list(kept.values())


def test_what_copies_that_contradict_each_other_are_together() -> None:
    one = told(5, "triggered", receipt=9, env="staging", title="A")
    other = replace(one, received_at=1, receipt=7, dd_env="prod", said=IncidentSaid(title="B"))
    for pair in ((one, other), (other, one)):
        both = one_of(*pair)
        assert (both.dd_env, both.said.title, both.received_at, both.receipt) == ("prod", "B", 1, 7)
    assert one_of(one, replace(one, dd_env="")).dd_env == one_of(replace(one, dd_env=""), one).dd_env == "staging"


@given(
    st.permutations([
        told(1, "triggered", title="Old", priority="P1", monitors=MONITOR, env="dev", created_at=0), told(2, "acknowledged", title="New"),
        told(3, "priority_updated", priority=""), told(3, "resolved", receipt=9, status="resolved"), told(4, "annotated", title="Newest"),
    ]),
    st.data(),
)  # fmt: skip
def test_no_order_and_no_repetition_matters(events: list[PagerDutyEvent], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(events), max_size=3))
    seen = folded(*events, *again)
    assert (seen.title, seen.priority, seen.monitors, seen.dd_env) == ("Newest", "", MONITOR, "dev")
    assert (seen.started_at, seen.finished_at) == (0, 3 * MINUTE)
