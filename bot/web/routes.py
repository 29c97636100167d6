"""The one table of routes, and the application around it."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web

from bot.credentials import Credentials
from bot.settings import Settings
from bot.store import Store
from bot.web import (
    api,
    catalog_api,
    catalog_entities,
    deployment_list_page,
    deployment_page,
    devlake,
    failure_pages,
    health,
    incidents,
    malformed,
    original_deployments,
    original_extras,
    original_failures,
    override_page,
    pagerduty,
    pages,
    rules_page,
    setup,
    telemetry,
    uploads,
    user_activity,
    webhooks,
)
from bot.web.auth import Row, guarded
from bot.web.bodies import BUDGETS, make_budgets
from bot.web.context import CLOCK, CREDENTIALS, ENGINE_ALIVE, SETTINGS, STORE, WAKE
from bot.web.metrics import METRICS, Metrics
from bot.web.middlewares import answer_errors, careful_headers, identify
from bot.web.sightings import RECORDER, Recorder

SHUTDOWN_TIMEOUT = 8.0
"""Seconds; aiohttp cuts what is still running after twice that."""


def rows() -> tuple[Row, ...]:
    """Every route: method, path, handler, access."""
    return (
        *webhooks.ROWS,
        *pagerduty.ROWS,
        *devlake.ROWS,
        *original_deployments.ROWS,
        *user_activity.ROWS,
        *catalog_api.ROWS,
        *catalog_entities.ROWS,
        *original_failures.ROWS,
        *incidents.ROWS,
        *original_extras.ROWS,
        *telemetry.ROWS,
        *uploads.ROWS,
        *health.ROWS,
        *api.ROWS,
        *pages.ROWS,
        *rules_page.ROWS,
        *deployment_list_page.ROWS,
        *deployment_page.ROWS,
        *override_page.ROWS,
        *failure_pages.ROWS,
        *setup.ROWS,
    )


def make_app(
    *,
    settings: Settings,
    store: Store,
    clock: Callable[[], int],
    wake: Callable[[str], None],
    engine_alive: Callable[[], bool],
) -> web.Application:
    """The web application; it opens and closes nothing."""
    app = web.Application(middlewares=[identify, answer_errors])
    app[SETTINGS] = settings
    app[CREDENTIALS] = Credentials(settings)
    app[STORE] = store
    app[CLOCK] = clock
    app[WAKE] = wake
    app[ENGINE_ALIVE] = engine_alive
    app[METRICS] = Metrics()
    app[BUDGETS] = make_budgets()
    app[RECORDER] = Recorder(store, clock=clock, wake=wake)
    app[telemetry.DECODING] = asyncio.Semaphore(1)
    app[rules_page.TRYING] = asyncio.Semaphore(1)
    app.on_response_prepare.append(careful_headers)
    for row in rows():
        # Below the root of BASE_URL too: what stands before us may leave it on, or take it off.
        for path in dict.fromkeys((row.path, settings.root + row.path)):
            app.router.add_route(row.method, path, guarded(row))
            if row.method == "GET":
                app.router.add_route("HEAD", path, guarded(row))
    for path, methods in _fixed_paths(settings.root):
        app.router.add_route("*", path, _refuse_others(methods))
    return app


def _fixed_paths(root: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The paths without a variable, with their methods: none of them is also a value of another path's variable."""
    methods = defaultdict[str, set[str]](set)
    for row in rows():
        if "{" not in row.path:
            methods[row.path] |= {row.method, "HEAD"} if row.method == "GET" else {row.method}
    for path, own in methods.items():
        for spelling in dict.fromkeys((path, root + path)):
            yield spelling, frozenset(own)


def _refuse_others(methods: frozenset[str]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def refuse(request: web.Request) -> web.StreamResponse:
        raise web.HTTPMethodNotAllowed(request.method, methods)

    return refuse


def make_runner(app: web.Application) -> web.AppRunner:
    """The runner to serve it with: bodies as sent (see `bodies.py`), no access log (it would hold query strings), no bytes of what is
    no request in the log."""
    return web.AppRunner(
        app, auto_decompress=False, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT, logger=malformed.LOGGER
    )
