"""The original's API: failures."""

from functools import partial
from itertools import islice

import structlog
from aiohttp import web

from bot.answers.encode import rfc3339, seconds
from bot.answers.failures import FailureRow, find_failed_deployments, load_failure, stream_failures
from bot.answers.questions import Filters
from bot.dora.failures import failure_id
from bot.dora.instants import LATEST, Instant
from bot.dora.search import Fields, with_tags
from bot.facts.failures import load_services, record_failure
from bot.facts.keys import FAILURES_WRITE
from bot.facts.tombstones import record_deletion
from bot.sources.datadog_requests import ListRequest, parse_list
from bot.sources.failures import parse_failure, render_failure
from bot.store import Reader, Writer
from bot.web.auth import PRINCIPAL, READ, Row, write
from bot.web.context import SETTINGS
from bot.web.errors import HttpError
from bot.web.original import check_service, json_api, parsed_body, record
from bot.web.reading import from_path, not_found, read

log = structlog.get_logger(__name__)

TYPE = "dora_failure"
SORTS = ("started_at", "finished_at")
WRITE = write(FAILURES_WRITE)


async def create_failure(request: web.Request) -> web.Response:
    """Record a failure: receipt and fact in one transaction; new, repeated and closed all answer 200."""
    new = await parsed_body(request, partial(parse_failure, web_roots=request.app[SETTINGS].web_roots))
    check_services(request, new.services)

    def work(writer: Writer, received_at: Instant, receipt: int) -> str:
        for services in load_services(writer, failure_id(new)):
            check_services(request, services)
        return record_failure(writer, new, received_at=received_at, receipt=receipt)

    failure = await record(request, work, event="failure", body=render_failure(new))
    log.info("failure", id=failure, services=new.services, state=new.state.value)
    return json_api({"data": {"id": failure, "type": TYPE}})


async def get_failure(request: web.Request) -> web.Response:
    """One failure, whether its source is on or not."""
    id = from_path(request, "id")

    def work(reader: Reader) -> dict[str, object]:
        row = load_failure(reader, id)
        if row is None:
            raise not_found()
        check_services(request, row.services)
        shown = _shown(row)
        shown["attributes"] = _attributes(row) | {"deployments": list(find_failed_deployments(reader, row))}
        return shown

    return json_api({"data": await read(request, work)})


async def list_failures(request: web.Request) -> web.Response:
    """The failures that a query asks for; a key that is limited to services sees theirs alone."""
    asked = await parsed_body(
        request, partial(parse_list, type="dora_failures_list_request", sorts=SORTS, default_sort="-started_at")
    )

    def work(reader: Reader) -> list[dict[str, object]]:
        return [_shown(row) for row in _found(request, reader, asked)]

    return json_api({"data": await read(request, work)})


async def delete_failure(request: web.Request) -> web.Response:
    """Delete a failure, known or not: what is sent under its id stays deleted."""
    id = from_path(request, "id")

    def work(writer: Writer, received_at: Instant, receipt: int) -> None:
        for services in load_services(writer, id) or [()]:
            check_services(request, services)
        record_deletion(writer, "failure", id, received_at=received_at, receipt=receipt, by=request[PRINCIPAL].name)

    await record(request, work, event="failure_deleted", body=b"")
    log.info("failure_deleted", id=id)
    return web.Response(status=202)


def check_services(request: web.Request, services: tuple[str, ...]) -> None:
    """Raises HttpError 403 when the key is limited to services, and these are none or others."""
    if request[PRINCIPAL].services and not services:
        raise HttpError(403, "other_service", "The key is limited to services: name one.")
    check_service(request, *services)


def _found(request: web.Request, reader: Reader, asked: ListRequest) -> list[FailureRow]:
    """What matches, in the order asked for; both ends of the window belong to it."""
    window = Filters(from_at=asked.from_at, to_at=None if asked.to_at is None else asked.to_at + 1)
    allowed = request[PRINCIPAL].may_touch
    rows = (
        row
        for row in stream_failures(reader, window)
        if all(map(allowed, row.services or ("",))) and asked.query.matches(_fields(row))
    )
    if asked.sort == "started_at" and asked.descending:
        return list(islice(rows, asked.limit))

    def place(row: FailureRow) -> tuple[Instant, str]:
        # What has no end yet comes after what has one, whichever way.
        unended = -1 if asked.descending else LATEST
        finished_at = unended if row.finished_at is None else row.finished_at
        return row.started_at if asked.sort == "started_at" else finished_at, row.id

    return sorted(rows, key=place, reverse=asked.descending)[: asked.limit]


def _fields(row: FailureRow) -> Fields:
    """What a query may ask of a failure."""
    named = {
        "id": (row.id,), "service": row.services_shown, "team": row.teams, "env": row.envs_shown, "name": (row.name,),
        "severity": (row.severity,), "version": (row.version,), "source": (row.source,), "state": (row.state,),
        "repository": (row.repository,), "repository_id": (row.repository,),
    }  # fmt: skip
    return with_tags({name: values for name, values in named.items() if any(values)}, row.tags)


def _shown(row: FailureRow) -> dict[str, object]:
    return {"id": row.id, "type": TYPE, "attributes": _attributes(row)}


def _attributes(row: FailureRow) -> dict[str, object]:
    """A failure in the names of the original's typed client, which takes no null for what is absent."""
    attributes = {
        "services": list(row.services_shown),
        "team": next(iter(row.teams), None),
        "env": next(iter(row.envs_shown), None),
        "name": row.name or None,
        "severity": row.severity or None,
        "version": row.version or None,
        "started_at": rfc3339(row.started_at),
        "finished_at": None if row.finished_at is None else rfc3339(row.finished_at),
        "custom_tags": list(row.tags),
        "git": _git(row),
        "source": row.source,
        "state": row.state,
    }
    shown: dict[str, object] = {name: value for name, value in attributes.items() if value is not None}
    return shown | {"time_to_restore": None if row.time_to_restore is None else seconds(row.time_to_restore)}


def _git(row: FailureRow) -> dict[str, str] | None:
    if row.commit_sha is None:
        return None
    return {"commit_sha": row.commit_sha.hex(), "repository_url": row.repository_url, "repository_id": row.repository}


_IDS = ("/api/v2/dora/failures/{id}", "/api/v2/dora/failure/{id}")
ROWS = (
    Row("POST", "/api/v2/dora/failure", create_failure, WRITE),
    Row("POST", "/api/v2/dora/incident", create_failure, WRITE),
    Row("POST", "/api/v2/dora/failures", list_failures, READ),
    *(Row("GET", path, get_failure, READ) for path in _IDS),
    *(Row("DELETE", path, delete_failure, WRITE) for path in _IDS),
)
