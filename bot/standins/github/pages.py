"""The pages of the fake GitHub that a browser passes through: making an App from a manifest, installing it."""

import json
from collections.abc import Callable
from html import escape
from urllib.parse import urlencode

from aiohttp import web

from bot.standins.forge import StandInError
from bot.standins.github.apps import Apps
from bot.standins.github.state import App, World


class Pages:
    """Handlers of the pages; `clock` is the wall clock, by which codes die."""

    def __init__(self, world: World, apps: Apps, clock: Callable[[], float]) -> None:
        self._world = world
        self._apps = apps
        self._clock = clock

    def mount(self, app: web.Application) -> None:
        """Add them to an application."""
        app.router.add_post("/settings/apps/new", self._new_app)
        app.router.add_post("/organizations/{org}/settings/apps/new", self._new_app)
        app.router.add_get("/apps/{slug}/installations/new", self._choose)
        app.router.add_post("/apps/{slug}/installations/new", self._install)

    async def _new_app(self, request: web.Request) -> web.Response:
        """Takes the form's `manifest` as agreed to, and sends the browser back with a code."""
        form = await request.post()
        owner = request.match_info.get("org", "octo-admin")
        try:
            manifest = json.loads(str(form.get("manifest", "")))
            if not isinstance(manifest, dict):
                raise StandInError("the manifest is not an object")
            code = self._apps.from_manifest(manifest, owner, self._clock())
        except (ValueError, StandInError) as no:
            return web.Response(status=422, text=f"Invalid GitHub App configuration: {no}\n")
        query = {"code": code}
        if "state" in request.query:
            query["state"] = request.query["state"]
        back = str(manifest.get("redirect_url") or manifest["url"])
        return web.Response(status=302, headers={"Location": f"{back}{'&' if '?' in back else '?'}{urlencode(query)}"})

    async def _choose(self, request: web.Request) -> web.Response:
        app = self._app(request)
        rows = "".join(
            f'<p><label><input type="checkbox" name="repository" value="{one.id}"> {escape(one.path)}</label>'
            for one in self._world.repositories.values()
            if not one.deleted
        )
        form = f'<form method="post"><h1>Install {escape(app.name)}</h1>{rows}<button>Install</button></form>'
        return web.Response(text=f"<!doctype html><title>Install</title>{form}", content_type="text/html")

    async def _install(self, request: web.Request) -> web.Response:
        """Installs it on the form's repositories, one installation per account, and goes to the App's setup page."""
        app, form = self._app(request), await request.post()
        chosen = [self._world.repositories.get(int(str(number))) for number in form.getall("repository", [])]
        found = [one for one in chosen if one is not None and not one.deleted]
        if not found:
            return web.Response(status=422, text="Choose a repository.\n")
        numbers = [
            self._apps.install(app, login, [one for one in found if one.owner.login == login], None, None).id
            for login in sorted({one.owner.login for one in found})
        ]
        query = urlencode({"installation_id": numbers[0], "setup_action": "install"})
        return web.Response(status=302, headers={"Location": f"{app.setup_url or app.external_url}?{query}"})

    def _app(self, request: web.Request) -> App:
        for app in self._world.apps.values():
            if app.slug == request.match_info["slug"]:
                return app
        raise web.HTTPNotFound
