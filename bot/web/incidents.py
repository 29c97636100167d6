"""The original's incidents API."""

import uuid

import msgspec
import structlog
from aiohttp import web

from bot.answers import incidents as answers
from bot.dora.incidents import Incident, IncidentSaid
from bot.dora.instants import Instant
from bot.facts.incidents import change_incident, create_incident, delete_incident, load_incident
from bot.facts.keys import FAILURES_WRITE
from bot.sources.incidents import MOST_FIELDS, parse_incident_change, parse_new_incident
from bot.store import Reader, Writer
from bot.web.auth import PRINCIPAL, READ, Row, write
from bot.web.errors import HttpError
from bot.web.original import check_services, json_api, parsed_body, record, refuse_future
from bot.web.reading import asked, from_path, limit_to_services, not_found, parameters, read

log = structlog.get_logger(__name__)

WRITE = write(FAILURES_WRITE)


async def post_incident(request: web.Request) -> web.Response:
    """Declare an incident; every request makes a new one."""
    said = await parsed_body(request, parse_new_incident)
    _refuse_future(request, said)
    id = str(uuid.uuid4())

    def work(writer: Writer, received_at: Instant, receipt: int) -> Incident:
        incident = create_incident(writer, id, said, received_at=received_at, receipt=receipt)
        check_services(request, *incident.services)
        return incident

    incident = await record(request, work, event="incident", body=_body(id, said))
    log.info("incident declared", id=id, state=incident.state.value)
    return _answer(incident, status=201)


async def patch_incident(request: web.Request) -> web.Response:
    """Change an incident: what the request does not speak of stays."""
    id = from_path(request, "id")
    said = await parsed_body(request, lambda body: parse_incident_change(body, id=id))
    _refuse_future(request, said)

    def work(writer: Writer, received_at: Instant, receipt: int) -> Incident:
        _known(request, writer, id)
        incident = change_incident(writer, id, said, received_at=received_at, receipt=receipt)
        if incident is None:
            raise not_found()
        check_services(request, *incident.services)
        if len(incident.fields) > MOST_FIELDS:
            detail = f"The incident would have more than {MOST_FIELDS} fields."
            raise HttpError(400, "too_many_fields", detail, pointer="/data/attributes/fields")
        return incident

    incident = await record(request, work, event="incident_patch", body=_body(id, said))
    log.info("incident patched", id=id, state=incident.state.value)
    return _answer(incident)


async def remove_incident(request: web.Request) -> web.Response:
    """Delete an incident, and the failure that it is."""
    id, who = from_path(request, "id"), request[PRINCIPAL].name

    def work(writer: Writer, received_at: Instant, receipt: int) -> None:
        _known(request, writer, id)
        delete_incident(writer, id, received_at=received_at, receipt=receipt, by=who)

    await record(request, work, event="incident_deletion", body=msgspec.json.encode({"id": id}))
    log.info("incident deleted", id=id, by=who)
    return web.Response(status=204)


async def get_incident(request: web.Request) -> web.Response:
    """One incident."""
    asked(lambda: answers.parse_nothing(parameters(request)))
    id = from_path(request, "id")
    incident = await read(request, lambda reader: load_incident(reader, id))
    if incident is None:
        raise not_found()
    shown = answers.seen_by(incident, request[PRINCIPAL].services)
    limit_to_services(request, next(iter(shown.services), None))
    return _answer(shown)


async def get_incidents(request: web.Request) -> web.Response:
    """A page of the incidents, newest first."""
    page = asked(lambda: answers.parse_page(parameters(request)))
    services = request[PRINCIPAL].services
    return json_api(await read(request, lambda reader: answers.list_incidents(reader, page, services=services)))


async def search_incidents(request: web.Request) -> web.Response:
    """The incidents that a query asks for, with facets."""
    search = asked(lambda: answers.parse_search(parameters(request)))
    services = request[PRINCIPAL].services
    return json_api(await read(request, lambda reader: answers.search_incidents(reader, search, services=services)))


def _refuse_future(request: web.Request, said: IncidentSaid) -> None:
    refuse_future(request, "/data/attributes/declared", said.declared)
    refuse_future(request, "/data/attributes/fields/state/at", *(state.at for state in said.states))


def _known(request: web.Request, reader: Reader, id: str) -> Incident:
    """The incident, if the key may speak of it; raises HttpError 404 or 403."""
    incident = load_incident(reader, id)
    if incident is None:
        raise not_found()
    check_services(request, *incident.services)
    return incident


def _answer(incident: Incident, *, status: int = 200) -> web.Response:
    return json_api({"data": answers.show_incident(incident)}, status=status)


def _body(id: str, said: IncidentSaid) -> bytes:
    """What the receipt keeps of a request: what was taken of it."""
    return msgspec.json.encode({"id": id, "said": said})


_ID = "/api/v2/incidents/{id}"
ROWS = (
    Row("POST", "/api/v2/incidents", post_incident, WRITE),
    Row("GET", "/api/v2/incidents", get_incidents, READ),
    Row("GET", "/api/v2/incidents/search", search_incidents, READ),
    Row("GET", _ID, get_incident, READ),
    Row("PATCH", _ID, patch_incident, WRITE),
    Row("DELETE", _ID, remove_incident, WRITE),
)
