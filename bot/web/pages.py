"""The pages: server-rendered, complete without JavaScript, every filter in the URL."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import quote

from aiohttp import web

from bot.answers import ai_activity, definitions, deliveries, deployments, metrics, paths, repositories, services
from bot.answers.gathered import group, last_counted, shown_name
from bot.answers.questions import Asker, Filters, Form, Page, Parameters
from bot.answers.rules_in_force import entries_left_out
from bot.answers.undefined import show_undefined
from bot.dora.lead_time import STAGES
from bot.store import Reader
from bot.web import words
from bot.web.auth import OPEN, PRINCIPAL, READ, Row
from bot.web.charts import columns
from bot.web.deployment_page import stage_bar
from bot.web.page_questions import asked_for, options_of, parse_page
from bot.web.reading import asked, asker, from_path, limit_to_services, may_see, not_found, parameters, read
from bot.web.rendering import STATIC, page, render
from bot.web.views import Picture, load_scene, not_compared, not_counted, picture

MOST_SERVICES = 200

async def overview(request: web.Request) -> web.Response:
    """The metrics, and each service with its own trend."""
    view = asked(partial(parse_page, parameters(request), asker(request)))
    limit_to_services(request, view.question.filters.service)

    def work(reader: Reader) -> dict[str, object]:
        first = metrics.first_event(reader)
        question = metrics.with_formula(reader, view.question)
        window = metrics.clipped(reader, question)
        scene = load_scene(reader, question, window, first_event=first)
        groups = group(scene.gathered, ("service",), question.filters)
        shown = [
            (key[0][1] or "", shown_name(members, *key[0]), picture(scene, members), last)
            for key, members in groups.items()
            if (last := last_counted(members)) and last.row.finished_at >= window.start
        ]
        shown.sort(key=lambda row: (-row[2].metrics.deployments, row[0]))
        deployed = {name for name, *_ in shown}
        only_failing = [
            (name, shown_name(members, "service", name), count)
            for ((_, name),), members in groups.items()
            if name and name not in deployed and (count := sum(one.row.started_at >= window.start for one in members.failures))
        ]
        known = services.load_services(reader, may_see(request, view.question.filters.service))
        listed = deployed | {name for name, *_ in only_failing}
        quiet = [one for one in known if one.name not in listed and asked_for(one, view)]
        return {
            "first_event": first,
            "window": window,
            "scene": scene,
            "not_compared": not_compared(scene, first),
            "whole": picture(scene, scene.gathered),
            "services": shown[:MOST_SERVICES],
            "more": max(0, len(shown) - MOST_SERVICES),
            "only_failing": only_failing[:MOST_SERVICES],
            "quiet": quiet[:MOST_SERVICES],
            "known": {one.name: one for one in known},
            "options": options_of(known, view),
        }

    found = await read(request, work)
    whole = found["whole"]
    missing = not_counted(whole.metrics) if isinstance(whole, Picture) else []
    return render(request, "overview.html", {"view": view, "path": "/", "not_counted": missing, **found}, tz=view.question.tz)


async def service(request: web.Request) -> web.Response:
    """One service: its metrics over time, its deployments, what its definition says."""
    name = from_path(request, "name").strip().lower()
    limit_to_services(request, name)
    view = asked(partial(parse_page, parameters(request), asker(request), service=name))

    def work(reader: Reader) -> dict[str, object]:
        found = services.find_service(reader, name)
        if found is None:
            raise not_found(services.no_such_service(reader, name, offer=not request[PRINCIPAL].services))
        first = metrics.first_event(reader)
        question = metrics.with_formula(reader, view.question)
        window = metrics.clipped(reader, question)
        scene = load_scene(reader, question, window, first_event=first)
        filters = replace(question.filters, from_at=window.start, to_at=window.end)
        one = picture(scene, scene.gathered)
        return {
            "service": found,
            "uncounted": services.uncounted_sources(reader, found),
            "window": window,
            "scene": scene,
            "not_compared": not_compared(scene, first),
            "whole": one,
            "bar": stage_bar((name, one.metrics.lead_time.stages[name].mean) for name in STAGES),
            "charts": _charts(one),
            "deployments": deployments.list_deployments(reader, filters, view.page),
            "paths": paths.find_paths(reader, name),
            "left_out": entries_left_out(reader, name),
            "activity": ai_activity.load_activity(reader, name, now=question.now),
            "options": options_of(services.load_services(reader, Filters(service=name)), view),
        }

    found = await read(request, work)
    whole = found["whole"]
    missing = not_counted(whole.metrics) if isinstance(whole, Picture) else []
    here = f"/services/{quote(name, safe='')}"
    return render(request, "service.html", {"view": view, "path": here, "not_counted": missing, **found}, tz=view.question.tz)


async def repository_list(request: web.Request) -> web.Response:
    """The repositories and the state of their mirrors."""
    return await _listed(request, "repositories.html", repositories.parse_repositories, repositories.list_repositories)


async def delivery_list(request: web.Request) -> web.Response:
    """The inbox: what arrived and what became of it."""
    filters, part = asked(lambda: deliveries.parse_deliveries(parameters(request), asker(request)))
    limit_to_services(request, None)
    found, counts = await read(
        request,
        lambda reader: (deliveries.list_deliveries(reader, filters, part), deliveries.delivery_counts(reader)),
    )
    given = {name: value for name, value in parameters(request) if value and name != "cursor"}
    values = {"found": found, "counts": counts, "given": given, "filters": filters, "states": deliveries.STATES}
    return render(request, "deliveries.html", values)


async def definition_list(request: web.Request) -> web.Response:
    """The definitions in force, where they come from, and what is wrong with the newest files."""
    asked(lambda: Form(parameters(request), known=()))
    limit_to_services(request, None)
    found, undefined = await read(
        request, lambda reader: (definitions.show_definitions(reader), show_undefined(reader))
    )
    return render(request, "definitions.html", {"found": found, "undefined": undefined})


async def static(request: web.Request) -> web.Response:
    """The style sheet and the icon."""
    name = request.match_info["name"]
    if name not in STATIC:
        raise not_found()
    kind, body = STATIC[name]
    headers = {"Cache-Control": "public, max-age=86400"}
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)


async def _listed(
    request: web.Request,
    template: str,
    parse: Callable[[Parameters, Asker], tuple[Filters, Page]],
    load: Callable[[Reader, Filters, Page], object],
) -> web.Response:
    filters, part = asked(lambda: parse(parameters(request), asker(request)))
    limit_to_services(request, filters.service)
    found = await read(request, lambda reader: load(reader, filters, part))
    given = {name: value for name, value in parameters(request) if value and name != "cursor"}
    return render(request, template, {"found": found, "given": given})


def _charts(one: Picture) -> list[tuple[str, object]]:
    """The three that a bar can show: how many, how long, how often failed."""
    names = [bucket.name for bucket in one.trend]
    counts = [float(bucket.metrics.deployments) for bucket in one.trend]
    lead = [bucket.metrics.lead_time.summary.median for bucket in one.trend]
    failed = [float(bucket.metrics.failure_rate.failed) for bucket in one.trend]
    shown = [f"{count:.0f}" for count in counts]
    lead_shown = [words.duration(value) for value in lead]
    failed_shown = [f"{count:.0f}" for count in failed]
    title = "Failures told" if one.metrics.failure_rate.formula == "incidents" else "Failed deployments"
    return [
        ("Deployments", columns(counts, names, shown, label="Deployments: " + _told(names, shown))),
        ("Median change lead time", columns(lead, names, lead_shown, label="Lead time: " + _told(names, lead_shown))),
        (title, columns(failed, names, failed_shown, label="Failed: " + _told(names, failed_shown))),
    ]


def _told(names: Sequence[str], shown: Sequence[str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in zip(names, shown, strict=True))


ROWS: tuple[Row, ...] = (
    Row("GET", "/", page(overview), READ),
    Row("GET", "/services/{name:[^/]+}", page(service), READ),
    Row("GET", "/repositories", page(repository_list), READ),
    Row("GET", "/deliveries", page(delivery_list), READ),
    Row("GET", "/definitions", page(definition_list), READ),
    Row("GET", "/static/{name}", static, OPEN),
)

