"""The original's API: service definitions.

What is sent is read off the event loop (a text may take some 50 ms), then receipt, writing, claims and marks commit together.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import structlog
from aiohttp import web

from bot.answers.catalog_api import DefinitionAnswer, find_definition, list_definitions, only_in_files, show_sent
from bot.answers.encode import rfc3339
from bot.dora.entities import Notice, service_ref
from bot.dora.instants import Instant
from bot.facts.catalog_entities import delete_entity, find_entity, record_entities
from bot.facts.keys import CATALOG_WRITE
from bot.sources.catalog_api import RefusedError, Sent, read_sent_definitions
from bot.sources.definition_forms import VERSIONS
from bot.store import Writer
from bot.web.auth import PRINCIPAL, READ, Row, write
from bot.web.errors import HttpError
from bot.web.original import check_services, json_api, parsed_body, record
from bot.web.reading import from_path, read

log = structlog.get_logger(__name__)

T = TypeVar("T")
MOST_DEFINITIONS = 100
"""A page's size at most."""


async def put_definitions(request: web.Request) -> web.Response:
    """Create or replace definitions: all that the request holds, or none."""
    sent = await read_sent(request, read_sent_definitions)
    check_services(request, *(entity.name for entity in sent.entities))
    received_at = await record_sent(request, sent, event="service-definition")
    seen = await read(request, partial(show_sent, entities=sent.entities, received_at=received_at))
    log.info("service-definition", services=[entity.name for entity in sent.entities])
    return json_api({"data": [_data(one) for one in seen]})


async def get_definitions(request: web.Request) -> web.Response:
    """A page of the definitions in force."""
    limit = number(request, "page[size]", default=10, least=1, most=MOST_DEFINITIONS)
    page = number(request, "page[number]", default=0)
    ask = partial(
        list_definitions, version=_version(request), offset=page * limit, limit=limit, visible=request[PRINCIPAL].may_touch
    )
    return json_api({"data": [_data(one) for one in await read(request, ask)]})


async def get_definition(request: web.Request) -> web.Response:
    """The definition in force of one service."""
    service = _service(request)
    found = await read(request, partial(find_definition, service=service, version=_version(request)))
    if found is None:
        raise missing()
    return json_api({"data": _data(found)})


async def delete_definition(request: web.Request) -> web.Response:
    """Delete what was sent by API of a service; what files say of it stays."""
    service = _service(request)
    await delete(request, service_ref(service), event="service-definition-deletion")
    return web.Response(status=204)


async def read_sent(request: web.Request, parse: Callable[[bytes], T]) -> T:
    """What the request brings, read in a thread; raises HttpError 400 with a sentence for each mistake."""
    body = await parsed_body(request, bytes)
    try:
        return await asyncio.to_thread(parse, body)
    except RefusedError as error:
        raise HttpError(400, error.slug, " ".join(error.details), details=error.details) from None


async def record_sent(request: web.Request, sent: Sent, *, event: str) -> Instant:
    """Record what was sent, durably; the instant of its receipt."""

    def work(writer: Writer, received_at: Instant, receipt: int) -> Instant:
        record_entities(writer, sent.entities, received_at=received_at, receipt=receipt)
        return received_at

    return await record(request, work, event=event, body=sent.text.encode())


async def delete(request: web.Request, ref: str, *, event: str) -> None:
    """Delete an entity that was sent by API. Raises HttpError: 404 for one that nobody knows, 400 for one that only files define."""
    name = ref.rpartition("/")[2]
    if await read(request, partial(find_entity, ref=ref)) is None:
        places = await read(request, partial(only_in_files, service=name)) if ref == service_ref(name) else ""
        if places:
            told = f"The service {name} was not defined by API: delete it where it stands, in {places}."
            raise HttpError(400, "defined_in_file", told, details=(told,))
        raise missing()

    def work(writer: Writer, received_at: Instant, receipt: int) -> None:
        delete_entity(writer, ref, received_at=received_at, receipt=receipt)

    await record(request, work, event=event, body=ref.encode())
    log.info(event, entity=ref)


def missing() -> HttpError:
    """There is no such definition or entity."""
    return HttpError(404, "not_found", "Nothing is known under this name.")


def number(request: web.Request, name: str, *, default: int, least: int = 0, most: int = 10**9) -> int:
    """A whole number of the query; raises HttpError 400."""
    given = request.query.get(name, "").strip()
    if not given:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 12 and least <= int(given) <= most):
        raise invalid(f"{name} is a whole number from {least} to {most}.")
    return int(given)


def choice(request: web.Request, name: str, known: Iterable[str]) -> str:
    """One of these words in the query, "" for none; raises HttpError 400."""
    given = request.query.get(name, "").strip()
    if given and given not in known:
        raise invalid(f"{name} is one of {', '.join(known)}.")
    return given


def invalid(detail: str) -> HttpError:
    """A 400 of the catalogue."""
    return HttpError(400, "invalid", detail, details=(detail,))


def warnings(notices: Iterable[Notice]) -> list[dict[str, str]]:
    """Notices as the original's clients read them."""
    return [{"message": one.message, "instance-location": one.where, "keyword-location": ""} for one in notices]


def _service(request: web.Request) -> str:
    service = from_path(request, "service_name").strip().lower()
    check_services(request, service)
    return service


def _version(request: web.Request) -> str:
    return choice(request, "schema_version", VERSIONS)


def _data(one: DefinitionAnswer) -> dict[str, object]:
    at = one.origin.modified_at
    meta: dict[str, object] = {
        "last-modified-time": None if at is None else rfc3339(at),
        "github-html-url": "",
        "ingestion-source": one.origin.kind,
        "origin": one.origin.kind,
        "origin-detail": one.origin.detail,
        "warnings": warnings(one.notices),
        "ingested-schema-version": one.ingested,
    }
    return {
        "id": service_ref(one.service),
        "type": "service-definition",
        "attributes": {"meta": {key: value for key, value in meta.items() if value is not None}, "schema": one.document},
    }


ROWS = (
    Row("POST", "/api/v2/services/definitions", put_definitions, write(CATALOG_WRITE)),
    Row("GET", "/api/v2/services/definitions", get_definitions, READ),
    Row("GET", "/api/v2/services/definitions/{service_name}", get_definition, READ),
    Row("DELETE", "/api/v2/services/definitions/{service_name}", delete_definition, write(CATALOG_WRITE)),
)
