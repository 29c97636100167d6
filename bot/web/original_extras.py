"""Two routes that the original's clients call beside the work: is this key good, and here are metrics about the client itself."""

from aiohttp import web

from bot.web.auth import KEY, Row
from bot.web.bodies import held_body

LARGEST_METRICS = 1024 * 1024


async def validate(request: web.Request) -> web.Response:
    """The key was checked on the way here."""
    return web.json_response({"valid": True})


async def take_series(request: web.Request) -> web.Response:
    """Metrics of the client about itself: accepted, so that it does not warn, and dropped."""
    async with held_body(request, limit=LARGEST_METRICS, too_large=400):
        return web.json_response({"status": "ok"}, status=202)


ROWS = (
    Row("GET", "/api/v1/validate", validate, KEY),
    Row("POST", "/api/v1/series", take_series, KEY),
)
