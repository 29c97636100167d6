"""GitHub's delivery desk: who gets which event, signed and in order, the log of attempts, and redelivery.

GitHub never tries again by itself; the log forgets after three days.
"""

import asyncio
import hashlib
import hmac
import json
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from bot.standins.forge import Json, QueuedDelivery
from bot.standins.github.bodies import Body, node
from bot.standins.github.state import App, Installation, World

KEPT = 3 * 86_400
"""Seconds that an attempt stays in the log."""
ALWAYS = ("ping", "installation", "installation_repositories")
"""Events an App gets without asking for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A delivery that was tried, or lost on the way; `duration` in seconds."""

    id: int
    delivery: QueuedDelivery
    installation: int | None
    repository: int | None
    headers: Mapping[str, str]
    at: int
    redelivery: bool
    duration: float
    status: str
    status_code: int
    answer_headers: Mapping[str, str]
    answer: str

    @property
    def ok(self) -> bool:
        """Whether the receiver took it."""
        return 200 <= self.status_code < 300


class Mail:
    """The queue and the log. `drop` says which deliveries never leave; `timeout` in seconds."""

    def __init__(self, world: World) -> None:
        self.drop: Callable[[QueuedDelivery], bool] = lambda _: False
        self.timeout = 10.0
        self.queue: deque[QueuedDelivery] = deque()
        self.attempts: list[Attempt] = []
        self._world = world
        self._sending: set[asyncio.Task[Attempt]] = set()

    def post(self, event: str, payload: Body, to: list[Installation], *, app: App | None = None, path: str = "") -> str:
        """Queue an event for each installation that wants it, or for the App alone; returns the GUID they share."""
        guid = str(uuid.uuid4())
        receivers: list[tuple[App, Body]] = [] if app is None else [(app, payload)]
        for one in to:
            if event in ALWAYS:
                receivers.append((one.app, payload))
            elif event in one.events and one.suspended_at is None:
                lite: Body = {"id": one.id, "node_id": node("MDIz", one.id)}
                receivers.append((one.app, {**payload, "installation": lite}))
        for receiver, told in receivers:
            self.queue.append(
                QueuedDelivery(
                    id=guid,
                    hook=receiver.id,
                    event=event,
                    action=str(told.get("action") or ""),
                    repository=path,
                    at=self._world.now,
                    payload=told,
                )
            )
        return guid

    async def deliver(self) -> None:
        """Send what is queued, in order, and wait for redeliveries under way."""
        while self.queue:
            delivery = self.queue.popleft()
            app = self._world.apps.get(delivery.hook)
            if app is None or not app.hook_url:
                continue
            if self.drop(delivery):
                self._log(delivery, self._headers(app, delivery), False, 0.0, "failed to connect to host", 502)
            else:
                await self._send(app, delivery, redelivery=False)
        await self.settle()

    async def settle(self) -> None:
        """Wait for redeliveries under way."""
        while self._sending:
            await asyncio.wait(self._sending)

    def redeliver(self, attempt: Attempt) -> bool:
        """Send it again, under the same GUID, in the background; False if its App is gone."""
        app = self._world.apps.get(attempt.delivery.hook)
        if app is None:
            return False
        task = asyncio.create_task(self._send(app, attempt.delivery, redelivery=True))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return True

    def log(self, app: App) -> list[Attempt]:
        """What the App's log still holds, newest first."""
        since = self._world.now - KEPT
        kept = [one for one in self.attempts if one.delivery.hook == app.id and one.at > since]
        return kept[::-1]

    async def _send(self, app: App, delivery: QueuedDelivery, *, redelivery: bool) -> Attempt:
        headers, body = self._headers(app, delivery), body_of(delivery)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.timeout)) as session,
                session.post(app.hook_url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                text = (await answer.read()).decode(errors="replace")
                status = "OK" if answer.ok else f"Invalid HTTP Response: {answer.status}"
                took = loop.time() - begun
                return self._log(delivery, headers, redelivery, took, status, answer.status, text, dict(answer.headers))
        except TimeoutError:
            return self._log(delivery, headers, redelivery, loop.time() - begun, "timed out", 504)
        except aiohttp.ClientError:
            return self._log(delivery, headers, redelivery, loop.time() - begun, "failed to connect to host", 502)

    def _log(
        self,
        delivery: QueuedDelivery,
        headers: Mapping[str, str],
        redelivery: bool,
        duration: float,
        status: str,
        code: int,
        answer: str = "",
        answer_headers: Mapping[str, str] | None = None,
    ) -> Attempt:
        attempt = Attempt(
            id=self._world.number("attempt", 1_000_001),
            delivery=delivery,
            installation=_number(delivery.payload.get("installation")),
            repository=_number(delivery.payload.get("repository")),
            headers=headers,
            at=self._world.now,
            redelivery=redelivery,
            duration=round(duration, 2),
            status=status,
            status_code=code,
            answer_headers=answer_headers or {},
            answer=answer,
        )
        self.attempts.append(attempt)
        return attempt

    def _headers(self, app: App, delivery: QueuedDelivery) -> dict[str, str]:
        signed: dict[str, str] = {}
        if app.webhook_secret:
            key, body = app.webhook_secret.encode(), body_of(delivery)
            signed = {
                "X-Hub-Signature": "sha1=" + hmac.new(key, body, hashlib.sha1).hexdigest(),
                "X-Hub-Signature-256": "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest(),
            }
        return {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/standin",
            "X-GitHub-Delivery": delivery.id,
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Hook-ID": str(app.id),
            "X-GitHub-Hook-Installation-Target-ID": str(app.id),
            "X-GitHub-Hook-Installation-Target-Type": "integration",
            **signed,
        }


def body_of(delivery: QueuedDelivery) -> bytes:
    """The bytes that are sent and signed."""
    return json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":")).encode()


def _number(told: Json) -> int | None:
    found = told.get("id") if isinstance(told, Mapping) else None
    return found if isinstance(found, int) else None
