"""The original's API: what its clients send, and the answers they expect."""

import asyncio
import json
import uuid

import structlog
from aiohttp import web

from bot.facts.deployments import record_deployment
from bot.facts.keys import DEPLOYMENTS_WRITE
from bot.facts.receipts import allocate_receipt, record_receipt
from bot.guard import GuardError, inflate
from bot.sources.datadog import LARGEST_BODY, InvalidError, parse_deployment, render_deployment
from bot.store import Receipt, StoreError, Writer
from bot.web.auth import PATIENCE, PRINCIPAL, Row, write
from bot.web.bodies import held_body
from bot.web.context import CLOCK, SETTINGS, STORE, WAKE
from bot.web.errors import HttpError, unavailable
from bot.web.metrics import METRICS

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/vnd.api+json"


async def create_deployment(request: web.Request) -> web.Response:
    """Record a deployment: receipt, fact and mark in one transaction; new, repeated and replaced all answer 200."""
    async with held_body(request, limit=LARGEST_BODY, too_large=400) as sent:
        try:
            body = inflate(sent, request.headers.get("Content-Encoding", ""), max_bytes=LARGEST_BODY)
            new = parse_deployment(body, web_roots=request.app[SETTINGS].web_roots)
        except GuardError as error:
            raise HttpError(400, error.slug, f"{error.detail[:1].upper()}{error.detail[1:]}.") from None
        except InvalidError as error:
            raise HttpError(400, error.slug, error.detail, pointer=error.pointer) from None
    if not request[PRINCIPAL].may_touch(new.service):
        raise HttpError(403, "other_service", "The key is limited to other services.")
    app = request.app
    receipt = Receipt(
        source="api",
        key=uuid.uuid4().hex,
        event="deployment",
        received_at=app[CLOCK](),
        headers={"content-type": "application/json"},
        body=render_deployment(new),
    )

    def work(writer: Writer) -> str:
        number = allocate_receipt(writer)
        deployment = record_deployment(writer, new, received_at=receipt.received_at, receipt=number)
        record_receipt(writer, number, receipt)
        return deployment

    try:
        async with asyncio.timeout(PATIENCE):
            deployment = await app[STORE].write_async(work)
    except TimeoutError:
        app[METRICS].deliveries.labels(source="api", outcome="unavailable").inc()
        raise unavailable("store_unavailable", "The store does not answer. Try again.") from None
    except StoreError:
        app[METRICS].deliveries.labels(source="api", outcome="unavailable").inc()
        raise
    app[WAKE]("marks")
    app[METRICS].deliveries.labels(source="api", outcome="stored").inc()
    log.info("deployment", id=deployment, service=new.service, env=new.env)
    answer = {"data": {"id": deployment, "type": "dora_deployment"}}
    return web.Response(body=json.dumps(answer).encode(), content_type=CONTENT_TYPE)


ROWS = (Row("POST", "/api/v2/dora/deployment", create_deployment, write(DEPLOYMENTS_WRITE)),)
