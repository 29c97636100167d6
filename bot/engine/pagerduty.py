"""The inquirer: asks PagerDuty for the Datadog monitors behind incidents whose webhooks do not carry them.

Rules:
- It runs beside the correspondent in the engine's parent; no webhook waits for it. What it is answered is a fact like any other.
- One question at a time. A limit pauses all questions until PagerDuty says, a fault ever longer; a refused token an hour.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

import structlog

from bot.dora.instants import HOUR, MINUTE, Instant
from bot.dora.pagerduty import Monitor
from bot.facts.pagerduty import Inquiry, due_inquiries, lease_inquiries, postpone_inquiry, record_alerts
from bot.pipeline.mirror import pause_after
from bot.sources.pagerduty_rest import PagerDutyRefusedError, PagerDutyUnavailableError
from bot.store import Store, StoreError

log = structlog.get_logger(__name__)

BATCH = 20
LEASE = 15 * MINUTE
"""Longer than a batch can take; who dies over it leaves the rest to that instant."""
PAUSE, STORE_AWAY = 1.0, 5.0
"""Seconds between looks at what is due; after the store failed."""


class Api(Protocol):
    """Who is asked."""

    async def monitors(self, incident_id: str) -> tuple[Monitor, ...]:
        """The monitors behind an incident's alerts."""
        ...


class Inquirer:
    """Asks for as long as `run` is not cancelled."""

    def __init__(
        self, store: Store, api: Api, *, clock: Callable[[], Instant], wake: Callable[[str], None] = lambda _: None
    ) -> None:
        self.store, self.api, self.clock, self.wake = store, api, clock, wake
        self.paused_until: Instant = 0
        self.failures = 0
        """In a row."""

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            try:
                busy = await self.ask_due()
            except StoreError as error:
                log.warning("store unavailable", error=str(error))
                await asyncio.sleep(STORE_AWAY)
            else:
                await asyncio.sleep(0 if busy else PAUSE)

    async def ask_due(self) -> bool:
        """Ask what is due, unless PagerDuty is to be left alone; whether there was anything."""
        now = self.clock()
        if now < self.paused_until or not await self.store.read_async(partial(due_inquiries, now=now, n=1)):
            return False
        lease = partial(lease_inquiries, now=now, until=now + LEASE, n=BATCH)
        for one in await self.store.write_async(lease, urgent=False):
            await self._ask(one)
        return True

    async def _ask(self, one: Inquiry) -> None:
        if self.clock() < self.paused_until:
            await self._postpone(one, self.paused_until, "", attempts=one.attempts)
            return
        try:
            monitors = await self.api.monitors(one.incident_id)
        except PagerDutyRefusedError as error:
            await self._pause(one, HOUR, str(error))
        except PagerDutyUnavailableError as error:
            self.failures += error.wait is None
            wait = error.wait if error.wait is not None else pause_after(self.failures, key="pagerduty")
            await self._pause(one, wait, str(error))
        else:
            self.failures = 0
            await self.store.write_async(partial(record_alerts, incident_id=one.incident_id, monitors=monitors), urgent=False)
            self.wake("marks")

    async def _pause(self, one: Inquiry, wait: Instant, error: str) -> None:
        self.paused_until = self.clock() + wait
        log.warning("pagerduty did not answer", incident=one.incident_id, error=error)
        await self._postpone(one, self.paused_until, error, attempts=one.attempts + 1)

    async def _postpone(self, one: Inquiry, run_at: Instant, error: str, *, attempts: int) -> None:
        work = partial(postpone_inquiry, incident_id=one.incident_id, attempts=attempts, run_at=run_at, error=error)
        await self.store.write_async(work, urgent=False)
