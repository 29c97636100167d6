"""What the handlers of the original's API share: reading a body, recording its fact durably, answering in JSON:API."""

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from bot.answers.encode import Json
from bot.dora.instants import Instant, lies_ahead
from bot.facts.receipts import allocate_receipt, record_receipt
from bot.guard import GuardError, inflate
from bot.sources.datadog_requests import ListRequest
from bot.sources.fields import LARGEST_BODY, InvalidError
from bot.store import Reader, Receipt, StoreError, Writer
from bot.web.auth import PATIENCE, PRINCIPAL
from bot.web.bodies import held_body
from bot.web.context import CLOCK, STORE, WAKE
from bot.web.errors import HttpError, unavailable
from bot.web.metrics import METRICS
from bot.web.reading import limit_to_services, read

T = TypeVar("T")

CONTENT_TYPE = "application/vnd.api+json"
Record = Callable[[Writer, Instant, int], T]
"""Records a fact inside a transaction, given the instant and the number of its receipt."""


async def parsed_body(request: web.Request, parse: Callable[[bytes], T], *, limit: int = LARGEST_BODY) -> T:
    """The request's body, inflated and parsed; raises HttpError 400 that names the field (`parse` raises InvalidError)."""
    async with held_body(request, limit=limit, too_large=400) as sent:
        try:
            return parse(inflate(sent, request.headers.get("Content-Encoding", ""), max_bytes=limit))
        except GuardError as error:
            raise HttpError(400, error.slug, f"{error.detail[:1].upper()}{error.detail[1:]}.") from None
        except InvalidError as error:
            raise HttpError(400, error.slug, error.detail, pointer=error.pointer) from None


def refuse_future(request: web.Request, pointer: str, *instants: Instant | None) -> None:
    """Refuse what is told of a time that has not come."""
    now = request.app[CLOCK]()
    if any(lies_ahead(instant, now=now) for instant in instants):
        raise HttpError(400, "in_the_future", "The time has not come yet, by this server's clock.", pointer=pointer)


async def record(
    request: web.Request, work: Record[T], *, event: str, body: bytes, source: str = "api", ignored: str = ""
) -> T:
    """Record receipt, fact and marks in one transaction, before the answer; `body` is what the receipt keeps (no credentials).

    `ignored` is why there is no fact.
    """
    app = request.app
    receipt = Receipt(
        source=source,
        key=uuid.uuid4().hex,
        event=event,
        received_at=app[CLOCK](),
        headers={"content-type": "application/json"},
        body=body,
    )

    def transaction(writer: Writer) -> T:
        number = allocate_receipt(writer)
        result = work(writer, receipt.received_at, number)
        record_receipt(writer, number, receipt, ignored=ignored)
        return result

    outcomes = app[METRICS].deliveries
    try:
        async with asyncio.timeout(PATIENCE):
            result = await app[STORE].write_async(transaction)
    except TimeoutError:
        outcomes.labels(source=source, outcome="unavailable").inc()
        raise unavailable("store_unavailable", "The store does not answer. Try again.") from None
    except StoreError:
        outcomes.labels(source=source, outcome="unavailable").inc()
        raise
    app[WAKE]("marks")
    outcomes.labels(source=source, outcome="stored").inc()
    return result


async def answer_list(
    request: web.Request, answer: Callable[[Reader, ListRequest], Json], parse: Callable[[bytes], ListRequest]
) -> web.Response:
    """A list of what matches the request's query; a key limited to services has to name some of its own there."""
    wanted = await parsed_body(request, parse)
    for service in wanted.query.required("service") or (None,):
        limit_to_services(request, service)
    return json_api({"data": await read(request, lambda reader: answer(reader, wanted))})


def check_services(request: web.Request, *services: str) -> None:
    """Raises HttpError 403 when the key is limited to services and may not write about all of these, or none is named."""
    if request[PRINCIPAL].services and not services:
        raise HttpError(403, "other_service", "The key is limited to services: name one of them.")
    if not all(request[PRINCIPAL].may_touch(service) for service in services):
        mine = ", ".join(sorted(request[PRINCIPAL].services))
        raise HttpError(403, "other_service", f"The key is limited to other services: it may name {mine}.")


def json_api(document: object, *, status: int = 200) -> web.Response:
    """A document as the original's clients expect it."""
    return web.Response(status=status, body=json.dumps(document, ensure_ascii=False).encode(), content_type=CONTENT_TYPE)
