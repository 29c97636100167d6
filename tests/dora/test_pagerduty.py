"""How events of PagerDuty become an incident: what counts of several, and that no order matters."""

from hypothesis import given
from hypothesis import strategies as st

from bot.dora.failures import State
from bot.dora.instants import MINUTE
from bot.dora.pagerduty import Incident, IncidentSaid, Mapped, Monitor, PagerDutyEvent, failure_of, incident_of

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


def test_of_one_instant_the_later_receipt_counts() -> None:
    one, other = told(5, "priority_updated", receipt=1, priority="P1"), told(5, "priority_updated", receipt=2, priority="P2")
    assert folded(one, other).priority == folded(other, one).priority == "P2"


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
