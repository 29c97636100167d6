"""The original's API: what users did with AI tools."""

import structlog
from aiohttp import web

from bot.dora.instants import Instant
from bot.facts.keys import DEPLOYMENTS_WRITE
from bot.facts.user_activity import record_activity
from bot.sources.user_activity import parse_activity, render_activity
from bot.store import Writer
from bot.web.auth import PRINCIPAL, Row, write
from bot.web.errors import HttpError
from bot.web.original import parsed_body, record

log = structlog.get_logger(__name__)


async def take_activity(request: web.Request) -> web.Response:
    """Record a report: per user, day and tool the newest one counts."""
    told = await parsed_body(request, parse_activity)
    if request[PRINCIPAL].services:
        raise HttpError(403, "other_service", "The key is limited to services; what users do belongs to none.")

    def work(writer: Writer, received_at: Instant, receipt: int) -> None:
        record_activity(writer, told, received_at=received_at, receipt=receipt)

    await record(request, work, event="user_activity", body=render_activity(told))
    log.info("user activity", entries=len(told))
    return web.Response(status=202)


ROWS = (Row("POST", "/api/v2/ai_impact/user_activity", take_activity, write(DEPLOYMENTS_WRITE)),)
