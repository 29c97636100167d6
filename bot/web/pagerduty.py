"""POST /webhooks/pagerduty, and the original's /api/v2/webhook/: PagerDuty's webhooks, V3, stored unparsed.

Rules:
- A valid signature suffices, and so does an API key with `failures:write` in the header DD-API-KEY. Such a key may be limited to no
  services: whose an incident is shows only later.
- It is on if there is a signing secret or such a key. PagerDuty drops what is answered with 4xx, so whatever is not the sender's
  fault is 503: also not knowing, while the store is down, whether there is a key.
"""

import asyncio
import re

import structlog
from aiohttp import web
from multidict import CIMultiDictProxy

from bot.facts.keys import FAILURES_WRITE, any_key
from bot.sources.pagerduty import LARGEST_BODY, STORED_HEADERS, SignatureError, delivery, verify
from bot.web.auth import PATIENCE, SENDER, Principal, Row, authorize, write
from bot.web.bodies import held_body
from bot.web.context import SETTINGS, STORE
from bot.web.errors import HttpError, source_off, unavailable
from bot.web.metrics import METRICS
from bot.web.webhooks import store_delivery

log = structlog.get_logger(__name__)

KEY_HEADER = "DD-API-KEY"
LONGEST_HEADER = 200
_EVENT_TYPE = re.compile(rb'"event_type"\s*:\s*"([a-z_.]{1,80})"')
_LOOKED_AT = 4_096
"""Bytes of a body in which its type is looked for, to name the delivery by; what it is decides its parser."""


async def receive_pagerduty(request: web.Request) -> web.Response:
    """A delivery from PagerDuty."""
    await _require_on(request)
    async with held_body(request, limit=LARGEST_BODY, too_large=413) as body:
        try:
            await _authenticate(request, body)
        except HttpError as error:
            if error.status < 500:
                request.app[METRICS].deliveries.labels(source="pagerduty", outcome="refused").inc()
                log.warning("delivery refused", source="pagerduty", reason=error.title)
            raise
        return await store_delivery(
            request, source="pagerduty", key=delivery(request.headers, body), event=_event(body),
            headers=_stored_headers(request.headers), body=body,
        )  # fmt: skip


async def _require_on(request: web.Request) -> None:
    """Raises HttpError 404 while PagerDuty is off."""
    settings = request.app[SETTINGS]
    if settings.pagerduty_webhook_secret or settings.api_keys:
        return
    try:
        async with asyncio.timeout(PATIENCE):
            on = await request.app[STORE].read_async(lambda reader: any_key(reader, FAILURES_WRITE))
    except TimeoutError:
        raise unavailable("store_unavailable", "The store does not answer.") from None
    if not on:
        raise source_off("PagerDuty is off: set PAGERDUTY_WEBHOOK_SECRET, or create a key with the scope failures:write.")


async def _authenticate(request: web.Request, body: bytes) -> None:
    """Raises HttpError 401 or 403 unless the body is signed, or comes with a key."""
    secrets = request.app[SETTINGS].pagerduty_webhook_secret
    try:
        verify(request.headers, body, secrets)
    except SignatureError as error:
        if KEY_HEADER not in request.headers:
            detail = str(error) if secrets else f"PAGERDUTY_WEBHOOK_SECRET is not set, and there is no header {KEY_HEADER}"
            raise HttpError(401, error.slug, f"{detail}.") from None
        principal: Principal = await authorize(request, write(FAILURES_WRITE))
        if principal.services:
            raise HttpError(403, "limited_key", "The key is limited to some services; PagerDuty needs one that is not.") from None


def _event(body: bytes) -> str:
    found = _EVENT_TYPE.search(body[:_LOOKED_AT])
    return found[1].decode() if found else "webhook"


def _stored_headers(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    given = ((name, headers.getall(name, ())) for name in STORED_HEADERS)
    return {name: values[0][:LONGEST_HEADER] for name, values in given if values and values[0].isprintable()}


ROWS = tuple(
    Row("POST", path, receive_pagerduty, SENDER) for path in ("/webhooks/pagerduty", "/api/v2/webhook/", "/api/v2/webhook")
)
