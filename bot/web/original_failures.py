"""The original's API: failures.

What is not there is a 404 only where a client asks for or deletes one failure: it raises that and sends nothing twice.
"""

import json
from functools import partial

import structlog
from aiohttp import web

from bot.answers import original_failures as answers
from bot.answers.encode import Json
from bot.answers.failures import FailureRow, load_failure
from bot.answers.questions import EVERY_SERVICE
from bot.dora.failures import failure_id
from bot.dora.instants import Instant
from bot.facts.failures import load_services, record_failure
from bot.facts.keys import FAILURES_WRITE
from bot.facts.tombstones import record_deletion
from bot.sources.datadog_requests import parse_list
from bot.sources.failures import parse_failure, render_failure
from bot.store import Reader, Writer
from bot.web.auth import PRINCIPAL, READ, Row, write
from bot.web.context import SETTINGS
from bot.web.original import answer_list, check_services, json_api, parsed_body, record, refuse_future
from bot.web.reading import from_path, limit_to_services, not_found, read

log = structlog.get_logger(__name__)

WRITE = write(FAILURES_WRITE)


async def create_failure(request: web.Request) -> web.Response:
    """Record a failure: receipt and fact in one transaction; new, repeated and closed all answer 200."""
    new = await parsed_body(request, partial(parse_failure, web_roots=request.app[SETTINGS].web_roots))
    refuse_future(request, "/data/attributes/started_at", new.started_at)
    refuse_future(request, "/data/attributes/finished_at", new.finished_at)
    check_services(request, *new.services)

    def work(writer: Writer, received_at: Instant, receipt: int) -> str:
        for services in load_services(writer, failure_id(new)):
            check_services(request, *services)
        return record_failure(writer, new, received_at=received_at, receipt=receipt)

    id = await record(request, work, event="failure", body=render_failure(new))
    log.info("failure", id=id, services=new.services, state=new.state.value)
    return json_api({"data": {"id": id, "type": answers.TYPE}})


async def list_failures(request: web.Request) -> web.Response:
    """Failures that match a query, the latest begun first unless asked otherwise."""
    parse = partial(parse_list, type=answers.LIST_TYPE, sorts=answers.SORTS, default_sort=answers.DEFAULT_SORT)
    answer = partial(answers.list_failures, visible=request[PRINCIPAL].services)
    return await answer_list(request, answer, parse)


async def get_failure(request: web.Request) -> web.Response:
    """One failure, whether its source is on or not."""
    id = from_path(request, "id")

    def work(reader: Reader) -> Json:
        row = _known(reader, id, visible=request[PRINCIPAL].services)
        limit_to_services(request, next(iter(row.services), None))
        return answers.show_failure(reader, row)

    return json_api({"data": await read(request, work)})


async def delete_failure(request: web.Request) -> web.Response:
    """Delete a failure for good: sent again under its id it stays deleted."""
    id, who = from_path(request, "id"), request[PRINCIPAL].name

    def work(writer: Writer, received_at: Instant, receipt: int) -> None:
        _known(writer, id, visible=EVERY_SERVICE)  # whose it is decides below
        for services in load_services(writer, id):
            check_services(request, *services)
        record_deletion(writer, "failure", id, received_at=received_at, receipt=receipt, by=who)

    body = json.dumps({"data": {"id": id, "type": answers.TYPE}}).encode()
    await record(request, work, event="failure_deletion", body=body)
    log.info("failure deleted", id=id, by=who)
    return json_api({"data": None}, status=202)


def _known(reader: Reader, id: str, *, visible: frozenset[str]) -> FailureRow:
    row = load_failure(reader, id, visible=visible)
    if row is None:
        raise not_found()
    return row


_IDS = ("/api/v2/dora/failures/{id}", "/api/v2/dora/failure/{id}")
ROWS = (
    Row("POST", "/api/v2/dora/failure", create_failure, WRITE),
    Row("POST", "/api/v2/dora/incident", create_failure, WRITE),
    Row("POST", "/api/v2/dora/failures", list_failures, READ),
    *(Row("GET", path, get_failure, READ) for path in _IDS),
    *(Row("DELETE", path, delete_failure, WRITE) for path in _IDS),
)
