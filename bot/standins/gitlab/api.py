"""The API's table of routes, and the way from a request to a handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from bot.standins.gitlab import (
    commit_routes,
    group_routes,
    hook_routes,
    merge_request_routes,
    project_routes,
    status_routes,
)
from bot.standins.gitlab.calls import READING, Call, Refused

if TYPE_CHECKING:
    from bot.standins.gitlab.forge import GitLab

Handler = Callable[[Call], Awaitable[web.Response]]
PREFIX = "/api/v4"
ANY_SCOPE = frozenset({"/personal_access_tokens/self"})
FILES = "/projects/{id}/repository/files/{path}/raw"
ROUTES: dict[str, Handler] = {
    **project_routes.ROUTES,
    **group_routes.ROUTES,
    **hook_routes.ROUTES,
    **merge_request_routes.ROUTES,
    **commit_routes.ROUTES,
    **status_routes.ROUTES,
}
"""Handlers by `METHOD template`."""


def add_routes(app: web.Application, forge: GitLab) -> None:
    """Put the API below the instance's root."""
    for route, handler in ROUTES.items():
        method, template = route.split(" ")
        app.router.add_route(method, f"{forge.root}{PREFIX}{template}", _door(forge, template, handler))


def _door(forge: GitLab, template: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def enter(request: web.Request) -> web.Response:
        try:
            call = Call(request, forge, template)
            if template not in ANY_SCOPE:
                call.need(*_scopes(request.method, template))
            await call.read_form()
            return await handler(call)
        except Refused as refused:
            forge.checked(request.method, template, refused.status, refused.body)
            return web.json_response(refused.body, status=refused.status)

    return enter


def _scopes(method: str, template: str) -> tuple[str, ...]:
    if method not in {"GET", "HEAD"}:
        return ("api",)
    return (*READING, "read_repository") if template == FILES else READING
