"""The project's own API: every question of `bot/answers/` as JSON, every list also as CSV."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Protocol

import msgspec
from aiohttp import web

import bot
from bot.answers import (
    ai_activity,
    changes,
    deliveries,
    deployments,
    explain,
    failures,
    metrics,
    paths,
    pull_requests,
    repositories,
    services,
    waiting,
)
from bot.answers.changes import ChangeShown
from bot.answers.deliveries import DeliveryShown
from bot.answers.deployments import DeploymentShown
from bot.answers.encode import dumps
from bot.answers.failures import FailureShown
from bot.answers.pull_requests import PullRequestShown
from bot.answers.questions import Form, parse_metrics
from bot.answers.repositories import RepositoryShown
from bot.answers.rows import DeploymentRow, load_deployment
from bot.answers.services import ServiceShown
from bot.answers.tables import COLUMNS, METRICS_COLUMNS, rows_of, to_csv
from bot.answers.waiting import Waiting
from bot.sources.editor_schema import editor_schema
from bot.store import Reader
from bot.web.auth import OPEN, PRIVATE, READ, Access, Handler, Row
from bot.web.context import CLOCK, EXPLAIN
from bot.web.reading import asked, asker, from_path, limit_to_services, not_found, parameters, read

_OPENAPI = (Path(bot.__file__).parent / "openapi.yaml").read_bytes()


class Listed(Protocol):
    """A page of any list."""

    @property
    def data(self) -> Sequence[object]: ...

    @property
    def next(self) -> str | None: ...


async def get_metrics(request: web.Request) -> web.Response:
    """The five metrics and time to restore."""
    question = asked(lambda: parse_metrics(parameters(request), asker(request)))
    limit_to_services(request, question.filters.service)

    def work(reader: Reader) -> str:
        answer = metrics.metrics_json(metrics.answer_metrics(reader, question))
        if not _wants_csv(request):
            return dumps(answer)
        data = answer["data"]
        return to_csv(METRICS_COLUMNS, rows_of(data if isinstance(data, list) else [], METRICS_COLUMNS))

    return _respond(request, await read(request, work))


async def get_deployments(request: web.Request) -> web.Response:
    """Deployments, newest first."""
    filters, page, outcome = asked(lambda: deployments.parse_deployments(parameters(request), asker(request)))
    limit_to_services(request, filters.service)
    return await _list(
        request, lambda reader: deployments.list_deployments(reader, filters, page, outcome), COLUMNS[DeploymentShown]
    )


async def get_deployment(request: web.Request) -> web.Response:
    """One deployment."""
    _no_parameters(request)
    id = from_path(request, "id")

    def work(reader: Reader) -> str:
        _known(request, reader, id)
        return dumps(deployments.find_deployment(reader, id))

    return _respond(request, await read(request, work))


async def get_changes(request: web.Request) -> web.Response:
    """The commits of a deployment, kept and dropped."""
    kept_only, page = asked(lambda: changes.parse_changes(parameters(request)))
    id, source = from_path(request, "id"), request.app[EXPLAIN]

    def work(reader: Reader) -> Listed:
        row = _known(request, reader, id)
        return changes.list_changes(reader, source, row, kept_only=kept_only, page=page)

    return await _list(request, work, COLUMNS[ChangeShown])


async def get_explanation(request: web.Request) -> web.Response:
    """Everything behind one deployment."""
    _no_parameters(request)
    id, source = from_path(request, "id"), request.app[EXPLAIN]

    def work(reader: Reader) -> str:
        _known(request, reader, id)
        found = explain.explain(reader, source, id)
        if found is None:
            raise not_found()
        return dumps(explain.explanation_json(found))

    return _respond(request, await read(request, work))


async def get_services(request: web.Request) -> web.Response:
    """The services, defined or deployed."""
    filters, page = asked(lambda: services.parse_services(parameters(request), asker(request)))
    limit_to_services(request, filters.service)
    return await _list(request, lambda reader: services.list_services(reader, filters, page), COLUMNS[ServiceShown])


async def get_service(request: web.Request) -> web.Response:
    """One service."""
    _no_parameters(request)
    find = partial(ai_activity.find_service_with_activity, now=request.app[CLOCK]())
    return await _one_of_service(request, find)


async def get_paths(request: web.Request) -> web.Response:
    """Which patterns select a service's commits."""
    _no_parameters(request)
    return await _one_of_service(request, paths.find_paths)


async def get_repositories(request: web.Request) -> web.Response:
    """The repositories and the state of their mirrors."""
    filters, page = asked(lambda: repositories.parse_repositories(parameters(request), asker(request)))
    limit_to_services(request, filters.service)
    return await _list(
        request, lambda reader: repositories.list_repositories(reader, filters, page), COLUMNS[RepositoryShown]
    )


async def get_pull_requests(request: web.Request) -> web.Response:
    """Pull requests, the latest touched first."""
    filters, page = asked(lambda: pull_requests.parse_pull_requests(parameters(request), asker(request)))
    limit_to_services(request, filters.service)
    return await _list(
        request, lambda reader: pull_requests.list_pull_requests(reader, filters, page), COLUMNS[PullRequestShown]
    )


async def get_rollforwards(request: web.Request) -> web.Response:
    """Rollforwards that wait for their deployment, newest first."""
    filters, page = asked(lambda: waiting.parse_waiting(parameters(request), asker(request)))
    limit_to_services(request, filters.service)
    now = request.app[CLOCK]()
    return await _list(request, lambda reader: waiting.list_waiting(reader, filters, page, now), COLUMNS[Waiting])


async def get_deliveries(request: web.Request) -> web.Response:
    """The inbox, newest first."""
    filters, page = asked(lambda: deliveries.parse_deliveries(parameters(request), asker(request)))
    limit_to_services(request, None)
    return await _list(
        request, lambda reader: deliveries.list_deliveries(reader, filters, page), COLUMNS[DeliveryShown]
    )


async def get_failures(request: web.Request) -> web.Response:
    """Failures of every source that is on, newest first."""
    question = asked(lambda: failures.parse_failures(parameters(request), asker(request)))
    limit_to_services(request, question.filters.service)
    return await _list(request, lambda reader: failures.list_failures(reader, question), COLUMNS[FailureShown])


async def get_openapi(request: web.Request) -> web.Response:
    """The description of this API."""
    return web.Response(body=_OPENAPI, content_type="application/yaml", charset="utf-8")


async def get_definition_schema(request: web.Request) -> web.Response:
    """What editors check and complete service definitions with; the same of every installation, so it needs no key."""
    return web.Response(body=_definition_schema(), content_type="application/schema+json", charset="utf-8")


@cache
def _definition_schema() -> bytes:
    return msgspec.json.encode(editor_schema())


def _known(request: web.Request, reader: Reader, id: str) -> DeploymentRow:
    row = load_deployment(reader, id)
    if row is None:
        raise not_found()
    limit_to_services(request, row.service)
    return row


async def _one_of_service(request: web.Request, find: Callable[[Reader, str], object | None]) -> web.Response:
    name = from_path(request, "name").strip().lower()
    limit_to_services(request, name)

    def work(reader: Reader) -> str:
        found = find(reader, name)
        if found is None:
            raise not_found()
        return dumps(found)

    return _respond(request, await read(request, work))


async def _list(request: web.Request, load: Callable[[Reader], Listed], columns: Sequence[str]) -> web.Response:
    csv = _wants_csv(request)

    def work(reader: Reader) -> tuple[str, str | None]:
        page = load(reader)
        if csv:
            return to_csv(columns, rows_of(page.data, columns)), page.next
        return dumps({"data": list(page.data), "next": page.next}), page.next

    body, following = await read(request, work)
    response = _respond(request, body)
    if following is not None:
        url = request.rel_url.update_query({"cursor": following})
        response.headers["Link"] = f'<{url}>; rel="next"'
    return response


def _no_parameters(request: web.Request) -> None:
    asked(lambda: Form(parameters(request), known=()))


def _wants_csv(request: web.Request) -> bool:
    return request.path.endswith(".csv")


def _respond(request: web.Request, body: str) -> web.Response:
    data = body.encode(errors="replace")
    if not _wants_csv(request):
        return web.Response(body=data, content_type="application/json", charset="utf-8")
    name = request.path.rpartition("/")[2]
    response = web.Response(body=data, content_type="text/csv", charset="utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _with_csv(path: str, handler: Handler, access: Access = READ) -> Iterable[Row]:
    return (Row("GET", twin, handler, access) for twin in (path, f"{path}.csv"))


_ID = "/api/v1/deployments/{id}"
_NAME = "/api/v1/services/{name:[^/]+}"
"""Plain `{name}` would refuse names that hold braces."""
ROWS: tuple[Row, ...] = (
    *_with_csv("/api/v1/metrics", get_metrics),
    *_with_csv("/api/v1/deployments", get_deployments),
    *_with_csv(f"{_ID}/changes", get_changes),
    Row("GET", f"{_ID}/explain", get_explanation, READ),
    Row("GET", _ID, get_deployment, READ),
    *_with_csv("/api/v1/failures", get_failures),
    *_with_csv("/api/v1/services", get_services),
    Row("GET", f"{_NAME}/paths", get_paths, READ),
    Row("GET", _NAME, get_service, READ),
    *_with_csv("/api/v1/repositories", get_repositories),
    *_with_csv("/api/v1/pull-requests", get_pull_requests),
    *_with_csv("/api/v1/rollforwards", get_rollforwards),
    *_with_csv("/api/v1/deliveries", get_deliveries, PRIVATE),
    Row("GET", "/openapi.yaml", get_openapi, READ),
    Row("GET", "/schema/service-definition.json", get_definition_schema, OPEN),
)
