"""The pages about failures: a list with what they did to whom, and one failure with the deployments around it, also as JSON."""

from collections.abc import Callable
from functools import partial

from aiohttp import web

from bot.answers import failure_impact, services
from bot.answers.cursors import Cursor
from bot.answers.encode import dumps, rfc3339
from bot.answers.failure_detail import FailureDetail, detail_json, find_failure
from bot.answers.failures import STATES
from bot.answers.questions import FILTERS, Filters, Form
from bot.answers.sources import list_sources
from bot.store import Reader
from bot.web.auth import PRINCIPAL, READ, Row
from bot.web.context import CLOCK
from bot.web.page_questions import options_of, parse_page
from bot.web.reading import asked, asker, from_path, limit_to_services, may_see, not_found, parameters, read
from bot.web.rendering import page, render
from bot.web.timelines import failure_timeline

PARAMETERS = (*FILTERS, "severity", "state", "days", "tz", "cursor")
MOST_OPEN, MOST_GROUPS = 50, 50


async def failure_list(request: web.Request) -> web.Response:
    """The failures of a period: how many, what they did to services and teams, which are open, and each of them."""
    given = parameters(request)
    view = asked(partial(parse_page, given, asker(request), known=PARAMETERS, key=(int, str, str)))
    severity = asked(lambda: Form([pair for pair in given if pair[0] == "severity"], known=("severity",)).text("severity"))
    state = asked(lambda: Form([pair for pair in given if pair[0] == "state"], known=("state",)).choice("state", STATES))
    filters, now = view.question.filters, request.app[CLOCK]()
    limit_to_services(request, filters.service)

    def work(reader: Reader) -> dict[str, object]:
        found = failure_impact.overview(
            reader, filters, severity=severity and severity.lower(), state=state, after=view.page.after, limit=view.page.limit,
            most_open=MOST_OPEN, now=now,
        )
        known = services.load_services(reader, may_see(request, filters.service))
        options = options_of(known, view)
        # Deployments have other sources.
        options["source"] = [filters.source] if filters.source else []
        options = {name: sorted({*values, *found.options.get(name, ())}) for name, values in options.items()}
        spelled = {one.lower(): one for one in found.options["severity"]}
        asked_for = spelled.setdefault(severity.lower(), severity) if severity else ""
        options["severity"] = sorted(spelled.values(), key=str.lower)
        return {
            "found": found,
            "chosen": {"severity": asked_for, "state": state or ""},
            "known": {one.name for one in known},
            "next": Cursor.encode(found.rows[-1].key) if found.more else None,
            "sources": list_sources(reader, "failures"),
            "options": options | {"state": list(STATES)},
        }

    values = await read(request, work)
    window = {name: rfc3339(at) for name, at in (("from", filters.from_at), ("to", filters.to_at)) if at is not None}
    exported = {**(filters.echo or {}), **({"severity": severity} if severity else {}), **({"state": state} if state else {}), **window}
    shown = {"view": view, "path": "/failures", "exported": exported}
    return render(request, "failures.html", {**shown, "most_groups": MOST_GROUPS, **values}, tz=view.question.tz)


async def failure(request: web.Request) -> web.Response:
    """One failure: what it did when, how its time to restore was made, the deployments around it."""
    load, may_touch = _asked_for(request), request[PRINCIPAL].may_touch

    def work(reader: Reader) -> tuple[FailureDetail, list[str]]:
        return load(reader), services.service_names(services.load_services(reader, Filters()))

    detail, known = await read(request, work)
    now = request.app[CLOCK]()
    values = {
        "known": frozenset(filter(may_touch, known)),
        "found": detail,
        "one": detail.failure,
        "drawn": failure_timeline(detail, now=now),
        "versions": {near.deployment.id: near.deployment.version for near in detail.deployments},
    }
    return render(request, "failure.html", values)


async def failure_json(request: web.Request) -> web.Response:
    """The same content for programs."""
    load = _asked_for(request)
    body = await read(request, lambda reader: dumps(detail_json(load(reader))))
    return web.Response(body=body.encode(errors="replace"), content_type="application/json", charset="utf-8")


def _asked_for(request: web.Request) -> Callable[[Reader], FailureDetail]:
    """Reads the failure that a path and its `source` name, with what the key may see of it; raises HttpError 400, 403 or 404."""
    source = asked(lambda: Form(parameters(request), known=("source",)).text("source"))
    id, now, visible = from_path(request, "id"), request.app[CLOCK](), request[PRINCIPAL].services

    def work(reader: Reader) -> FailureDetail:
        found = find_failure(reader, id, source=source and source.lower(), now=now, visible=visible)
        if found is None:
            raise not_found()
        row, detail = found
        limit_to_services(request, next(iter(row.services), None))
        return detail

    return work


ROWS: tuple[Row, ...] = (
    Row("GET", "/failures", page(failure_list), READ),
    Row("GET", "/failures/{id:[^/]+}", page(failure), READ),
    Row("GET", "/api/v1/failures/{id:[^/]+}", failure_json, READ),
)
