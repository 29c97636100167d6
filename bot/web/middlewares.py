"""What every request goes through: an id, a line in the log, errors as JSON (as a page for browsers), and headers that keep browsers careful."""

import time
import uuid
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from bot.store import StoreError, StoreUnavailableError, StoreValueError
from bot.web.auth import PRINCIPAL
from bot.web.errors import RETRY_AFTER, HttpError, error_response
from bot.web.metrics import METRICS
from bot.web.rendering import prefers_page, refusal

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Server": "rollforward",
}
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, bind it to the log, and write one line without query, headers or body."""
    request[REQUEST_ID] = request_id = uuid.uuid4().hex
    started = time.perf_counter()
    with structlog.contextvars.bound_contextvars(request=request_id):
        response = await handler(request)
        resource = request.match_info.route.resource
        log.info(
            "request",
            method=request.method,
            route=resource.canonical if resource else "unknown",
            status=response.status,
            ms=round((time.perf_counter() - started) * 1000, 1),
        )
    return response


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal and every accident as one JSON shape, or as a page for a browser; what went wrong inside stays in the log, under the id."""
    try:
        return await handler(request)
    except HttpError as refused:
        error = refused.without_traceback()
    except web.HTTPException as refused:
        if refused.status < 400:
            raise
        error = _of_framework(refused)
    except StoreValueError:
        error = HttpError(400, "unstorable", "A value in the request cannot be stored.")
    except StoreUnavailableError:
        error = _no_store("The store is down or too slow; nothing was kept. Try again.")
    except StoreError:
        log.exception("store failed")
        error = _no_store("The store failed; nothing was kept. Try again.")
    except Exception:
        log.exception("request failed")
        error = HttpError(500, "internal", "Something went wrong here; the log knows it under this id.")
    note_refusal(request, error)
    if prefers_page(request):
        return refusal(request, error, request_id=request[REQUEST_ID])
    return error_response(request, error, request_id=request[REQUEST_ID])


def note_refusal(request: web.Request, error: HttpError) -> None:
    """Count a refusal, and say in the log which key was refused and why."""
    if error.status in (401, 403):
        # Senders get one word for an answer; who runs this needs to know which pipeline it is, and why.
        who = request.get(PRINCIPAL)
        log.warning("refused", reason=error.title, detail=error.detail, key=who.name if who is not None else "")
    request.app[METRICS].refusals.labels(status=str(error.status), reason=error.title).inc()


async def careful_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Signal: headers on every response, whoever made it."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = SECURITY_HEADERS["Server"]


def _of_framework(refused: web.HTTPException) -> HttpError:
    match refused.status:
        case 404:
            return HttpError(404, "unknown_route", "There is nothing here.")
        case 405:
            allow = refused.headers.get("Allow", "")
            return HttpError(405, "method_not_allowed", f"Only {allow.replace(',', ', ')} here.", headers={"Allow": allow})
        case 413:
            return HttpError(400, "too_large", "The body is too large.")
        case status:
            return HttpError(status, refused.reason.lower().replace(" ", "_"), f"{refused.reason}.")


def _no_store(detail: str) -> HttpError:
    return HttpError(503, "store_unavailable", detail, headers={"Retry-After": RETRY_AFTER})
