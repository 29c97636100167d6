"""The rules in force and what others would change, as page and as JSON.

A trial reads and matches for up to PATIENCE seconds: one at a time, and who waits too long is told when to come back.
"""

import asyncio
import time
from collections.abc import Mapping
from functools import partial

from aiohttp import web

from bot.answers.encode import dumps
from bot.answers.questions import Filters, InvalidParameterError
from bot.answers.rows import load_deployments_by_id
from bot.answers.rules_in_force import RulesInForce, show_rules_in_force
from bot.answers.services import no_such_service
from bot.answers.simulation import TrialSource, answer_trial
from bot.answers.trial_questions import FIELDS, PARAMETERS, TrialQuestion, parse_scope, parse_trial
from bot.answers.trial_shown import TrialAnswer
from bot.answers.trial_words import NEAR_MISSES, NOT_COMPARED, summary
from bot.answers.waiting import load_waiting
from bot.store import Reader
from bot.web.auth import PRINCIPAL, READ, Row
from bot.web.context import TRIALS
from bot.web.errors import HttpError, unavailable
from bot.web.reading import asked, asker, limit_to_services, parameters, read
from bot.web.rendering import page, render

WAIT, PATIENCE, LATE = 0.4, 2.4, 2.8
"""Seconds from the request on: until the turn must have come, until a trial is stopped, and until its answer is not waited for any more.
With the rest of the page that is within the 3.5 that a request may take."""
MOST_WAITING = 50
TRYING: web.AppKey[asyncio.Semaphore] = web.AppKey("trying", asyncio.Semaphore)
"""Trials take their turn: more of them would only share one processor, and the memory of each."""
NARROWER = "That takes longer than a page may: choose a service, or fewer days. `rollforward rules test` takes the time it needs."


async def get_rules(request: web.Request) -> web.Response:
    """The rules in force, and how many deployments each decided."""
    question = asked(partial(parse_scope, parameters(request), asker(request)))
    limit_to_services(request, question.filters.service)

    def work(reader: Reader) -> str:
        if told := _unknown(request, reader, question):
            raise HttpError(404, "not_found", told, pointer="service")
        return dumps(show_rules_in_force(reader, question))

    return _json(await read(request, work))


async def get_trial(request: web.Request) -> web.Response:
    """What a rule would change."""
    question = asked(partial(parse_trial, parameters(request), asker(request)))
    limit_to_services(request, question.filters.service)
    if told := await read(request, lambda reader: _unknown(request, reader, question)):
        raise HttpError(404, "not_found", told, pointer="service")
    answer = await _tried(request, question)
    return _json(await asyncio.to_thread(dumps, answer))


async def show_rules(request: web.Request) -> web.Response:
    """The rules in force, the form to try one, and what it found; a mistake stands under its field."""
    given = {name: value for name, value in parameters(request) if value}
    error: HttpError | None = None
    answer: TrialAnswer | None = None
    scope = [(name, value) for name, value in given.items() if name in ("days", "service")]
    try:
        question = asked(partial(parse_trial, parameters(request), asker(request)))
        limit_to_services(request, question.filters.service)
        if given.keys() - {"days", "service", "env"}:
            answer = await _tried(request, question)
    except HttpError as refused:
        if refused.status != 400 or refused.pointer not in PARAMETERS:
            raise
        error, scope = refused, [pair for pair in scope if pair[0] != refused.pointer]
        question = asked(partial(parse_scope, scope, asker(request)))
        limit_to_services(request, question.filters.service)

    service = question.filters.service
    only = service if request[PRINCIPAL].services else None

    def work(reader: Reader) -> dict[str, object]:
        waiting = load_waiting(reader, Filters(service=question.filters.service), question.now)
        return {
            "found": show_rules_in_force(reader, question),
            "names": _names(request, reader, answer),
            "unknown": _unknown(request, reader, question),
            "waiting": waiting[:MOST_WAITING],
            "more_waiting": max(0, len(waiting) - MOST_WAITING),
            "services": sorted({name for name, _ in reader.fetch("all_series", _pair) if only in (None, name)}),
        }

    values = await read(request, work)
    moved = 0 if answer is None else sum(one.today != one.proposed for one in answer.services)
    shown = {"answer": answer, "moved": moved, "sentence": summary(answer) if answer else ""}
    asked_for = {"given": given, "question": question, "error": error, "wrong": error.pointer if error else ""}
    words = {"fields": FIELDS, "near_misses": NEAR_MISSES, "not_compared": NOT_COMPARED}
    values |= {**shown, **asked_for, **words, "form": _form(given, values["found"])}
    return render(request, "rules.html", values, status=error.status if error else 200)


def _unknown(request: web.Request, reader: Reader, question: TrialQuestion) -> str | None:
    """What is said when a service is asked for that there is none of; a key that is limited to services hears of no others."""
    service = question.filters.service
    return None if service is None else no_such_service(reader, service, offer=not request[PRINCIPAL].services)


def _names(request: web.Request, reader: Reader, answer: TrialAnswer | None) -> dict[str, str]:
    """What the deployments that differences speak of are called for people, changed or not: by version, else by commit."""
    verdicts = [one for each in (() if answer is None else answer.differences) for one in (each.today, each.proposed)]
    told = {id for one in verdicts for id in (one.mended_by, *(part.target for part in one.evidence)) if id}
    rows = [row for row in load_deployments_by_id(reader, told) if request[PRINCIPAL].may_touch(row.service)]
    return {row.id: row.version or (row.commit_sha.hex()[:10] if row.commit_sha else "") for row in rows}


def _form(given: Mapping[str, str], found: object) -> Mapping[str, object]:
    """What the form is filled with: as asked, and of a known rule what was not asked for."""
    known = next((rule for rule in found.rules if rule.id == given.get("id")), None) if isinstance(found, RulesInForce) else None
    filled = {name: given.get(name, "") for name in ("id", "kind", "field", "pattern", "blame")}
    if known is not None:
        filled["field"], filled["pattern"] = filled["field"] or known.field, filled["pattern"] or known.pattern
    return {**filled, "known": known is not None}


async def _tried(request: web.Request, question: TrialQuestion) -> TrialAnswer:
    source, turn, began = request.app[TRIALS], request.app[TRYING], time.monotonic()
    try:
        async with asyncio.timeout(WAIT):
            await turn.acquire()
    except TimeoutError:
        raise unavailable("busy", "Somebody else tries rules right now; try again in a moment.") from None
    work = asyncio.ensure_future(read(request, partial(_try, source=source, question=question, ends=began + PATIENCE)))
    work.add_done_callback(partial(_end, turn))
    done, _ = await asyncio.wait([work], timeout=began + LATE - time.monotonic())
    if not done:
        raise HttpError(400, "invalid_parameter", NARROWER, pointer="days")
    return work.result()


def _try(reader: Reader, *, source: TrialSource, question: TrialQuestion, ends: float) -> TrialAnswer:
    def hurry() -> None:
        if time.monotonic() > ends:
            raise InvalidParameterError("days", NARROWER)

    return answer_trial(reader, source, question, hurry=hurry)


def _end(turn: asyncio.Semaphore, work: "asyncio.Future[TrialAnswer]") -> None:
    """The next one's turn comes when this one's thread is done, though whoever asked may have gone and not hear how it ended."""
    turn.release()
    if not work.cancelled():
        work.exception()


def _pair(service: str, env: str) -> tuple[str, str]:
    return service, env


def _json(body: str) -> web.Response:
    return web.Response(body=body.encode(errors="replace"), content_type="application/json", charset="utf-8")


ROWS: tuple[Row, ...] = (
    Row("GET", "/rules", page(show_rules), READ),
    Row("GET", "/api/v1/rules", get_rules, READ),
    Row("GET", "/api/v1/rules/test", get_trial, READ),
)
