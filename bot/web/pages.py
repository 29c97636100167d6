"""The pages: server-rendered, complete without JavaScript, every filter in the URL."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bot.answers import changes, definitions, deliveries, deployments, metrics, paths, repositories, services
from bot.answers.deployments import DeploymentShown
from bot.answers.encode import rfc3339
from bot.answers.explain import Explanation, explain
from bot.answers.metrics import Entry
from bot.answers.questions import (
    FILTERS,
    Asker,
    Filters,
    Form,
    InvalidParameterError,
    MetricsQuestion,
    Page,
    Parameters,
    UnknownParameterError,
    parse_metrics,
)
from bot.answers.services import ServiceShown
from bot.dora.bands import DEFAULT_YEAR
from bot.dora.instants import DAY
from bot.dora.lead_time import STAGES
from bot.dora.metrics import summarise
from bot.store import Reader
from bot.web import words
from bot.web.auth import OPEN, READ, Row
from bot.web.charts import columns, stacked
from bot.web.context import CLOCK, EXPLAIN, SETTINGS, path_of
from bot.web.errors import HttpError
from bot.web.reading import asked, asker, from_path, limit_to_services, not_found, parameters, read
from bot.web.views import KINDS, Picture, load_scene, not_compared, not_counted, picture

_HERE = Path(__file__).parent
STATIC = {
    "style.css": ("text/css", (_HERE / "static" / "style.css").read_bytes()),
    "favicon.svg": ("image/svg+xml", (_HERE / "static" / "favicon.svg").read_bytes()),
}
_VERSION = hashlib.sha256(b"".join(body for _, body in STATIC.values())).hexdigest()[:10]

PERIODS = (7, 30, 90, 365)
PAGE_PARAMETERS = (*FILTERS, "days", "tz", "unit", "formula", "first_delivery", "cursor")
PER_PAGE = 25
MOST_SERVICES = 200

Handler = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a page was asked for. `given` are the parameters to keep in links; `implied` when production was preselected."""

    question: MetricsQuestion
    days: int | None
    env: str
    implied: bool
    given: Mapping[str, str | tuple[str, ...]]
    page: Page


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "duration": words.duration,
        "exact": words.exact,
        "share": words.share,
        "reason": words.reason,
        "sha": words.sha,
        "ignored": words.ignored,
        "shortened": words.shortened,
        "absences": words.absences,
        "author": words.author,
        "rfc3339": rfc3339,
        "path": lambda text: quote(str(text), safe=""),
        "web_link": lambda url: url if re.match(r"https?://", url, re.IGNORECASE) else "",
    }
    environment.globals |= {
        "version": _VERSION,
        "stages": STAGES,
        "stage_names": words.STAGE_NAMES,
        "stage_columns": words.STAGE_COLUMNS,
        "stage_spans": words.STAGE_SPANS,
        "flags_in_words": words.FLAGS,
        "source_names": words.SOURCE_NAMES,
        "kinds": KINDS,
        "year": DEFAULT_YEAR,
        "periods": PERIODS,
    }
    return environment


def link(
    root: str, path: str, given: Mapping[str, str | tuple[str, ...]] | None = None, /, **changes: str | None
) -> str:
    """A URL below `root` that keeps the given parameters but for `changes`; `None` takes one out."""
    kept = {name: value for name, value in (given or {}).items() if name not in changes}
    kept |= {name: value for name, value in changes.items() if value is not None}
    query = urlencode(kept, doseq=True)
    return f"{root}{path}?{query}" if query else f"{root}{path}"


_TEMPLATES = _environment()


def page(handler: Handler) -> Handler:
    """A page's refusals are pages too."""

    async def respond(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except HttpError as error:
            if error.status not in (400, 403, 404):
                raise
            return refusal(request, error)

    return respond


def refusal(request: web.Request, error: HttpError, *, request_id: str = "") -> web.Response:
    """A refusal as a page; of a parameter also with the way back to the same page without it."""
    found = error.pointer if error.pointer in request.query else None
    rest = [pair for pair in parameters(request) if pair[0] != found]
    again = request.rel_url.raw_path + (f"?{urlencode(rest)}" if rest else "")
    values = {"status": error.status, "error": error, "parameter": found, "again": again, "request_id": request_id}
    response = render(request, "error.html", values, status=error.status)
    response.headers.update(error.headers)
    return response


def prefers_page(request: web.Request) -> bool:
    """Whether who asks is a browser before a page: it names text/html first, and this is no endpoint of an API."""
    if request.method not in ("GET", "HEAD") or path_of(request).startswith(("/api/", "/webhooks/", "/static/")):
        return False
    first = request.headers.get("Accept", "").partition(",")[0].partition(";")[0]
    return first.strip().lower() in ("text/html", "application/xhtml+xml")


async def overview(request: web.Request) -> web.Response:
    """The five metrics, and each service with its own trend."""
    view = asked(partial(parse_page, parameters(request), asker(request)))
    limit_to_services(request, view.question.filters.service)

    def work(reader: Reader) -> dict[str, object]:
        first = metrics.first_event(reader)
        question = metrics.with_formula(reader, view.question)
        window = metrics.clipped(reader, question)
        scene = load_scene(reader, question, window, first_event=first)
        groups = metrics.group_entries(scene.entries, ("service",))
        shown = [
            (dict(group)["service"] or "", _name(members), picture(scene, members), members[0])
            for group, members in groups.items()
            if members[0].row.finished_at >= window.start
        ]
        shown.sort(key=lambda row: (-row[2].metrics.deployments, row[0]))
        known = services.load_services(reader, Filters())
        quiet = [one for one in known if one.name not in {name for name, *_ in shown} and _asked_for(one, view)]
        return {
            "first_event": first,
            "window": window,
            "scene": scene,
            "not_compared": not_compared(scene, first),
            "whole": picture(scene, scene.entries),
            "services": shown[:MOST_SERVICES],
            "more": max(0, len(shown) - MOST_SERVICES),
            "quiet": quiet[:MOST_SERVICES],
            "options": _options(known, view),
        }

    found = await read(request, work)
    whole = found["whole"]
    missing = not_counted(whole.metrics) if isinstance(whole, Picture) else []
    return render(request, "overview.html", {"view": view, "path": "/", "not_counted": missing, **found})


async def service(request: web.Request) -> web.Response:
    """One service: its metrics over time, its deployments, what its definition says."""
    name = from_path(request, "name").strip().lower()
    limit_to_services(request, name)
    view = asked(partial(parse_page, parameters(request), asker(request), service=name))

    def work(reader: Reader) -> dict[str, object]:
        found = services.find_service(reader, name)
        if found is None:
            raise not_found()
        first = metrics.first_event(reader)
        question = metrics.with_formula(reader, view.question)
        window = metrics.clipped(reader, question)
        scene = load_scene(reader, question, window, first_event=first)
        filters = replace(question.filters, from_at=window.start, to_at=window.end)
        one = picture(scene, scene.entries)
        return {
            "service": found,
            "window": window,
            "scene": scene,
            "not_compared": not_compared(scene, first),
            "whole": one,
            "bar": _bar((name, one.metrics.lead_time.stages[name].mean) for name in STAGES),
            "charts": _charts(one),
            "deployments": deployments.list_deployments(reader, filters, view.page),
            "paths": paths.find_paths(reader, name),
            "options": _options(services.load_services(reader, Filters(service=name)), view),
        }

    found = await read(request, work)
    whole = found["whole"]
    missing = not_counted(whole.metrics) if isinstance(whole, Picture) else []
    here = f"/services/{quote(name, safe='')}"
    return render(request, "service.html", {"view": view, "path": here, "not_counted": missing, **found})


async def deployment(request: web.Request) -> web.Response:
    """One deployment: every commit with its reason, the stages, the evidence, and how to check it."""
    asked(lambda: Form(parameters(request), known=()))
    id, source = from_path(request, "id"), request.app[EXPLAIN]

    def work(reader: Reader) -> tuple[Explanation, dict[str, DeploymentShown | None]]:
        found = explain(reader, source, id)
        if found is None:
            raise not_found()
        limit_to_services(request, found.deployment.service)
        others = {one for part in found.evidence for one in (part.deployment, part.target, part.original) if one}
        if found.deployment.merged_into is not None:
            others.add(found.deployment.merged_into)
        if found.deployment.remediation is not None:
            others.add(found.deployment.remediation.id)
        return found, {other: deployments.find_deployment(reader, other) for other in sorted(others - {id})}

    found, others = await read(request, work)
    stages = _stages(found.changes)
    values = {
        "others": others,
        "found": found,
        "one": found.deployment,
        "kept": [change for change in found.changes if change.kept],
        "dropped": [change for change in found.changes if not change.kept],
        "stage_rows": stages,
        "bar": _bar((name, mean) for name, mean, *_ in stages),
    }
    return render(request, "deployment.html", values)


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
    found = await read(request, definitions.show_definitions)
    return render(request, "definitions.html", {"found": found})


async def rule_list(request: web.Request) -> web.Response:
    """The rules in force."""
    asked(lambda: Form(parameters(request), known=()))
    found = await read(request, definitions.show_rules)
    return render(request, "rules.html", {"found": found})


async def static(request: web.Request) -> web.Response:
    """The style sheet and the icon."""
    name = request.match_info["name"]
    if name not in STATIC:
        raise not_found()
    kind, body = STATIC[name]
    headers = {"Cache-Control": "public, max-age=86400"}
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)


def parse_page(given: Sequence[tuple[str, str]], who: Asker, *, service: str | None = None) -> Asked:
    """A page's parameters: the API's, and `days`; production is preselected, `env=all` takes that back. Raises QuestionError."""
    known = PAGE_PARAMETERS if service is None else tuple(name for name in PAGE_PARAMETERS if name != "service")
    for name, _ in given:
        if name not in known:
            raise UnknownParameterError(name[:80], f"There is no parameter {name[:80]!r} here.")
    form = Form([pair for pair in given if pair[0] in ("days", "env", "cursor")], known=known)
    days = form.text("days")
    if days is not None and not (days.isascii() and days.isdigit() and 1 <= int(days[:6]) <= 36_500):
        raise InvalidParameterError("days", "days is a whole number from 1 to 36500.")
    asked_env = (form.text("env") or "").lower()
    env = asked_env or "production"
    rest = [(name, value) for name, value in given if name not in ("days", "env", "cursor") and value.strip()]
    window = {name for name, _ in rest} & {"from", "to"}
    if env != "all":
        rest.append(("env", env))
    if service is not None:
        rest.append(("service", service))
    if days is not None and not window:
        rest.append(("from", rfc3339(max(0, who.now - int(days) * DAY))))
    question = parse_metrics(rest, who)
    keep: dict[str, str | tuple[str, ...]] = {
        name: value for name, value in given if value.strip() and name not in ("cursor", "tag")
    }
    if question.filters.tags:
        keep["tag"] = question.filters.tags
    return Asked(
        question=question,
        days=None if window else int(days or 30),
        env=env,
        implied=not asked_env,
        given=keep,
        page=replace(form.page(int, str), limit=PER_PAGE),
    )


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


def render(
    request: web.Request, template: str, values: Mapping[str, object], *, status: int = 200
) -> web.Response:
    """A template with what all of them use."""
    who = asker(request)
    view = values.get("view")
    tz = view.question.tz if isinstance(view, Asked) else asked(lambda: Form((), known=()).timezone(who.timezone))
    settings = request.app[SETTINGS]
    now = request.app[CLOCK]()
    text = _TEMPLATES.get_template(template).render(
        base_url=settings.base_url or f"http://{settings.host}:{settings.port}",
        production_envs=settings.production_envs,
        definitions_folder=settings.service_definitions,
        here=path_of(request),
        root=settings.root,
        link=partial(link, settings.root),
        now=now,
        tz=tz,
        at=lambda instant: words.instant(instant, tz),
        date=lambda instant: words.date(instant, tz),
        ago=lambda instant: words.ago(instant, now),
        **values,
    )
    return web.Response(
        body=text.encode(errors="replace"),
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers={"Cache-Control": "no-store"},
    )


def _name(members: Sequence[Entry]) -> str:
    first = min((entry.row for entry in members), key=lambda row: (row.received_at, row.id))
    return first.defined_name or first.service_shown


def _asked_for(one: ServiceShown, view: Asked) -> bool:
    filters = view.question.filters
    return (
        filters.service in (None, one.name)
        and (filters.team is None or filters.team == (one.team or "").strip().lower())
        and (filters.repository is None or filters.repository in one.repositories)
        and not filters.tags
        and filters.source is None
    )


def _options(known: Sequence[ServiceShown], view: Asked) -> dict[str, list[str]]:
    """What each filter can be set to; what is set already is among it."""
    found = {
        "service": {one.name for one in known},
        "team": {(one.team or "").strip().lower() for one in known},
        "env": {env.strip().lower() for one in known for env in one.envs if env},
        "repository": {name for one in known for name in one.repositories},
        "source": {name for one in known for name in one.sources},
    }
    for name, value in (view.question.filters.echo or {}).items():
        if name in found and isinstance(value, str):
            found[name].add(value)
    return {name: sorted(values - {"", "all", "none", "production"}) for name, values in found.items()}


def _charts(one: Picture) -> list[tuple[str, object]]:
    """The three that a bar can show: how many, how long, how often failed."""
    names = [bucket.name for bucket in one.trend]
    counts = [float(bucket.metrics.deployments) for bucket in one.trend]
    lead = [bucket.metrics.lead_time.summary.median for bucket in one.trend]
    failed = [float(bucket.metrics.failure_rate.failed) for bucket in one.trend]
    shown = [f"{count:.0f}" for count in counts]
    lead_shown = [words.duration(value) for value in lead]
    failed_shown = [f"{count:.0f}" for count in failed]
    return [
        ("Deployments", columns(counts, names, shown, label="Deployments: " + _told(names, shown))),
        ("Median change lead time", columns(lead, names, lead_shown, label="Lead time: " + _told(names, lead_shown))),
        ("Failed deployments", columns(failed, names, failed_shown, label="Failed: " + _told(names, failed_shown))),
    ]


def _bar(means: Iterable[tuple[str, float | None]]) -> Markup:
    """The stages' means as one bar."""
    parts = [(words.STAGE_NAMES[name], mean, words.duration(mean)) for name, mean in means]
    told = ", ".join(f"{title} {shown}" for title, _, shown in parts)
    return stacked(parts, label=f"Mean of each stage: {told}")


def _told(names: Sequence[str], shown: Sequence[str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in zip(names, shown, strict=True))


def _stages(found: Sequence[changes.ChangeShown]) -> list[tuple[str, float | None, float | None, int, list[tuple[int, str]]]]:
    """(stage, mean, median, over how many commits, [(how many lack it, why)]) over the kept commits."""
    kept = [change for change in found if change.kept]
    rows = []
    for name in STAGES:
        summary = summarise(value for change in kept if (value := change.stages[name]) is not None)
        reasons: dict[str, int] = {}
        for change in kept:
            if name in change.absent:
                reasons[change.absent[name]] = reasons.get(change.absent[name], 0) + 1
        rows.append((name, summary.mean, summary.median, summary.count, [(reasons[slug], slug) for slug in sorted(reasons)]))
    return rows


ROWS: tuple[Row, ...] = (
    Row("GET", "/", page(overview), READ),
    Row("GET", "/services/{name:[^/]+}", page(service), READ),
    Row("GET", "/deployments/{id}", page(deployment), READ),
    Row("GET", "/repositories", page(repository_list), READ),
    Row("GET", "/deliveries", page(delivery_list), READ),
    Row("GET", "/definitions", page(definition_list), READ),
    Row("GET", "/rules", page(rule_list), READ),
    Row("GET", "/static/{name}", static, OPEN),
)

