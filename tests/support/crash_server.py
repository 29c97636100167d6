"""The real server, started to be killed: it counts in the store how often each delivery took effect.

`CRASH_MODE` chooses what runs: `honest` (the product), or one of the two mutants that the test must see: `ack_first` answers
before the receipt is durable, `split` records effect and mark in two transactions. The engine's child imports this module too
(processes are spawned), so what is replaced here is replaced there.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from bot.cli.main import main
from bot.pipeline import intake
from bot.store import Appended, Receipt, Store, Writer
from bot.store.postgres import PostgresStore
from bot.store.sqlite import SqliteStore

MODE = os.environ.get("CRASH_MODE", "honest")
EFFECT = "effect:"
"""A sequence per delivery: its number rises by one each time the delivery's facts are recorded."""

_record = intake._record


def _count_effects(writer: Writer, claims: Sequence[intake.Claim]) -> None:
    for claim in claims:
        writer.allocate(f"{EFFECT}{claim.id}", 1)


def _counting(writer: Writer, claims: Sequence[intake.Claim], outcomes: Sequence[intake.Outcome], *, now: int) -> None:
    mine = set(writer.fetch_in("lock_due_deliveries", int, [claim.id for claim in claims], now=now))
    # Only these, whose rows are locked now: one that another worker lets go meanwhile would take effect without being counted.
    held = [(claim, outcome) for claim, outcome in zip(claims, outcomes, strict=True) if claim.id in mine]
    _count_effects(writer, [claim for claim, _ in held])
    _record(writer, [claim for claim, _ in held], [outcome for _, outcome in held], now=now)


def _split(store: Store, claims: Sequence[intake.Claim], *, now: Callable[[], int], origin: intake.Origin) -> None:
    outcomes = [intake.read_delivery(claim, origin) for claim in claims]
    events = [outcome.event for outcome in outcomes if outcome.event is not None]

    def effects(writer: Writer) -> None:
        _count_effects(writer, claims)
        intake.record_events(writer, events, now=now())

    store.write(effects)
    # What lies between two transactions is as long as the machine is slow.
    time.sleep(0.1)
    store.write(
        lambda writer: writer.execute_many(
            "finish_delivery", [intake._finished(claim, outcome) for claim, outcome in zip(claims, outcomes, strict=True)]
        )
    )


def _ack_first(kind: type[SqliteStore] | type[PostgresStore]) -> None:
    append = kind.append
    tasks = set()

    async def later(self: Store, receipt: Receipt) -> None:
        await asyncio.sleep(0.02)
        await append(self, receipt)  # type: ignore[arg-type]

    async def answer(self: Store, receipt: Receipt) -> Appended:
        tasks.add(task := asyncio.create_task(later(self, receipt)))
        task.add_done_callback(tasks.discard)
        return Appended(id=0, known=False)

    kind.append = answer  # type: ignore[assignment, method-assign]


if MODE == "split":
    intake.process_deliveries = _split
else:
    intake._record = _counting
if MODE == "ack_first":
    _ack_first(SqliteStore)
    _ack_first(PostgresStore)

if __name__ == "__main__":
    main()
