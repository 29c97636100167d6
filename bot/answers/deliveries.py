"""The inbox: what arrived, what became of it, and why. Bodies are not shown here."""

from dataclasses import dataclass

from bot.answers.cursors import Cursor
from bot.answers.questions import PAGE, Asker, Form, Page, Parameters, parse_filters
from bot.answers.rows import NEWEST
from bot.dora.instants import Instant
from bot.store import Reader

STATES = ("received", "done", "ignored", "failed", "dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryShown:
    """A delivery; `key` is the sender's delivery id. Fields are the API's."""

    id: int
    source: str
    key: str
    event: str
    received_at: Instant
    state: str
    reason: str | None
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilters:
    """Which deliveries are asked for; "" asks for all."""

    from_at: Instant | None = None
    to_at: Instant | None = None
    source: str = ""
    state: str = ""
    event: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryList:
    """A page of deliveries, newest first."""

    data: tuple[DeliveryShown, ...]
    next: str | None


def parse_deliveries(parameters: Parameters, asker: Asker) -> tuple[DeliveryFilters, Page]:
    """A question for a list of deliveries. Raises QuestionError."""
    form = Form(parameters, known=("from", "to", "source", "state", "event", *PAGE))
    filters = parse_filters(form, asker)
    question = DeliveryFilters(
        from_at=filters.from_at,
        to_at=filters.to_at,
        source=filters.source or "",
        state=form.choice("state", STATES) or "",
        event=form.text("event") or "",
    )
    return question, form.page(int, int)


def list_deliveries(reader: Reader, filters: DeliveryFilters, page: Page) -> DeliveryList:
    """A page of the deliveries that match."""
    at, id = (NEWEST[0], 0) if page.after is None else (int(page.after[0]), int(page.after[1]))
    rows = reader.fetch(
        "answer_deliveries",
        _delivery,
        from_at=0 if filters.from_at is None else filters.from_at,
        to_at=NEWEST[0] if filters.to_at is None else filters.to_at,
        before_at=at,
        before_id=id,
        source=filters.source,
        state=filters.state,
        event=filters.event,
        n=page.limit + 1,
    )
    more, rows = len(rows) > page.limit, rows[: page.limit]
    return DeliveryList(data=tuple(rows), next=Cursor.encode((rows[-1].received_at, rows[-1].id)) if more else None)


def find_delivery(reader: Reader, id: int) -> DeliveryShown | None:
    """One delivery; `None` when there is none of that number."""
    return next(iter(reader.fetch("answer_delivery", _delivery, id=id)), None)


def delivery_counts(reader: Reader) -> dict[str, int]:
    """How many deliveries are in which state."""
    return dict(reader.fetch("answer_delivery_counts", _counted))


def _counted(state: str, count: int) -> tuple[str, int]:
    return state, count


def _delivery(
    id: int, source: str, key: str, event: str, received_at: Instant, state: str, reason: str, attempts: int
) -> DeliveryShown:
    return DeliveryShown(
        id=id,
        source=source,
        key=key,
        event=event,
        received_at=received_at,
        state=state,
        reason=reason or None,
        attempts=attempts,
    )
