"""The original's API: deployments."""

from functools import partial

import structlog
from aiohttp import web

from bot.dora.instants import Instant
from bot.facts.deployments import deployment_id, record_deployment
from bot.facts.keys import DEPLOYMENTS_WRITE
from bot.facts.tombstones import find_standing
from bot.sources.datadog import parse_deployment, render_deployment
from bot.store import Writer
from bot.web.auth import Row, write
from bot.web.context import SETTINGS
from bot.web.original import check_service, json_api, parsed_body, record

log = structlog.get_logger(__name__)


async def create_deployment(request: web.Request) -> web.Response:
    """Record a deployment: receipt, fact and mark in one transaction; new, repeated and replaced all answer 200."""
    new = await parsed_body(request, partial(parse_deployment, web_roots=request.app[SETTINGS].web_roots))
    check_service(request, new.service)

    def work(writer: Writer, received_at: Instant, receipt: int) -> str:
        standing = find_standing(writer, deployment_id(new))
        if standing is not None:
            check_service(request, standing.service)
        return record_deployment(writer, new, received_at=received_at, receipt=receipt)

    deployment = await record(request, work, event="deployment", body=render_deployment(new))
    log.info("deployment", id=deployment, service=new.service, env=new.env)
    return json_api({"data": {"id": deployment, "type": "dora_deployment"}})


ROWS = (Row("POST", "/api/v2/dora/deployment", create_deployment, write(DEPLOYMENTS_WRITE)),)
