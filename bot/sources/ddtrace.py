"""Datadog's tracers: who sends, and when, out of traces v0.4 and v0.5 and of the tracer's own telemetry; the rest is not decoded.

Of each chunk of spans only the first is read: it is the local root, which alone carries the git tags. A span of another service
(a database, say) has no version, and tells nothing. A body comes from one process, so a service whose version is known is not asked
for its tags again.
"""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Raw, Struct, field

from bot.dora.instants import SECOND
from bot.guard import GuardError, decode_json_as, decode_msgpack_as
from bot.sources.fields import SourceError
from bot.sources.sightings import NOBODY, Told, Words

ENV, VERSION = "env", "version"
MOST_CHUNKS, MOST_TEXTS = 100_000, 400_000
"""Refused before they take memory: an empty chunk is one byte on the wire, and sixty here."""
COMMIT, REPOSITORY = "_dd.git.commit.sha", "_dd.git.repository_url"


MOST_SECONDS = 2**33
"""A tracer's clock beyond that is none."""


class DdtraceError(SourceError):
    """The body is no such message."""

    slug = "invalid_traces"


class _Tags(Struct):
    env: str | None = None
    version: str | None = None
    commit_sha: str | None = field(default=None, name=COMMIT)
    repository_url: str | None = field(default=None, name=REPOSITORY)


class _Span(Struct):
    service: str | None = None
    start: int = 0
    duration: int = 0
    meta: Raw = Raw()


class _Chunk(Struct, array_like=True):
    """Of a list of spans the first; those that follow are passed over."""

    first: _Span | None = None


class _Row(Struct, array_like=True):
    """A span of v0.5: texts are places in the table of texts."""

    service: int
    name: Raw
    resource: Raw
    trace_id: Raw
    span_id: Raw
    parent_id: Raw
    start: int
    duration: int
    error: Raw
    meta: Raw


class _RowChunk(Struct, array_like=True):
    first: _Row | None = None


class _Table(Struct, array_like=True):
    texts: Annotated[list[Raw], Meta(max_length=MOST_TEXTS)]
    chunks: Annotated[list[_RowChunk], Meta(max_length=MOST_CHUNKS)]


_Chunks = Annotated[list[_Chunk], Meta(max_length=MOST_CHUNKS)]


class _Application(Struct):
    service_name: str | None = None
    service_version: str | None = None
    env: str | None = None


class _Message(Struct):
    application: _Application | None = None
    tracer_time: int | float | None = None


def parse_v04(body: bytes) -> list[Told]:
    """Who sent traces of v0.4 (maps); raises DdtraceError."""
    try:
        chunks = decode_msgpack_as(_Chunks, body)
        known: dict[str, Words] = {}
        told = []
        for chunk in chunks:
            span = chunk.first
            if span is None or span.service is None:
                continue
            words = known.get(span.service, NOBODY)
            if words is NOBODY:
                words = known[span.service] = _words(span.service, bytes(span.meta))
            told.append(Told(words, _instants(span.start, span.duration)))
    except GuardError as error:
        raise DdtraceError(error.detail) from None
    return told


def _words(service: str, packed: bytes) -> Words:
    meta = decode_msgpack_as(_Tags | None, packed) if packed else None  # type: ignore[arg-type]  # a union is no type
    if meta is None or not meta.version:
        return NOBODY
    return Words(service, meta.version, meta.env or "", meta.commit_sha or "", meta.repository_url or "")


def parse_v05(body: bytes) -> list[Told]:
    """Who sent traces of v0.5 (a table of texts, rows that point into it); raises DdtraceError."""
    try:
        table = decode_msgpack_as(_Table, body)
        known: dict[int, Words] = {}
        told = []
        for chunk in table.chunks:
            row = chunk.first
            if row is None:
                continue
            words = known.get(row.service, NOBODY)
            if words is NOBODY:
                words = known[row.service] = _words_of_row(row, table.texts)
            told.append(Told(words, _instants(row.start, row.duration)))
    except GuardError as error:
        raise DdtraceError(error.detail) from None
    return told


def _words_of_row(row: _Row, texts: Sequence[Raw]) -> Words:
    said = {_text(texts, key): value for key, value in decode_msgpack_as(dict[int, int], bytes(row.meta)).items()}
    if VERSION not in said:
        return NOBODY
    tags = (_text(texts, said[name]) if name in said else "" for name in (VERSION, ENV, COMMIT, REPOSITORY))
    return Words(_text(texts, row.service), *tags)


def _text(texts: Sequence[Raw], at: int) -> str:
    if not 0 <= at < len(texts):
        raise DdtraceError("a span points beyond the table of texts")
    return decode_msgpack_as(str, bytes(texts[at]))


def parse_telemetry(body: bytes) -> list[Told]:
    """Who sent a message of a tracer's own telemetry: every kind names the application; raises DdtraceError."""
    try:
        message = decode_json_as(_Message, body)
    except GuardError as error:
        raise DdtraceError(error.detail) from None
    one = message.application
    if one is None:
        return []
    words = Words(one.service_name or "", one.service_version or "", one.env or "")
    at = message.tracer_time
    return [Told(words, (int(at * SECOND),) if at is not None and 0 < at < MOST_SECONDS else ())]


def _instants(start: int, duration: int) -> tuple[int, int]:
    return start, start + max(duration, 0)
