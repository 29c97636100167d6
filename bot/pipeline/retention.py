"""Forget what was kept long enough: bodies first, then the keys that recognise a redelivery.

In small slices, each a transaction of its own: nothing waits for a big one.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from bot.dora.instants import DAY, Instant
from bot.settings import Settings
from bot.store import Reader, Store, Value, Writer

SLICE = 400


class _Place(NamedTuple):
    received_at: Instant
    id: int


def forget(store: Store, settings: Settings, *, now: Instant) -> Iterator[None]:
    """Drop bodies and deliveries older than KEEP_BODIES_DAYS, KEEP_FAILED_DAYS and KEEP_KEYS_DAYS, a slice at each step."""
    for states, days in ((("done", "ignored"), settings.keep_bodies_days), (("dead", "failed"), settings.keep_failed_days)):
        yield from _drop_bodies(store, states, before=now - days * DAY)
    before = now - settings.keep_keys_days * DAY
    while ids := store.read(partial(_deliveries, before=before)):
        store.write(partial(_drop, "drop_delivery", [{"id": id} for id in ids]), urgent=False)
        yield


def _drop_bodies(store: Store, states: tuple[str, str], *, before: Instant) -> Iterator[None]:
    after = 0
    while places := store.read(partial(_bodies, states=states, before=before, after=after)):
        rows: list[dict[str, Value]] = [{"id": place.id, "empty": b""} for place in places]
        store.write(partial(_drop, "drop_body", rows), urgent=False)
        after = places[-1].received_at
        yield


def _bodies(reader: Reader, *, states: tuple[str, str], before: Instant, after: Instant) -> list[_Place]:
    state, also = states
    return reader.fetch(
        "bodies_to_drop", _Place, state=state, also=also, before=before, after=after, empty=b"", n=SLICE
    )


def _deliveries(reader: Reader, *, before: Instant) -> list[int]:
    return reader.fetch("deliveries_to_drop", int, before=before, n=SLICE)


def _drop(query: str, rows: list[dict[str, Value]], writer: Writer) -> None:
    writer.execute_many(query, rows)
