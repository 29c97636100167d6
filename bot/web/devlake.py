"""DevLake's deployment webhook, taken as it is sent there (`POST /webhooks/devlake/deployments`)."""

from functools import partial

import structlog
from aiohttp import web

from bot.dora.instants import Instant
from bot.facts.keys import DEPLOYMENTS_WRITE
from bot.facts.webhook_deployments import record_commit_deployed
from bot.sources.devlake import DevlakeDeployment, parse_devlake, render_devlake
from bot.sources.fields import LONGEST_NAME
from bot.store import Writer
from bot.web.auth import PRINCIPAL, Row, told
from bot.web.context import CLOCK, SETTINGS
from bot.web.errors import HttpError
from bot.web.original import check_services, parsed_body, record

log = structlog.get_logger(__name__)

IGNORED = "not_a_success"
"""Why a result other than SUCCESS changes nothing."""


async def take_deployment(request: web.Request) -> web.Response:
    """Record the commits of a deployment; whose they are is named by `?service=`, else inferred from the definitions."""
    service = _service(request)
    app = request.app
    parse = partial(parse_devlake, service=service, received_at=app[CLOCK](), web_roots=app[SETTINGS].web_roots)
    deployment = await parsed_body(request, parse)

    def work(writer: Writer, received_at: Instant, receipt: int) -> None:
        for one in deployment.commits:
            record_commit_deployed(writer, one, received_at=received_at, receipt=receipt)

    await record(
        request, work, event="deployment", body=render_devlake(deployment), source="webhook",
        ignored="" if deployment.commits else IGNORED,
    )  # fmt: skip
    log.info("deployment by webhook", commits=len(deployment.commits), ignored=deployment.ignored, service=service)
    return web.json_response(_answer(deployment))


def _service(request: web.Request) -> str:
    services = request.query.getall("service", [])
    if len(services) > 1 or set(request.query) - {"service"}:
        raise HttpError(400, "bad_query", "The only parameter is service, once.")
    service = services[0].strip() if services else ""
    if len(service) > LONGEST_NAME:
        raise HttpError(400, "bad_query", f"The service's name is longer than {LONGEST_NAME} characters.")
    if service:
        check_services(request, service)
    elif request[PRINCIPAL].services:
        raise HttpError(403, "other_service", "The key is limited to some services: name one with ?service=.")
    return service


def _answer(deployment: DevlakeDeployment) -> dict[str, object]:
    said: dict[str, object] = {"id": deployment.id or None, "commits": len(deployment.commits), "ignored": deployment.ignored}
    return said | ({"reason": IGNORED} if deployment.ignored else {})


ROWS = (Row("POST", "/webhooks/devlake/deployments", take_deployment, told(DEPLOYMENTS_WRITE)),)
