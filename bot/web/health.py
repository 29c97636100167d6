"""Whether the process lives, whether it can do its work, and what it counted."""

from functools import partial

import structlog
from aiohttp import web

from bot.store import StoreError
from bot.web.auth import OPEN, READ, Row
from bot.web.context import CLOCK, ENGINE_ALIVE, STORE
from bot.web.metrics import METRICS, Correspondence, load_correspondence

log = structlog.get_logger(__name__)


async def healthz(request: web.Request) -> web.Response:
    """The process answers."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """The writer and the engine are alive; 503 names what is not."""
    checks = {"store": request.app[STORE].healthy(), "engine": request.app[ENGINE_ALIVE]()}
    ready = all(checks.values())
    body = {"status": "ok" if ready else "unready", "checks": {name: "ok" if up else "down" for name, up in checks.items()}}
    return web.json_response(body, status=200 if ready else 503, headers={} if ready else {"Retry-After": "5"})


async def metrics(request: web.Request) -> web.Response:
    """Counters in Prometheus' text format; those of a store that does not answer are left out."""
    told: Correspondence | None = None
    try:
        told = await request.app[STORE].read_async(partial(load_correspondence, now=request.app[CLOCK]()))
    except StoreError as error:
        log.warning("metrics without correspondence", error=str(error))
    return web.Response(
        body=request.app[METRICS].render(told), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


ROWS = (
    Row("GET", "/healthz", healthz, OPEN),
    Row("GET", "/readyz", readyz, OPEN),
    Row("GET", "/metrics", metrics, READ),
)
