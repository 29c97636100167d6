"""Where tracers and OpenTelemetry send: the versions in a body are noted, everything else is let go.

Senders try again after 429 and 5xx and drop after other refusals: what is understood is 200, what is broken 400.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial

from aiohttp import web

from bot import __version__
from bot.guard import GuardError, inflate
from bot.sources import ddtrace, otlp
from bot.sources.fields import SourceError
from bot.sources.sightings import Gathered, Told, gather
from bot.web.auth import PRINCIPAL, TELEMETRY, Row
from bot.web.bodies import BUDGETS, held_body
from bot.web.context import CLOCK, SETTINGS
from bot.web.errors import HttpError
from bot.web.metrics import METRICS
from bot.web.original import check_services
from bot.web.sightings import RECORDER

LARGEST_BODY = 16 * 1024 * 1024
"""Bytes, before and after inflating."""
MOST_PACKED = 1_000
"""What gzip can do at most; telemetry repeats itself, and `LARGEST_BODY` bounds it."""
SMALL = 16 * 1024
"""Up to here a body that is not compressed is decoded on the event loop: that takes about as long as handing it over."""
PROTOBUF, JSON, MSGPACK = "application/x-protobuf", "application/json", "application/msgpack"

DECODING: web.AppKey[asyncio.Semaphore] = web.AppKey("decoding", asyncio.Semaphore)
"""Larger bodies are decoded in a thread, one at a time: more of them would only take turns, and memory."""

Parse = Callable[[bytes], list[Told]]


async def receive_otlp(request: web.Request, *, signal: otlp.Signal) -> web.Response:
    """Traces, metrics or logs of OpenTelemetry."""
    if request.content_type == PROTOBUF:
        await _receive(request, lambda body: otlp.parse_protobuf(body, signal))
        return web.Response(body=b"", content_type=PROTOBUF)
    _require(request, JSON, f"{PROTOBUF} or {JSON}")
    await _receive(request, lambda body: otlp.parse_json(body, signal))
    return web.json_response({})


async def receive_traces(request: web.Request, *, parse: Parse) -> web.Response:
    """Traces of a Datadog tracer, which takes this server for its agent."""
    _require(request, MSGPACK, MSGPACK)
    await _receive(request, parse)
    return web.json_response({"rate_by_service": {"service:,env:": 1}})


async def receive_tracer_telemetry(request: web.Request) -> web.Response:
    """What a Datadog tracer says of itself: when it starts, and about once a minute."""
    _require(request, JSON, JSON)
    await _receive(request, ddtrace.parse_telemetry)
    return web.json_response({})


async def show_info(request: web.Request) -> web.Response:
    """What a Datadog tracer asks its agent."""
    paths = [row.path for row in ROWS if row.method == "POST"]
    return web.json_response({"version": __version__, "endpoints": paths, "client_drop_p0s": False})


def _require(request: web.Request, content_type: str, wanted: str) -> None:
    # Browsers send none of these across sites without asking first: a page cannot feed a server on loopback.
    if request.content_type != content_type:
        raise HttpError(400, "content_type", f"Send {wanted}.")


async def _receive(request: web.Request, parse: Parse) -> None:
    app = request.app
    async with held_body(request, limit=LARGEST_BODY, too_large=400, budget=app[BUDGETS].telemetry) as body:
        try:
            found = await _gather(request, body, parse)
        except GuardError as error:
            raise HttpError(400, error.slug, f"{error.detail[:1].upper()}{error.detail[1:]}.") from None
        except SourceError as error:
            raise HttpError(400, error.slug, f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    principal = request[PRINCIPAL]
    allowed = [one for one in found.sightings if principal.may_touch(one.service)]
    if found.sightings and not allowed:
        check_services(request, *(one.service for one in found.sightings))
    outcomes = Counter(await app[RECORDER].keep(allowed)) + found.left_out
    outcomes["other_service"] += len(found.sightings) - len(allowed)
    for outcome, n in (+outcomes).items():
        app[METRICS].sightings.labels(outcome=outcome).inc(n)


async def _gather(request: web.Request, body: bytes, parse: Parse) -> Gathered:
    encoding = request.headers.get("Content-Encoding", "")
    arrived, web_roots = request.app[CLOCK](), request.app[SETTINGS].web_roots

    def work() -> Gathered:
        plain = inflate(body, encoding, max_bytes=LARGEST_BODY, max_ratio=MOST_PACKED)
        return gather(parse(plain), arrived=arrived, web_roots=web_roots)

    if not encoding and len(body) <= SMALL:
        return work()
    async with request.app[DECODING]:
        return await asyncio.to_thread(work)


ROWS = (
    Row("POST", "/v1/traces", partial(receive_otlp, signal="traces"), TELEMETRY),
    Row("POST", "/v1/metrics", partial(receive_otlp, signal="metrics"), TELEMETRY),
    Row("POST", "/v1/logs", partial(receive_otlp, signal="logs"), TELEMETRY),
    *(Row(method, "/v0.4/traces", partial(receive_traces, parse=ddtrace.parse_v04), TELEMETRY) for method in ("POST", "PUT")),
    *(Row(method, "/v0.5/traces", partial(receive_traces, parse=ddtrace.parse_v05), TELEMETRY) for method in ("POST", "PUT")),
    Row("POST", "/telemetry/proxy/api/v2/apmtelemetry", receive_tracer_telemetry, TELEMETRY),
    Row("GET", "/info", show_info, TELEMETRY),
)
