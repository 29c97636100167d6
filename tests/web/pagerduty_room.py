"""PagerDuty at the web door of a store, and what follows when all was worked off."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bot.answers.fingerprint import fingerprint_lines
from bot.dora.changes import Limits
from bot.dora.definitions import ServiceDefinition
from bot.facts.catalog import FROM_FOLDER, plan_claims, write_claims
from bot.pipeline.derive import Deriver, rebuild
from bot.pipeline.history import HistoryCache
from bot.pipeline.intake import due_deliveries, process_deliveries
from bot.store import Store
from tests.support.pagerduty import SECRET, signature
from tests.web.doors import API_KEY, Door, open_door

Json = dict[str, Any]


@dataclass
class Room:
    """The door and the store behind it."""

    store: Store
    door: Door
    sent: int = 0

    async def post(self, body: bytes, path: str = "/webhooks/pagerduty", *, id: str = "", **headers: str) -> Any:
        """Deliver a body, signed unless it comes with other headers; returns the response."""
        self.sent += 1
        self.door.now[0] += 1_000_000
        given = {name.replace("__", "-"): value for name, value in headers.items()}
        if not {"DD-API-KEY", "X-PagerDuty-Signature"} & set(given):
            given["X-PagerDuty-Signature"] = signature(body)
        return await self.door.client.post(path, data=body, headers={"X-Webhook-Id": id or f"w-{self.sent}", **given})

    async def tell(self, *bodies: bytes, **headers: str) -> None:
        """Deliver bodies and work them off."""
        for body in bodies:
            response = await self.post(body, **headers)
            assert response.status in (200, 202), await response.text()
        self.work()

    def define(self, *definitions: ServiceDefinition) -> None:
        """From now on the folder defines these services."""
        self.store.write(lambda writer: write_claims(writer, plan_claims(writer, {FROM_FOLDER: definitions})))
        self.work()

    def work(self) -> None:
        """Until nothing is due."""
        while claims := self.store.read(lambda reader: due_deliveries(reader, now=self.door.now[0])):
            process_deliveries(self.store, claims, now=lambda: self.door.now[0])
        deriver = Deriver(self.store, HistoryCache(), limits=Limits(), clock=lambda: 2**62)
        while deriver.derive_next():
            pass

    def rebuild(self) -> None:
        """Everything again."""
        for _ in rebuild(self.store, progress=lambda _: None):
            pass
        self.work()

    async def failures(self) -> list[Json]:
        """What the API lists."""
        response = await self.door.client.get("/api/v1/failures?from=2020-01-01", headers={"Authorization": f"Bearer {API_KEY}"})
        data: list[Json] = (await response.json())["data"]
        return data

    async def failure(self) -> Json:
        """The only one."""
        (one,) = await self.failures()
        return one

    async def deliveries(self) -> list[tuple[str, str, str]]:
        """Each delivery's event, state and reason, the oldest first."""
        response = await self.door.client.get("/api/v1/deliveries", headers={"Authorization": f"Bearer {API_KEY}"})
        return [(one["event"], one["state"], one["reason"] or "") for one in reversed((await response.json())["data"])]

    def fingerprint(self) -> list[str]:
        """What equal facts make equal."""
        return self.store.read(fingerprint_lines)


@asynccontextmanager
async def open_room(store: Store, **environ: str) -> AsyncIterator[Room]:
    """PagerDuty on by a secret and a bootstrap key, unless the settings are others."""
    async with open_door(store, **(environ or {"PAGERDUTY_WEBHOOK_SECRET": SECRET, "API_KEYS": API_KEY})) as door:
        yield Room(store, door)


def service(name: str, *, team: str = "", page: str = "") -> ServiceDefinition:
    """A definition."""
    return ServiceDefinition(service=name.lower(), shown=name, schema_version="v2.2", team=team, pagerduty=page)
