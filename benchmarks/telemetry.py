"""P15: what telemetry costs: noting who sent a body against decoding the whole of it, and what a server's event loop spends."""

import asyncio
import http.client
import logging
import random
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import TypeVar

import msgspec
import structlog
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.bars import Measured, interleaved
from bot.dora.instants import SECOND
from bot.settings import load_settings
from bot.sources import ddtrace, otlp
from bot.sources.sightings import Told, gather
from bot.store.opening import open_store
from bot.web.routes import make_app, make_runner

T = TypeVar("T")
NOW = 1_790_000_000 * SECOND
TIMES = 60
"""Bodies per round."""
_RESOURCE = {
    "service.name": "shopist", "service.version": "v1", "deployment.environment.name": "prod", "service.namespace": "shop",
    "telemetry.sdk.language": "python", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.version": "1.45.2",
    "host.name": "node-17.internal", "os.type": "linux", "process.runtime.name": "cpython", "k8s.pod.name": "shopist-7d9f8-x2x4z",
    "k8s.namespace.name": "shop", "k8s.node.name": "node-17", "container.id": "6" * 64,
    "vcs.repository.url.full": "https://github.com/acme/shopist.git", "vcs.ref.head.revision": "0123456789abcdef" * 2 + "01234567",
}  # fmt: skip


def measure() -> Iterator[Measured]:
    """Yield P15: a batch of an SDK, a batch of a Collector, and (not judged) the bodies of Datadog's tracer."""
    sdk = _otlp(processes=1, spans=512)
    collector = _otlp(processes=60, spans=8_192)
    for what, body, spans, target in (("OTLP, one process", sdk, 512, 0.2), ("OTLP, a Collector of 60 processes", collector, 8_192, 0.2)):
        yield _measured(what, body, spans, target, lambda sent: otlp.parse_protobuf(sent, "traces"), _decode_otlp)
    v04, v05 = _ddtrace(chunks=200, spans=5)
    for what, body, parse in (("ddtrace v0.4", v04, ddtrace.parse_v04), ("ddtrace v0.5", v05, ddtrace.parse_v05)):
        yield _measured(what, body, 1_000, None, parse, msgspec.msgpack.decode)
    with _Server() as server:
        empty, _ = server.milliseconds("/v1/traces", "application/x-protobuf", b"")
        for what, path, kind, body, spans in (
            ("OTLP", "/v1/traces", "x-protobuf", sdk, 512), ("OTLP of a Collector", "/v1/traces", "x-protobuf", collector, 8_192),
            ("ddtrace v0.4", "/v0.4/traces", "msgpack", v04, 1_000), ("ddtrace v0.5", "/v0.5/traces", "msgpack", v05, 1_000),
        ):  # fmt: skip
            loop, whole = server.milliseconds(path, f"application/{kind}", body)
            yield Measured(
                bar="P15", what=f"ms of the event loop per 1,000 spans ({what})", figure=(loop - empty) / spans * 1_000,
                target=1.0, detail=f"{loop:.2f} ms of the loop per body of {spans:,} spans, {empty:.2f} ms per empty one; "
                f"{whole:.2f} ms until the answer",
            )  # fmt: skip


def _measured(
    what: str, body: bytes, spans: int, target: float | None, parse: Callable[[bytes], list[Told]], decode: Callable[[bytes], object]
) -> Measured:
    def ours() -> float:
        begun = time.thread_time()
        for _ in range(TIMES):
            assert len(gather(parse(body), arrived=NOW, web_roots={}).sightings) >= 1
        return time.thread_time() - begun

    def yardstick() -> float:
        begun = time.thread_time()
        for _ in range(TIMES):
            decode(body)
        return time.thread_time() - begun

    seconds, whole = interleaved(ours, yardstick)
    return Measured(
        bar="P15",
        what=f"who sent {spans:,} spans ({what}, {len(body) / 1e6:.2f} MB) / all",
        figure=seconds / whole,
        target=target,
        detail=f"{spans * TIMES / seconds / 1e6:.2f} M spans/s / {spans * TIMES / whole / 1e6:.2f} M spans/s; "
        f"{seconds * 1_000 / (TIMES * spans / 1_000):.3f} ms per 1,000 spans",
    )


def _otlp(*, processes: int, spans: int) -> bytes:
    dice = random.Random(7)
    request = ExportTraceServiceRequest()
    for number in range(processes):
        sent = request.resource_spans.add()
        for key, value in (_RESOURCE | {"service.instance.id": f"{number:032x}"}).items():
            sent.resource.attributes.add(key=key).value.string_value = value
        scope = sent.scope_spans.add()
        scope.scope.name = "opentelemetry.instrumentation.fastapi"
        for at in range(spans // processes):
            span = scope.spans.add(name="GET /cart/{id}", kind=2, trace_id=dice.randbytes(16), span_id=dice.randbytes(8))
            span.start_time_unix_nano = NOW - at
            span.end_time_unix_nano = NOW - at + dice.randrange(10**8)
            for key, value in (("http.request.method", "GET"), ("url.path", f"/cart/{at}"), ("http.route", "/cart/{id}")):
                span.attributes.add(key=key).value.string_value = value
            span.attributes.add(key="http.response.status_code").value.int_value = 200
    return request.SerializeToString()


class _Server:
    """The web application in a thread of its own, over a new store."""

    def __enter__(self) -> "_Server":
        self._folder = tempfile.TemporaryDirectory()
        self._store = open_store(f"sqlite:///{self._folder.name}/bench.db", serving=True)
        self._store.migrate()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
        self._runner, self._port = self._in_loop(self._serve())
        return self

    def __exit__(self, *_: object) -> None:
        self._in_loop(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._store.close()
        self._folder.cleanup()

    def milliseconds(self, path: str, content_type: str, body: bytes) -> tuple[float, float]:
        """CPU time of the loop's thread, and time until the answer, per body (the medians of rounds)."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)

        def send() -> None:
            connection.request("POST", path, body, {"Content-Type": content_type})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200

        def spent() -> float:
            before = self._in_loop(_thread_time())
            for _ in range(TIMES):
                send()
            return self._in_loop(_thread_time()) - before

        send()
        loop, whole = interleaved(spent, lambda: [send() for _ in range(TIMES)] and None)
        connection.close()
        return loop * 1_000 / TIMES, whole * 1_000 / TIMES

    async def _serve(self) -> tuple[web.AppRunner, int]:
        app = make_app(
            settings=load_settings({}), store=self._store, clock=lambda: NOW, wake=lambda _: None, engine_alive=lambda: True
        )
        runner = make_runner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]

    def _in_loop(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _thread_time() -> float:
    return time.thread_time()


def _decode_otlp(body: bytes) -> object:
    return ExportTraceServiceRequest.FromString(body)


def _ddtrace(*, chunks: int, spans: int) -> tuple[bytes, bytes]:
    """The same traces in v0.4 and v0.5."""
    meta = {
        "env": "prod", "version": "v1", "language": "python", "runtime-id": "6" * 32, "_dd.p.dm": "-0", "_dd.p.tid": "6b026cae00000000",
        "_dd.git.commit.sha": _RESOURCE["vcs.ref.head.revision"], "_dd.git.repository_url": _RESOURCE["vcs.repository.url.full"],
    }  # fmt: skip
    v04, rows = [], []
    texts: dict[str, int] = {"": 0}

    def place(text: str) -> int:
        return texts.setdefault(text, len(texts))

    for chunk in range(chunks):
        maps, lines = [], []
        for at in range(spans):
            span_meta = meta if at == 0 else {"env": "prod", "version": "v1", "http.url": f"/cart/{chunk}/{at}"}
            maps.append({
                "service": "shopist", "name": "web.request", "resource": "GET /cart", "trace_id": chunk, "span_id": at, "parent_id": 0,
                "start": NOW, "duration": at, "error": 0, "meta": span_meta, "metrics": {"process_id": 7.0}, "type": "web",
            })  # fmt: skip
            lines.append([
                place("shopist"), place("web.request"), place("GET /cart"), chunk, at, 0, NOW, at, 0,
                {place(key): place(value) for key, value in span_meta.items()}, {place("process_id"): 7.0}, place("web"),
            ])  # fmt: skip
        v04.append(maps)
        rows.append(lines)
    return msgspec.msgpack.encode(v04), msgspec.msgpack.encode([list(texts), rows])
