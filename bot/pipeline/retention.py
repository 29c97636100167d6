"""Forget what was kept long enough: bodies first, then the keys that recognise a redelivery."""

from bot.dora.instants import DAY, Instant
from bot.settings import Settings
from bot.store import Store, Writer


def forget(store: Store, settings: Settings, *, now: Instant) -> None:
    """Drop bodies and deliveries older than KEEP_BODIES_DAYS, KEEP_FAILED_DAYS and KEEP_KEYS_DAYS."""
    ages = {
        "done": settings.keep_bodies_days, "ignored": settings.keep_bodies_days,
        "dead": settings.keep_failed_days, "failed": settings.keep_failed_days,
    }

    def work(writer: Writer) -> None:
        for state, days in ages.items():
            writer.execute("drop_bodies", state=state, before=now - days * DAY, empty=b"")
        writer.execute("drop_deliveries", before=now - settings.keep_keys_days * DAY)

    store.write(work, urgent=False)
