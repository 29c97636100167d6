"""An incidents API that answers as the original does: oldest first, states in the search alone, limits now and then."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.engine.incidents_client import IncidentsClient
from tests.pipeline.naming_room import BEGIN, at, iso

KEYS = {"DD-API-KEY": "api-key-of-the-tests", "DD-APPLICATION-KEY": "app-key-of-the-tests"}
FACETS = [
    "commander", "created_by", "fields", "impact", "last_modified_by", "postmortem", "responder", "severity", "state", "time_to_repair",
    "time_to_resolve",
]  # fmt: skip
NOW = at(20_000)

Spans = dict[str, list[tuple[float, float | None]]]


@dataclass
class Original:
    """The server; `answers` are given instead of what it knows, one each, as (status, headers, body)."""

    incidents: list[dict[str, Any]] = field(default_factory=list)
    spans: dict[str, Spans] = field(default_factory=dict)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    largest: int = 100
    searchable: bool = True
    keys: dict[str, str] = field(default_factory=lambda: dict(KEYS))
    url: str = ""

    def know(self, id: str, created: float, spans: Spans | None = None, **told: Any) -> dict[str, Any]:
        """An incident as the list shows it, created at a minute of the story."""
        fields = {name: {"type": "autocomplete", "value": None} for name in ("services", "teams")} | told.pop("fields", {})
        fields |= {"state": {"type": "dropdown", "value": told.setdefault("state", "resolved")}, "summary": {"type": "textbox", "value": None}}
        attributes = {
            "public_id": 304_434, "title": id, "created": _iso(created), "modified": _iso(created), "declared": _iso(created),
            "detected": _iso(created), "resolved": None, "customer_impacted": False, "customer_impact_scope": None,
            "customer_impact_start": None, "customer_impact_end": None, "customer_impact_duration": 0, "is_test": False,
            "notification_handles": None, "archived": None, "severity": "UNKNOWN", "field_analytics": None, "case_id": None,
            "visibility": "organization", "fields": fields, **told,
        }  # fmt: skip
        found = {"type": "incidents", "id": id, "attributes": attributes, "relationships": {"commander_user": {"data": None}}}
        self.incidents = [one for one in self.incidents if one["id"] != id] + [found]
        if spans is not None:
            self.spans[id] = spans
        return found

    async def answer(self, request: web.Request) -> web.Response:
        """A page of the list, or of the search."""
        self.asked.append(request.path_qs)
        if self.answers:
            status, headers, body = self.answers.pop(0)
            return web.Response(status=status, headers=headers, body=body)
        if any(request.headers.get(name) != key for name, key in self.keys.items()):
            return web.json_response({"errors": ["Forbidden"]}, status=403)
        size, offset = min(int(request.query.get("page[size]", 10)), self.largest), int(request.query.get("page[offset]", 0))
        if request.path.endswith("/search"):
            if not self.searchable:
                return web.json_response({"errors": ["Forbidden"]}, status=403)
            known = [{**one, "attributes": self._searched(one)} for one in reversed(self.incidents) if one["id"] in self.spans]
            found = [{"data": one} for one in known[offset:][:size]]
            attributes = {"total": len(known), "facets": {name: [] for name in FACETS}, "incidents": found}
            return web.json_response({"data": {"type": "incidents_search_results", "attributes": attributes}})
        page = self.incidents[offset:][:size]
        return web.json_response({"data": page, "meta": {"pagination": {"offset": offset, "size": len(page)}}})

    def _searched(self, one: dict[str, Any]) -> dict[str, Any]:
        spans = {
            state: {"duration": 0, "spans": [{"start": _second(start), "end": None if end is None else _second(end)} for start, end in found]}
            for state, found in self.spans[one["id"]].items()
        }  # fmt: skip
        created = one["attributes"]["created"].partition(".")[0] + "+00:00"
        return {**one["attributes"], "created": created, "field_analytics": {"state": spans}}

    def client(self, **keys: str) -> IncidentsClient:
        """What asks it; waiting takes no time, and is kept."""
        given = {"api_key": KEYS["DD-API-KEY"], "app_key": KEYS["DD-APPLICATION-KEY"], **keys}

        async def sleep(seconds: float) -> None:
            self.waited.append(seconds)

        return IncidentsClient(self.url, progress=self.said.append, clock=lambda: NOW, sleep=sleep, **given)


@asynccontextmanager
async def original() -> AsyncIterator[Original]:
    """The server, for a while."""
    made, app = Original(), web.Application()
    app.router.add_get("/api/v2/incidents", made.answer)
    app.router.add_get("/api/v2/incidents/search", made.answer)
    server = TestServer(app)
    await server.start_server(access_log=None)
    made.url = str(server.make_url("/")).rstrip("/")
    try:
        yield made
    finally:
        await server.close()


def _iso(minute: float) -> str:
    return iso(minute).replace("Z", ".068100+00:00")


def _second(minute: float) -> int:
    return (BEGIN + int(minute * 60) * 10**9) // 10**9
