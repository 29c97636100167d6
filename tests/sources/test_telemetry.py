"""Bodies of telemetry to sightings: as real SDKs send them, as others might, and hostile ones."""

import json
import random
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from bot.dora.instants import DAY, MINUTE, SECOND
from bot.dora.telemetry import Sighting, merge
from bot.sources import ddtrace, otlp
from bot.sources.fields import SourceError
from bot.sources.sightings import Gathered, Told, Words, gather

FIXTURES = Path(__file__).parents[1] / "fixtures" / "telemetry"
SHA = "0123456789abcdef0123456789abcdef01234567"
URL = "https://github.com/acme/shopist.git"
RECORDED_ON = 1_795_321_000 * SECOND
Parse = Callable[[bytes], list[Told]]

RECORDED: dict[str, tuple[Parse, bool]] = {
    "ddtrace-4.16.0.traces-v0.4": (ddtrace.parse_v04, True),
    "ddtrace-4.16.0.traces-v0.5": (ddtrace.parse_v05, True),
    "ddtrace-4.16.0.app-started": (ddtrace.parse_telemetry, False),
    "ddtrace-4.16.0.message-batch": (ddtrace.parse_telemetry, False),
    "opentelemetry-sdk-1.45.2.traces": (lambda body: otlp.parse_protobuf(body, "traces"), True),
    "opentelemetry-sdk-1.45.2.metrics": (lambda body: otlp.parse_protobuf(body, "metrics"), True),
    "opentelemetry-sdk-1.45.2.logs": (lambda body: otlp.parse_protobuf(body, "logs"), True),
}
"""Recorded from the SDKs, unmodified (each shopist v1 in prod): how to read each, and whether it carries git data."""


def recorded(name: str) -> bytes:
    """A recorded body."""
    return (FIXTURES / f"{name}.bin").read_bytes()


def gathered(told: list[Told], arrived: int = RECORDED_ON + DAY) -> Gathered:
    return gather(told, arrived=arrived, web_roots={})


@pytest.mark.parametrize("name", RECORDED)
def test_what_real_sdks_send(name: str) -> None:
    parse, has_git = RECORDED[name]
    found = gathered(parse(recorded(name)))
    (one,) = found.sightings
    assert (one.service, one.env, one.version) == ("shopist", "prod", "v1")
    assert 0 <= one.first_at - RECORDED_ON < MINUTE, "by the sender's clock"
    assert one.minutes == {one.first_at // MINUTE}
    if not has_git:
        assert one.git is None
        return
    assert one.git is not None
    assert (one.git.commit_sha.hex(), one.git.repository) == (SHA, "github.com/acme/shopist")
    assert one.git.repository_url == URL, "without the credentials that OpenTelemetry sends"


def test_a_span_of_another_service_tells_nothing() -> None:
    """The database's spans in the recorded bodies have no version; they are no first spans either."""
    assert {one.words.service for one in ddtrace.parse_v05(recorded("ddtrace-4.16.0.traces-v0.5"))} == {"shopist"}
    body = msgspec.msgpack.encode([[{"service": "shopist-db", "start": 1, "duration": 1, "meta": {"_dd.base_service": "shopist"}}]])
    assert gathered(ddtrace.parse_v04(body)) == Gathered([], Counter(["no_version"]))


# OpenTelemetry --------------------------------------------------------------------------------------------------------


def resource(**attributes: str) -> Resource:
    """A resource; `_` in a name stands for a dot, `__` for itself."""
    named = {name.replace("__", "\0").replace("_", ".").replace("\0", "_"): value for name, value in attributes.items()}
    return Resource(attributes=[KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in named.items()])


def traces(*resources: Resource, start: int = RECORDED_ON, seconds: int = 90) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for one in resources:
        sent = request.resource_spans.add()
        sent.resource.CopyFrom(one)
        for later in (0, 1):
            span = sent.scope_spans.add().spans.add(name="GET /")
            span.start_time_unix_nano = start + later
            span.end_time_unix_nano = start + seconds * SECOND
    return request


def metrics(one: Resource, kind: str) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    sent = request.resource_metrics.add()
    sent.resource.CopyFrom(one)
    metric = sent.scope_metrics.add().metrics.add(name="m", description="d", unit="1")
    getattr(metric, kind).data_points.add(start_time_unix_nano=RECORDED_ON - DAY, time_unix_nano=RECORDED_ON)
    return request


def logs(one: Resource) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    sent = request.resource_logs.add()
    sent.resource.CopyFrom(one)
    sent.scope_logs.add().log_records.add(observed_time_unix_nano=RECORDED_ON)
    return request


SHOPIST = resource(service_name="Shopist", service_version="v2", deployment_environment_name="Prod")


@pytest.mark.parametrize(
    ("request_", "signal", "minutes"),
    [
        (traces(SHOPIST), "traces", {0, 2}),
        (logs(SHOPIST), "logs", {0}),
        *(
            (metrics(SHOPIST, kind), "metrics", {0})
            for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary")
        ),
    ],
    ids=["traces", "logs", "gauge", "sum", "histogram", "exponential", "summary"],
)
def test_protobuf_and_json_tell_the_same(request_: ExportTraceServiceRequest, signal: otlp.Signal, minutes: set[int]) -> None:
    packed = otlp.parse_protobuf(request_.SerializeToString(), signal)
    as_json = otlp.parse_json(json_format.MessageToJson(request_).encode(), signal)
    assert gathered(packed).sightings == gathered(as_json).sightings
    (one,) = gathered(packed).sightings
    assert (one.service, one.env, one.version, one.git) == ("Shopist", "Prod", "v2", None)
    first = RECORDED_ON // MINUTE
    assert {minute - first for minute in one.minutes} == minutes


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"deployment_environment": "old"}, ("old", None)),
        ({"deployment_environment": "old", "deployment_environment_name": "new"}, ("new", None)),
        ({}, ("", None)),
        ({"git_commit_sha": SHA.upper(), "git_repository__url": "git@github.com:acme/shopist.git"}, ("", SHA)),
        ({"vcs_ref_head_revision": SHA, "vcs_repository_url_full": URL}, ("", SHA)),
        ({"vcs_ref_head_revision": SHA}, ("", None)),
        ({"vcs_ref_head_revision": "main", "vcs_repository_url_full": URL}, ("", None)),
        ({"vcs_ref_head_revision": SHA, "vcs_repository_url_full": "nonsense"}, ("", None)),
    ],
)
def test_attributes(attributes: dict[str, str], expected: tuple[str, str | None]) -> None:
    request = traces(resource(service_name="shopist", service_version="v2", **attributes))
    for told in (
        otlp.parse_protobuf(request.SerializeToString(), "traces"),
        otlp.parse_json(json_format.MessageToJson(request).encode(), "traces"),
    ):
        (one,) = gathered(told).sightings
        assert (one.env, None if one.git is None else one.git.commit_sha.hex()) == expected


def test_attributes_of_other_types_are_passed_over() -> None:
    one = resource(service_name="shopist", service_version="v2")
    one.attributes.add(key="process.pid").value.int_value = 7
    one.attributes.add(key="process.command_args").value.array_value.values.add(string_value="x")
    one.attributes.add(key="deployment.environment.name").value.bool_value = True
    one.attributes.add(key="vcs.repository.url.full")
    for told in (
        otlp.parse_protobuf(traces(one).SerializeToString(), "traces"),
        otlp.parse_json(json_format.MessageToJson(traces(one)).encode(), "traces"),
    ):
        assert [(seen.service, seen.env) for seen in gathered(told).sightings] == [("shopist", "")]


def test_instants_in_json_may_be_numbers_or_missing() -> None:
    for written, minute in ((str(RECORDED_ON), 0), (RECORDED_ON, 0), (None, DAY // MINUTE), ("soon", DAY // MINUTE)):
        request = json.loads(json_format.MessageToJson(traces(SHOPIST)))
        request["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= {"startTimeUnixNano": written, "endTimeUnixNano": None}
        (one,) = gathered(otlp.parse_json(json.dumps(request).encode(), "traces")).sightings
        assert one.minutes == {RECORDED_ON // MINUTE + minute}, written


def test_many_in_one_body() -> None:
    """A Collector sends many processes together: each version once, with all its minutes."""
    old, new = resource(service_name="shopist", service_version="v1"), SHOPIST
    one, other = traces(old, new, old), traces(new, start=RECORDED_ON + 5 * MINUTE)
    told = otlp.parse_protobuf(one.SerializeToString() + other.SerializeToString(), "traces")
    found = {seen.version: seen for seen in gathered(told).sightings}
    assert {version: len(seen.minutes) for version, seen in found.items()} == {"v1": 2, "v2": 4}


def test_hostile_bodies_of_the_largest_size_cost_little() -> None:
    """Counts are refused before they take memory, and what is passed over is not built."""
    size = 16 * 1024 * 1024
    length = (size - 7).to_bytes(4, "big")
    bodies: list[tuple[Parse, bytes]] = [
        (ddtrace.parse_v04, b"\xdd" + length + b"\x90" * (size - 7)),
        (ddtrace.parse_v04, b"\x91\xdd" + length + b"\xc0" * (size - 7)),
        (ddtrace.parse_v05, b"\x92\xdd" + length + b"\xa0" * (size - 7) + b"\x90"),
        (ddtrace.parse_v05, b"\x92\x90\xdd" + length + b"\x90" * (size - 7)),
        (lambda body: otlp.parse_json(body, "traces"), b'{"resourceSpans":[' + b"{}," * (size // 3 - 10) + b"{}]}"),
        (lambda body: otlp.parse_protobuf(body, "traces"), b"\x10\x00" * (size // 2)),
        (lambda body: otlp.parse_protobuf(body, "traces"), b"\x0a\x00" * (size // 2)),
    ]
    for at, (parse, body) in enumerate(bodies):
        begun = time.process_time()
        with suppress(SourceError):
            gathered(parse(body))
        assert time.process_time() - begun < 2, at
    for at, (parse, body) in enumerate(bodies[:5]):
        tracemalloc.start()
        with suppress(SourceError):
            gathered(parse(body))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * 1024 * 1024, at


# What is left out -----------------------------------------------------------------------------------------------------


def test_what_is_left_out_says_why() -> None:
    for words, reason in (
        (Words("", "v1"), "no_version"), (Words(" ", "v1"), "no_version"), (Words("shopist", ""), "no_version"),
        (Words("x" * 201, "v1"), "too_long"), (Words("shopist", "v" * 201), "too_long"), (Words("shopist", "v1", "e" * 201), "too_long"),
    ):  # fmt: skip
        assert gathered([Told(words, ())]) == Gathered([], Counter([reason]))
    many = [Told(Words("shopist", f"v{n}"), ()) for n in range(510)]
    found = gathered(many)
    assert (len(found.sightings), found.left_out) == (500, {"too_many": 10})


def test_a_wrong_clock_makes_no_history() -> None:
    arrived = RECORDED_ON
    for at, taken in ((0, arrived), (arrived + 1, arrived), (arrived, arrived), (arrived - 300 * DAY, arrived - 300 * DAY),
                      (arrived - 400 * DAY, arrived), (-5, arrived), (2**80, arrived)):  # fmt: skip
        (one,) = gathered([Told(Words("shopist", "v1"), (at,))], arrived).sightings
        assert (one.first_at, one.minutes) == (taken, {taken // MINUTE}), at


def test_a_version_is_verbatim_and_unstorable_text_becomes_visible() -> None:
    (one,) = gathered([Told(Words(" Shop\0ist ", " V1 "), ())]).sightings
    assert (one.service, one.version) == ("Shop\\u0000ist", " V1 ")


_SIGHTINGS = st.builds(
    lambda minutes, git, name: Sighting(
        service=name, env="prod", version="v1", first_at=min(minutes) * MINUTE, minutes=frozenset(minutes), git=git
    ),
    st.sets(st.integers(0, 99), min_size=1),
    st.none() | st.tuples(st.integers(0, 9), st.binary(min_size=20, max_size=20), st.just("h/a/b"), st.just("https://h/a/b")),
    st.sampled_from(["shopist", "Shopist"]),
)  # fmt: skip


@settings(deadline=None)
@given(_SIGHTINGS, _SIGHTINGS, _SIGHTINGS)
def test_sightings_merge_in_any_order(one: Sighting, other: Sighting, third: Sighting) -> None:
    assert merge(one, other) == merge(other, one)
    assert merge(merge(one, other), third) == merge(one, merge(other, third))
    assert merge(one, one) == one


# Hostile bodies -------------------------------------------------------------------------------------------------------

PROTOBUF: dict[str, bytes] = {
    "cut varint": b"\x0a\x80", "endless varint": b"\x0a" + b"\x80" * 20 + b"\x01", "length beyond the end": b"\x0a\x7f\x00",
    "huge length": b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "negative length": b"\x0a" + b"\xff" * 9 + b"\x01",
    "field 0": b"\x02\x00", "group": b"\x0b\x0c", "wire type 6": b"\x0e", "wire type 7": b"\x0f", "cut fixed64": b"\x09\x00\x00",
    "cut fixed32": b"\x0d\x00", "inner length beyond the outer": b"\x0a\x03\x0a\x7f\x00", "text": b"hello", "json": b'{"resourceSpans":[]}',
    "not UTF-8": traces(resource(service_name="shopist", service_version="v1")).SerializeToString().replace(b"shopist", b"\xff" * 7),
    "very many fields": b"\x10\x00" * 300_000, "very many resources": b"\x0a\x00" * 300_000,
    "empty tag": b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", "random": random.Random(7).randbytes(4_096),
}  # fmt: skip


@pytest.mark.parametrize("body", PROTOBUF.values(), ids=PROTOBUF)
def test_broken_protobuf_is_refused(body: bytes) -> None:
    with pytest.raises(SourceError):
        otlp.parse_protobuf(body, "traces")


def test_deep_nesting_in_protobuf_is_not_entered() -> None:
    deep = b""
    for _ in range(3_000):
        deep = b"\x2a" + _varint(len(deep)) + deep  # AnyValue.array_value …
    attribute = b"\x0a\x01x\x12" + _varint(len(deep)) + deep
    one = b"\x0a" + _varint(len(attribute)) + attribute
    sent = b"\x0a" + _varint(len(one)) + one
    assert gathered(otlp.parse_protobuf(b"\x0a" + _varint(len(sent)) + sent, "traces")) == Gathered([], Counter(["no_version"]))


def _varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_protobuf_is_told_or_refused(body: bytes) -> None:
    for signal in ("traces", "metrics", "logs"):
        try:
            gathered(otlp.parse_protobuf(body, signal))  # type: ignore[arg-type]
        except SourceError:
            continue


@settings(deadline=None)
@given(st.data())
def test_any_damage_to_a_real_body_is_told_or_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(RECORDED)))
    body = bytearray(recorded(name))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    with suppress(SourceError):
        gathered(RECORDED[name][0](bytes(body)))


MSGPACK: dict[str, bytes] = {
    "empty": b"", "nothing": b"\xc0", "map": b"\x81\xa1x\x01", "text": b"hello", "cut": b"\x92\x91", "huge array": b"\xdd\xff\xff\xff\xff",
    "huge map": b"\x91\x91\xdf\xff\xff\xff\xff", "huge text": b"\x91\x91\x81\xdb\xff\xff\xff\xffx", "deep": b"\x91" * 200_000,
    "deep inside a span": b"\x91\x91\x81\xa1x" + b"\x91" * 200_000, "trailing": b"\x90\x90", "extension": b"\x91\x91\xc9\xff\xff\xff\xff\x01",
    "spans that are numbers": b"\x91\x91\x01", "service of a number": b"\x91\x91\x81\xa7service\x01", "random": random.Random(7).randbytes(999),
    "service not UTF-8": b"\x91\x91\x81\xa7service\xa1\xff",
}  # fmt: skip


@pytest.mark.parametrize("parse", [ddtrace.parse_v04, ddtrace.parse_v05])
@pytest.mark.parametrize("body", MSGPACK.values(), ids=MSGPACK)
def test_broken_msgpack_is_refused(body: bytes, parse: Parse) -> None:
    with pytest.raises(SourceError):
        parse(body)


def row(**changes: object) -> list[object]:
    """A span of v0.5."""
    fields: dict[str, object] = {"service": 0, "name": 0, "resource": 0, "trace": 1, "span": 2, "parent": 0, "start": 1, "duration": 1}
    fields |= {"error": 0, "meta": {1: 2}, "metrics": {}, "type": 0} | changes
    return list(fields.values())


TABLE = ["shopist", "version", "v1"]


def test_a_span_of_v05_written_by_hand() -> None:
    body = msgspec.msgpack.encode([TABLE, [[row(), ["never", "looked", "at"]], []]])
    assert ddtrace.parse_v05(body) == [Told(Words("shopist", "v1"), (1, 2))]


@pytest.mark.parametrize(
    "body",
    [
        [TABLE, [[row(service=3)]]], [TABLE, [[row(meta={1: 9})]]], [TABLE, [[row(meta={-1: 2})]]], [TABLE, [[row(meta={"version": "v1"})]]],
        [TABLE, [[row()[:5]]]], [[1, 2, 3], [[row()]]], [TABLE, [row()]], [TABLE], [TABLE, [[row(start="now")]]], [None, []],
    ],
)  # fmt: skip
def test_rows_that_point_nowhere_are_refused(body: object) -> None:
    with pytest.raises(SourceError):
        ddtrace.parse_v05(msgspec.msgpack.encode(body))


TEXTS: dict[str, bytes] = {
    "empty": b"", "list": b"[]", "deep": b"[" * 300_000, "deep inside": b'{"payload":' + b"[" * 300_000, "latin-1": b'{"a":"\xe9"}',
    "application": b'{"application":7}', "service": b'{"application":{"service_name":7}}', "time": b'{"tracer_time":"now"}',
    "resources": b'{"resourceSpans":{}}', "attributes": b'{"resourceSpans":[{"resource":{"attributes":7}}]}',
}  # fmt: skip


@pytest.mark.parametrize("body", TEXTS.values(), ids=TEXTS)
def test_broken_json_is_refused(body: bytes) -> None:
    refused = 0
    for parse in (ddtrace.parse_telemetry, lambda sent: otlp.parse_json(sent, "traces")):
        try:
            assert gathered(parse(body)).sightings == []
        except SourceError:
            refused += 1
    assert refused >= 1


def test_messages_of_a_tracer_without_an_application_tell_nothing() -> None:
    for body in (b"{}", b'{"application": null}', b'{"application": {}, "tracer_time": null}', b'{"application": {"service_name": "x"}}'):
        assert gathered(ddtrace.parse_telemetry(body)).sightings == []


@pytest.mark.parametrize("clock", ["1e300", "1e308", "-1e308", "-5", "0"])
def test_a_tracers_clock_that_is_none_is_passed_over(clock: str) -> None:
    body = b'{"application": {"service_name": "x", "service_version": "1"}, "tracer_time": %s}' % clock.encode()
    (told,) = ddtrace.parse_telemetry(body)
    assert (told.words.service, told.instants) == ("x", ())
