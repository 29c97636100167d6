"""OpenTelemetry over HTTP: who sends, and when, out of traces, metrics and logs; protobuf or JSON, the rest is not decoded.

The three requests have one shape: field 1 repeats what a *resource* (1: attributes 1) sent, in *scopes* (2) of *items* (2). Only
the resource is read, and of the first item of the first scope its instants. Field numbers: opentelemetry-proto, `trace.proto`,
`metrics.proto`, `logs.proto`; conventions of names: https://opentelemetry.io/docs/specs/semconv/resource/.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Literal

from msgspec import Struct, field

from bot.guard import GuardError, decode_json_as
from bot.sources.fields import SourceError
from bot.sources.protobuf import FIXED64, LENGTH, Field, Skimmer
from bot.sources.sightings import NOBODY, Told, Words

Signal = Literal["traces", "metrics", "logs"]

_SERVICE, _VERSION = "service.name", "service.version"
_ENV, _OLD_ENV = "deployment.environment.name", "deployment.environment"
_COMMIT, _OLD_COMMIT = "vcs.ref.head.revision", "git.commit.sha"
_REPOSITORY, _OLD_REPOSITORY = "vcs.repository.url.full", "git.repository_url"
_WANTED = frozenset(
    name.encode()
    for name in (_SERVICE, _VERSION, _ENV, _OLD_ENV, _COMMIT, _OLD_COMMIT, _REPOSITORY, _OLD_REPOSITORY)
)
_INSTANTS: Mapping[Signal, tuple[frozenset[int], int]] = {
    "traces": (frozenset({7, 8}), 8), "metrics": (frozenset({3}), 3), "logs": (frozenset({1, 11}), 11),
}  # fmt: skip
"""Fields of a span (start, end), a data point (time) and a log record (time, observed), and the last of them."""
_DATA = frozenset({5, 7, 9, 10, 11})
"""Fields of a metric that hold data points, in field 1 of each kind."""
_CACHED = 2_048
"""Bytes of a resource up to which it is remembered: a process sends the same with every body."""
_ENOUGH = 8
"""Processes of one version in one body that are asked when: a Collector sends many, of the same moment."""
MOST_OBJECTS = 300_000
"""In JSON; refused before they take memory: an empty object is three bytes on the wire, and sixty here."""


class OtlpError(SourceError):
    """The body is no such request."""

    slug = "invalid_otlp"


# Protobuf -------------------------------------------------------------------------------------------------------------


def parse_protobuf(body: bytes, signal: Signal) -> list[Told]:
    """Who sent an Export…ServiceRequest; raises ProtobufError."""
    skimmer = Skimmer(body)
    asked: Counter[Words] = Counter()
    told = []
    for number, kind, start, end in skimmer.fields():
        if number == 1 and kind == LENGTH:
            words, scope = _sent(skimmer, start, end)
            if asked[words] < _ENOUGH:
                asked[words] += 1
                told.append(Told(words, tuple(_instants(skimmer, scope, signal)) if scope and words.version else ()))
    return told


def _sent(skimmer: Skimmer, start: int, end: int) -> tuple[Words, Field | None]:
    """What a resource says, and the first scope of what it sent."""
    words, scope = NOBODY, None
    for part in skimmer.fields(start, end):
        number, kind, at, to = part
        if number == 1 and kind == LENGTH:
            resource = skimmer.body[at:to]
            words = _known_words(resource) if len(resource) <= _CACHED else _words(resource)
        elif number == 2 and scope is None and kind == LENGTH:
            scope = part
    return words, scope


def _words(resource: bytes) -> Words:
    skimmer = Skimmer(resource)
    found: dict[str, str] = {}
    for attribute in skimmer.fields():
        if attribute[0] == 1 and attribute[1] == LENGTH:
            key, value = _first(skimmer, attribute, 1), _first(skimmer, attribute, 2)
            if key is not None and value is not None and resource[key[2] : key[3]] in _WANTED:
                text = _first(skimmer, value, 1)
                found[skimmer.text(key)] = "" if text is None else skimmer.text(text)
    return _chosen(found)


_known_words = lru_cache(maxsize=1_024)(_words)


def _instants(skimmer: Skimmer, scope: Field, signal: Signal) -> Iterator[int]:
    item = _first(skimmer, scope, 2)
    if item is not None and signal == "metrics":
        data = next((part for part in skimmer.fields(*item[2:]) if part[0] in _DATA and part[1] == LENGTH), None)
        item = None if data is None else _first(skimmer, data, 1)
    if item is None:
        return
    wanted, last = _INSTANTS[signal]
    for part in skimmer.fields(*item[2:]):
        number = part[0]
        if number in wanted and part[1] == FIXED64:
            yield skimmer.fixed64(part)
        if number >= last:
            return


def _first(skimmer: Skimmer, message: Field, number: int) -> Field | None:
    for part in skimmer.fields(message[2], message[3]):
        if part[0] == number and part[1] == LENGTH:
            return part
    return None


def _chosen(found: Mapping[str, str]) -> Words:
    """What attributes say; the newer names are preferred."""
    service, version = found.get(_SERVICE), found.get(_VERSION)
    if not service or not version:
        return NOBODY
    return Words(
        service,
        version,
        found.get(_ENV) or found.get(_OLD_ENV) or "",
        found.get(_COMMIT) or found.get(_OLD_COMMIT) or "",
        found.get(_REPOSITORY) or found.get(_OLD_REPOSITORY) or "",
    )


# JSON -----------------------------------------------------------------------------------------------------------------


class _Value(Struct):
    text: str | None = field(default=None, name="stringValue")


class _Attribute(Struct):
    key: str = ""
    value: _Value | None = None


class _Resource(Struct):
    attributes: list[_Attribute] | None = None


_Time = str | int | None


class _Span(Struct, rename="camel"):
    start_time_unix_nano: _Time = None
    end_time_unix_nano: _Time = None


class _Point(Struct, rename="camel"):
    time_unix_nano: _Time = None


class _Record(Struct, rename="camel"):
    time_unix_nano: _Time = None
    observed_time_unix_nano: _Time = None


class _FirstSpan(Struct, array_like=True):
    """Of a list the first; those that follow are passed over."""

    first: _Span | None = None


class _FirstPoint(Struct, array_like=True):
    first: _Point | None = None


class _FirstRecord(Struct, array_like=True):
    first: _Record | None = None


class _Data(Struct, rename="camel"):
    data_points: _FirstPoint | None = None


class _Metric(Struct, rename="camel"):
    gauge: _Data | None = None
    sum: _Data | None = None
    histogram: _Data | None = None
    exponential_histogram: _Data | None = None
    summary: _Data | None = None


class _FirstMetric(Struct, array_like=True):
    first: _Metric | None = None


class _Scope(Struct, rename="camel"):
    spans: _FirstSpan | None = None
    metrics: _FirstMetric | None = None
    log_records: _FirstRecord | None = None


class _FirstScope(Struct, array_like=True):
    first: _Scope | None = None


class _Sent(Struct, rename="camel"):
    resource: _Resource | None = None
    scope_spans: _FirstScope | None = None
    scope_metrics: _FirstScope | None = None
    scope_logs: _FirstScope | None = None


class _Request(Struct, rename="camel"):
    resource_spans: list[_Sent] | None = None
    resource_metrics: list[_Sent] | None = None
    resource_logs: list[_Sent] | None = None


def parse_json(body: bytes, signal: Signal) -> list[Told]:
    """The same from OTLP's JSON; raises OtlpError."""
    if body.count(b"{") > MOST_OBJECTS:
        raise OtlpError("the JSON holds too many objects")
    try:
        request = decode_json_as(_Request, body)
    except GuardError as error:
        raise OtlpError(error.detail) from None
    sent = {"traces": request.resource_spans, "metrics": request.resource_metrics, "logs": request.resource_logs}[signal]
    return [Told(_words_of(one.resource), tuple(_times(one))) for one in sent or ()]


def _words_of(resource: _Resource | None) -> Words:
    attributes = () if resource is None else resource.attributes or ()
    return _chosen({one.key: one.value.text or "" for one in attributes if one.value is not None})


def _times(sent: _Sent) -> Iterator[int]:
    scopes = sent.scope_spans or sent.scope_metrics or sent.scope_logs
    scope = None if scopes is None else scopes.first
    if scope is None:
        return
    if scope.spans is not None and scope.spans.first is not None:
        yield from _numbers(scope.spans.first.start_time_unix_nano, scope.spans.first.end_time_unix_nano)
    if scope.log_records is not None and scope.log_records.first is not None:
        yield from _numbers(scope.log_records.first.time_unix_nano, scope.log_records.first.observed_time_unix_nano)
    metric = None if scope.metrics is None else scope.metrics.first
    if metric is not None:
        for data in (metric.gauge, metric.sum, metric.histogram, metric.exponential_histogram, metric.summary):
            if data is not None and data.data_points is not None and data.data_points.first is not None:
                yield from _numbers(data.data_points.first.time_unix_nano)


def _numbers(*times: _Time) -> Iterator[int]:
    for time in times:
        text = str(time)
        if text.isascii() and text.isdigit() and len(text) <= 20:
            yield int(text)
