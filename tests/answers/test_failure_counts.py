"""What failures are counted by in brief says the same as each of them read whole."""

import random
from dataclasses import replace
from itertools import islice

from bot.answers.failure_history import active_time, load_spans
from bot.answers.failure_impact import FailureOverview, overview
from bot.answers.failures import FailureRow, stream_failures
from bot.answers.questions import Filters
from bot.dora.failures import Span, State, StateChange, spans_of, time_to_restore
from bot.dora.instants import DAY, HOUR, MINUTE
from bot.dora.metrics import summarise
from bot.store import Reader, Store
from tests.support.failures import add_failure, add_incident
from tests.support.seed import Seed

NOW = 1_800_000_000 * 10**9
WINDOW = Filters(from_at=NOW - 30 * DAY, to_at=NOW)


def some_failures(drawn: random.Random) -> Seed:
    """Forty failures of several services, a part of them open, deleted, of a source that is off, or incidents that come and go."""
    seed = Seed()
    for service, team in (("shop", "Payments"), ("cart", "Core")):
        seed.definition(service, team=team, tags='["tier:1"]')
    for number in range(40):
        services = " ".join(drawn.sample(["Shop", "cart", "Ghost"], drawn.randrange(4)))
        at = NOW - drawn.randrange(40 * 24) * HOUR
        more = {"severity": drawn.choice(("High", "high", "", "low")), "env": drawn.choice(("prod", "staging", ""))}
        if drawn.random() < 0.4:
            words = ["active", *drawn.choices(("active", "stable", "resolved"), k=drawn.randrange(5))]
            states = [(word, at + step * 50 * MINUTE) for step, word in enumerate(words)]
            spans = spans_of(StateChange(at=since, told_at=since, receipt=1, state=State(word)) for word, since in states)
            add_incident(seed, f"i{number}", services, *states, **more, time_to_restore=time_to_restore(spans))
        else:
            lasted = drawn.choice((None, HOUR, 30 * HOUR, 0))
            add_failure(seed, f"f{number}", services, at, lasted, source=drawn.choice(("api", "api", "github")), tags=("a:b",), **more)
        if drawn.random() < 0.1:
            seed.rows["tombstone"].append({"kind": "failure", "id": f"f{number}", "received_at": NOW, "receipt": 1, "deleted_by": ""})
    return seed


def naively(reader: Reader, filters: Filters, severity: str | None) -> tuple[list[FailureRow], dict[str, list[FailureRow]], dict[object, tuple[Span, ...]]]:
    """The failures read whole, by service too, and their periods."""
    rows = list(stream_failures(reader, filters, severity=severity))
    by_service: dict[str, list[FailureRow]] = {}
    for row in rows:
        for service in row.services or ("",):
            if filters.service in (None, service):
                by_service.setdefault(service, []).append(row)
    return rows, by_service, dict(load_spans(reader, rows))


def test_both_count_the_same(store: Store) -> None:
    drawn = random.Random(11)
    some_failures(drawn).write(store)
    asked = (
        (WINDOW, None), (replace(WINDOW, service="cart"), None), (replace(WINDOW, team="payments"), None), (WINDOW, "high"),
        (replace(WINDOW, envs=frozenset({"prod"}), tags=("tier:1",)), None), (replace(WINDOW, source="incidents"), None),
    )  # fmt: skip

    def work(reader: Reader) -> None:
        for filters, severity in asked:
            rows, by_service, spans = naively(reader, filters, severity)
            pages: list[FailureRow] = []
            after = None
            while True:
                found: FailureOverview = overview(reader, filters, severity=severity, state=None, after=after, limit=7, most_open=3, now=NOW)
                pages += found.rows
                if not found.more:
                    break
                after = found.rows[-1].key
            assert pages == rows and rows

            def hurt(members: list[FailureRow], spans: dict[object, tuple[Span, ...]] = spans) -> int:
                return active_time([span for row in members for span in spans[row.source, row.id]], now=NOW)

            assert (found.whole.failures, found.whole.active) == (len(rows), hurt(rows))
            assert found.whole.open == sum(row.state != State.RESOLVED for row in rows)
            assert found.restored == summarise(row.time_to_restore for row in rows if row.time_to_restore is not None)
            assert {one.name: (one.failures, one.active) for one in found.services} == {
                name: (len(members), hurt(members)) for name, members in by_service.items()
            }
            everything = stream_failures(reader, replace(filters, from_at=None, to_at=None), severity=severity)
            still = [row for row in everything if row.state != State.RESOLVED]
            assert [one.row for one in found.open] == list(islice(still, 3))
            assert (found.still_open, found.open_since) == (len(still), still[-1].started_at if still else None)

    store.read(work)
