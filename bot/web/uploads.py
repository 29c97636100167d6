"""The original's git upload: which commits are known, packs of those that are not, and the list of tracked files.

Packs are durable before the answer and taken in afterwards; the client's exit status hides a refusal, so `/repositories` shows it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import structlog
from aiohttp import web

from bot.dora.instants import Instant
from bot.facts.keys import DEPLOYMENTS_WRITE
from bot.facts.uploads import record_pack, record_report, repository_uploaded, usable_commits
from bot.git.packs import LARGEST_PACK, pack_id
from bot.pipeline.mirror import forge_of
from bot.sources.fields import InvalidError
from bot.sources.uploads import (
    LARGEST_LIST,
    LARGEST_NOTE,
    LARGEST_QUESTION,
    Named,
    count_files,
    parse_event,
    parse_pushed,
    parse_question,
    split_parts,
)
from bot.store import Reader, Writer
from bot.web.auth import PATIENCE as STORE_PATIENCE
from bot.web.auth import Row, write
from bot.web.bodies import BUDGETS
from bot.web.context import SETTINGS, STORE, WAKE
from bot.web.errors import HttpError, unavailable
from bot.web.original import json_api, parsed_body, record

log = structlog.get_logger(__name__)

PATIENCE = 14.0
"""Seconds for a whole body: the client gives up after 15."""
USUAL = 4 * 2**20
"""Bytes of memory that a body is given at first: clients cut packs at 3 MiB."""
ENVELOPE = 2 * LARGEST_NOTE
"""Bytes of a multipart body beside its large part."""

T = TypeVar("T")


async def search_commits(request: web.Request) -> web.Response:
    """Which of these commits need not be sent: all their trees are here."""
    roots = request.app[SETTINGS].web_roots
    asked = await parsed_body(request, partial(parse_question, web_roots=roots), limit=LARGEST_QUESTION)

    def work(reader: Reader) -> list[bytes]:
        return usable_commits(reader, asked.repository, asked.commits)

    try:
        async with asyncio.timeout(STORE_PATIENCE):
            known = await request.app[STORE].read_async(work)
    except TimeoutError:
        raise unavailable("store_unavailable", "The store does not answer. Try again.") from None
    return json_api({"data": [{"id": sha.hex(), "type": "commit"} for sha in known]})


async def receive_pack(request: web.Request) -> web.Response:
    """A pack of commits and trees, for the commit that was pushed."""
    roots = request.app[SETTINGS].web_roots
    async with _body(request, limit=LARGEST_PACK + ENVELOPE) as body:
        parts = await _parsed(partial(split_parts, request.headers.get("Content-Type", ""), body, ("pushedSha", "packfile")))
        pushed = await _parsed(partial(parse_pushed, parts["pushedSha"], web_roots=roots))
        pack = parts["packfile"]
        if len(pack) > LARGEST_PACK:
            raise HttpError(400, "too_large", f"The pack is larger than {LARGEST_PACK} bytes.")
        named = await asyncio.to_thread(pack_id, pack)

        def work(writer: Writer, received_at: Instant, receipt: int) -> None:
            repository = _repository(request, writer, pushed)
            record_pack(writer, repository, pushed.commit, pack, pack_id=named, received_at=received_at)

        await record(request, work, event="packfile", body=_note(pushed, bytes=len(pack)), source="upload")
    request.app[WAKE]("uploads")
    log.info("pack", repository=pushed.repository, bytes=len(pack))
    return json_api({"data": {"id": pushed.commit.hex(), "type": "commit"}}, status=202)


async def receive_list(request: web.Request) -> web.Response:
    """The files that a commit tracks: how many there are is kept, their names are not."""
    roots = request.app[SETTINGS].web_roots
    async with _body(request, limit=LARGEST_LIST + ENVELOPE) as body:
        parts = await _parsed(partial(split_parts, request.headers.get("Content-Type", ""), body, ("event", "repository")))
        told = await _parsed(partial(parse_event, parts["event"], web_roots=roots))
        files = await _parsed(partial(count_files, parts["repository"]))

    def work(writer: Writer, received_at: Instant, receipt: int) -> None:
        record_report(writer, _repository(request, writer, told), told.commit, files=files, received_at=received_at)

    await record(request, work, event="srcmap", body=_note(told, files=files), source="upload")
    return json_api({"data": {"id": told.commit.hex(), "type": "commit"}}, status=202)


def _repository(request: web.Request, writer: Writer, told: Named) -> int:
    return repository_uploaded(writer, told.repository, forge=forge_of(told.repository, request.app[SETTINGS])).id


def _note(told: Named, **counts: int) -> bytes:
    return json.dumps({"repository": told.repository, "commit": told.commit.hex(), **counts}).encode()


async def _parsed(parse: Callable[[], T]) -> T:
    """Parsed off the event loop; raises HttpError 400 that names the part or field."""
    try:
        return await asyncio.to_thread(parse)
    except InvalidError as error:
        raise HttpError(400, error.slug, error.detail, pointer=error.pointer or None) from None


@asynccontextmanager
async def _body(request: web.Request, *, limit: int) -> AsyncIterator[bytes]:
    """The body, whose length no client says beforehand: it is given more memory only once it turns out to be large."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise HttpError(400, "unsupported_encoding", "Send the body as it is, without a content encoding.")
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    budget, held = request.app[BUDGETS].large, 0
    try:
        try:
            async with asyncio.timeout(PATIENCE):
                await budget.take(USUAL)
                held = USUAL
                body = bytearray()
                async for chunk in request.content.iter_any():
                    if len(body) + len(chunk) > limit:
                        raise _too_large(limit)
                    if len(body) + len(chunk) > held:
                        await budget.take(limit - held)
                        held = limit
                    body += chunk
        except TimeoutError:
            raise unavailable("busy", f"The body did not arrive within {PATIENCE:g} seconds, or too many arrive at once.") from None
        except (web.RequestPayloadError, ConnectionError):
            raise HttpError(400, "broken_body", "The body is not what its framing promises.") from None
        yield bytes(body)
    finally:
        budget.give_back(held)


def _too_large(limit: int) -> HttpError:
    return HttpError(400, "too_large", f"The body is larger than {limit} bytes.")


_ACCESS = write(DEPLOYMENTS_WRITE)
ROWS = (
    Row("POST", "/api/v2/git/repository/search_commits", search_commits, _ACCESS),
    Row("POST", "/api/v2/git/repository/packfile", receive_pack, _ACCESS),
    Row("POST", "/api/v2/srcmap", receive_list, _ACCESS),
)
